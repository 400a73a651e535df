/* write_file: make or replace a whole file. */
#include <errno.h>

#include "base/json.h"
#include "base/str.h"
#include "tools/diff.h"
#include "tools/tool.h"
#include "tools/workspace.h"

/* The file as it is; *there: it exists. False with a sentence. */
static bool read_old(
    struct tool_call *call, const char *path, struct buf *old, mode_t *mode, bool *there)
{
	int rc = workspace_guard(call, path) ? workspace_read(call, path, old, mode) : -1;

	*there = rc == 0;
	return rc == 0 || rc == -ENOENT;
}

static struct buf new_content(const struct tool_call *call)
{
	struct str text = json_str(call->args, "content");

	return (struct buf){.p = (char *)(uintptr_t)text.p, .len = text.n};
}

static void preview(struct tool_call *call)
{
	const char *path = json_cstr(call->args, "path", "");
	struct buf old = {0}, content = new_content(call);
	bool there;
	mode_t mode;

	if (read_old(call, path, &old, &mode, &there)) {
		diff_put(&call->text, path, there ? &old : NULL, &content, TOOL_MAX_PREVIEW);
		workspace_state(call, there ? &old : NULL);
		call->ok = true;
	}
	buf_finish(&old);
}

static void run(struct tool_call *call)
{
	const char *path = json_cstr(call->args, "path", "");
	struct buf old = {0}, content = new_content(call);
	mode_t mode = 0644;
	bool there;

	if (read_old(call, path, &old, &mode, &there) &&
	    workspace_unchanged(call, there ? &old : NULL) &&
	    workspace_write(call, path, content.p, content.len, mode)) {
		call->ok = true;
		buf_addf(&call->text, "%s %s: %zu bytes", there ? "replaced" : "made", path,
		    content.len);
	}
	buf_finish(&old);
}

const struct tool tool_write_file = {
    .name = "write_file",
    .kind = TOOL_EDIT,
    .description = "Make a file, or replace all of its content. Directories on the way are made.",
    .schema = "{\"type\":\"object\",\"properties\":{"
	      "\"path\":{\"type\":\"string\",\"minLength\":1,\"maxLength\":4000,"
	      "\"description\":\"path from the workspace\"},"
	      "\"content\":{\"type\":\"string\",\"description\":\"the whole new content\"}},"
	      "\"required\":[\"path\",\"content\"],\"additionalProperties\":false}",
    .path_arg = "path",
    .preview = preview,
    .run = run,
};
