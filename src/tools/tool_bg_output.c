/* bg_output: what a background process wrote. */
#include "tools/tool.h"

const struct tool tool_bg_output = {
    .name = "bg_output",
    .kind = TOOL_READ,
    .description = "What a background process wrote, from chunk afterSeq on.",
    .schema = "{\"type\":\"object\",\"properties\":{\"processId\":{\"type\":\"string\","
	      "\"minLength\":1,\"maxLength\":64},\"afterSeq\":{\"type\":\"integer\",\"minimum\":0,"
	      "\"maximum\":1000000000000}},"
	      "\"required\":[\"processId\"],\"additionalProperties\":false}",
};
