/* Previews from the arguments alone. */
#include "session/preview.h"

#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/str.h"
#include "session/rules.h"
#include "tools/tool.h"
#include "tools/workspace.h"

static void preview_question(struct buf *out, const json_t *args)
{
	const json_t *option;
	size_t i;

	buf_adds(out, json_cstr(args, "question", ""));
	json_array_foreach (json_object_get(args, "options"), i, option)
		buf_addf(out, "\n  %zu. %s", i + 1, json_string_value(option));
}

static void preview_command(
    struct buf *out, const struct tool *tool, const json_t *args, const char *workspace)
{
	struct buf path = {0};
	bool outside = rules_outside(tool, args, workspace, &path);

	if (!outside)
		workspace_plain(workspace, json_cstr(args, "cwd", "."), &path);
	buf_addf(out, "$ %s\n(in %s", json_cstr(args, "command", ""),
	    outside ? buf_cstr(&path) : workspace);
	if (!outside && strcmp(buf_cstr(&path), ".") != 0)
		buf_addf(out, "/%s", buf_cstr(&path));
	buf_adds(out, tool->kind == TOOL_BACKGROUND ? ", in the background)" : ")");
	buf_finish(&path);
}

/* Each line of text with a sign before it. */
static void preview_lines(struct buf *out, char sign, struct str text)
{
	struct str line;

	while (text.n) {
		text = str_cut(text, '\n', &line);
		buf_addc(out, sign);
		buf_add(out, line.p, line.n);
		buf_addc(out, '\n');
	}
}

static void preview_replacement(struct buf *out, const json_t *edit)
{
	buf_addf(out, "replace %s of:\n",
	    json_is_true(json_object_get(edit, "all")) ? "each occurrence" : "the one occurrence");
	preview_lines(out, '-', json_str(edit, "old"));
	preview_lines(out, '+', json_str(edit, "new"));
}

/* What would be written where nobody has looked yet. */
static void preview_outside(
    struct buf *out, const struct tool *tool, const json_t *args, const char *path)
{
	const json_t *edit;
	size_t i;

	if (tool->kind == TOOL_READ)
		buf_addf(out, "OUTSIDE THE WORKSPACE: %s %s\n", tool->name, path);
	else
		buf_addf(out, "OUTSIDE THE WORKSPACE: %s\n(%s)\n", path, tool->name);
	if (json_object_get(args, "content")) {
		buf_adds(out, "the file's whole content becomes:\n");
		preview_lines(out, '+', json_str(args, "content"));
	}
	if (json_object_get(args, "old"))
		preview_replacement(out, args);
	json_array_foreach (json_object_get(args, "edits"), i, edit)
		preview_replacement(out, edit);
}

void preview_put(struct buf *out, const struct tool *tool, const json_t *args,
    const char *args_text, const char *workspace)
{
	struct buf path = {0};

	if (tool->kind == TOOL_QUESTION)
		preview_question(out, args);
	else if (json_object_get(args, "command"))
		preview_command(out, tool, args, workspace);
	else if (tool->kind == TOOL_BACKGROUND)
		buf_addf(out, "%s %s", tool->name, json_cstr(args, "processId", ""));
	else if (rules_outside(tool, args, workspace, &path))
		preview_outside(out, tool, args, buf_cstr(&path));
	else
		buf_addf(out, "%s %s", tool->name, args_text);
	buf_finish(&path);
}
