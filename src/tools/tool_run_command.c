/* run_command: a shell command in the workspace. The supervisor runs it (tools/supervisor.c). */
#include "tools/tool.h"

const struct tool tool_run_command = {
    .name = "run_command",
    .kind = TOOL_COMMAND,
    .description = "Run a shell command (sh -c) in the workspace and get its output and exit code. "
		   "It can write "
		   "only the workspace and /tmp, which is empty at each call; what it leaves "
		   "running is ended. "
		   "For a server or anything that goes on, use bg_start.",
    .schema = "{\"type\":\"object\",\"properties\":{"
	      "\"command\":{\"type\":\"string\",\"minLength\":1,\"maxLength\":100000},"
	      "\"cwd\":{\"type\":\"string\",\"minLength\":1,\"maxLength\":4000,"
	      "\"description\":\"directory, from the workspace\"},"
	      "\"timeoutMs\":{\"type\":\"integer\",\"minimum\":100,\"maximum\":600000,"
	      "\"description\":\"ended after this; 120000 when not given\"}},"
	      "\"required\":[\"command\"],\"additionalProperties\":false}",
    .path_arg = "cwd",
};
