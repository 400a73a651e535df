/* ask_user: a question to the person, answered by any client as a permission request is. */
#include "tools/tool.h"

const struct tool tool_ask_user = {
    .name = "ask_user",
    .kind = TOOL_QUESTION,
    .description =
	"Ask the person a question and wait for the answer. Only for what cannot be found out "
	"otherwise.",
    .schema = "{\"type\":\"object\",\"properties\":{"
	      "\"question\":{\"type\":\"string\",\"minLength\":1,\"maxLength\":4000},"
	      "\"options\":{\"type\":\"array\",\"maxItems\":10,\"items\":{\"type\":\"string\","
	      "\"maxLength\":400}}},"
	      "\"required\":[\"question\"],\"additionalProperties\":false}",
};
