/* edit_file: replace one exact piece of text. */
#include "base/json.h"
#include "tools/edit.h"
#include "tools/tool.h"

static void act(struct tool_call *call, bool write)
{
	json_t *edits = json_array();

	json_array_append(edits, (json_t *)(uintptr_t)call->args);
	edit_apply(call, json_cstr(call->args, "path", ""), edits, write);
	json_decref(edits);
}

static void preview(struct tool_call *call)
{
	act(call, false);
}

static void run(struct tool_call *call)
{
	act(call, true);
}

const struct tool tool_edit_file = {
    .name = "edit_file",
    .kind = TOOL_EDIT,
    .description =
	"Replace text in a file. old must be in the file exactly once, with its blanks and line "
	"ends as they are (without the line numbers read_file shows).",
    .schema =
	"{\"type\":\"object\",\"properties\":{"
	"\"path\":{\"type\":\"string\",\"minLength\":1,\"maxLength\":4000,"
	"\"description\":\"path from the workspace\"},"
	"\"old\":{\"type\":\"string\",\"minLength\":1,\"description\":\"the text to replace\"},"
	"\"new\":{\"type\":\"string\",\"description\":\"what takes its place\"},"
	"\"all\":{\"type\":\"boolean\",\"description\":\"replace each occurrence\"}},"
	"\"required\":[\"path\",\"old\",\"new\"],\"additionalProperties\":false}",
    .path_arg = "path",
    .preview = preview,
    .run = run,
};
