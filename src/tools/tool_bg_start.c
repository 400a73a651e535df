/* bg_start: a process that goes on after its call (session/background.c runs it). */
#include "tools/tool.h"

const struct tool tool_bg_start = {
    .name = "bg_start",
    .kind = TOOL_BACKGROUND,
    .description =
	"Start a shell command that goes on in the background (a server, a watcher). Gives its "
	"processId.",
    .schema = "{\"type\":\"object\",\"properties\":{"
	      "\"command\":{\"type\":\"string\",\"minLength\":1,\"maxLength\":100000},"
	      "\"label\":{\"type\":\"string\",\"maxLength\":200},"
	      "\"cwd\":{\"type\":\"string\",\"minLength\":1,\"maxLength\":4000,"
	      "\"description\":\"directory, from the workspace\"},"
	      "\"timeoutMs\":{\"type\":\"integer\",\"minimum\":100,\"maximum\":86400000}},"
	      "\"required\":[\"command\"],\"additionalProperties\":false}",
    .path_arg = "cwd",
};
