/* bg_status: how a background process does. */
#include "tools/tool.h"

const struct tool tool_bg_status = {
    .name = "bg_status",
    .kind = TOOL_READ,
    .description = "How a background process does; without processId all of this session.",
    .schema = "{\"type\":\"object\",\"properties\":{\"processId\":{\"type\":\"string\","
	      "\"minLength\":1,\"maxLength\":64}},\"additionalProperties\":false}",
};
