/* multi_edit: several replacements in one file, all or none. */
#include "base/json.h"
#include "tools/edit.h"
#include "tools/tool.h"

static void preview(struct tool_call *call)
{
	edit_apply(
	    call, json_cstr(call->args, "path", ""), json_object_get(call->args, "edits"), false);
}

static void run(struct tool_call *call)
{
	edit_apply(
	    call, json_cstr(call->args, "path", ""), json_object_get(call->args, "edits"), true);
}

const struct tool tool_multi_edit = {
    .name = "multi_edit",
    .kind = TOOL_EDIT,
    .description =
	"Several edit_file replacements in one file, in order, each on what the one before left. "
	"When one cannot be made, none is.",
    .schema = "{\"type\":\"object\",\"properties\":{"
	      "\"path\":{\"type\":\"string\",\"minLength\":1,\"maxLength\":4000,"
	      "\"description\":\"path from the workspace\"},"
	      "\"edits\":{\"type\":\"array\",\"minItems\":1,\"maxItems\":100,\"items\":{\"type\":"
	      "\"object\","
	      "\"properties\":{\"old\":{\"type\":\"string\",\"minLength\":1},\"new\":{\"type\":"
	      "\"string\"},"
	      "\"all\":{\"type\":\"boolean\"}},\"required\":[\"old\",\"new\"],"
	      "\"additionalProperties\":false}}},"
	      "\"required\":[\"path\",\"edits\"],\"additionalProperties\":false}",
    .path_arg = "path",
    .preview = preview,
    .run = run,
};
