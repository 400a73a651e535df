/* bg_kill: end a background process. */
#include "tools/tool.h"

const struct tool tool_bg_kill = {
    .name = "bg_kill",
    .kind = TOOL_BACKGROUND,
    .description = "End a background process with all that it started.",
    .schema = "{\"type\":\"object\",\"properties\":{\"processId\":{\"type\":\"string\","
	      "\"minLength\":1,\"maxLength\":64},\"signal\":{\"type\":\"string\",\"enum\":["
	      "\"SIGTERM\",\"SIGKILL\",\"SIGINT\"]}},"
	      "\"required\":[\"processId\"],\"additionalProperties\":false}",
};
