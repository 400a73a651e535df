/* Replacing exact text. */
#include "tools/edit.h"

#include <errno.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/str.h"
#include "tools/diff.h"
#include "tools/tool.h"
#include "tools/workspace.h"

static const char *find(const char *p, size_t n, struct str what)
{
	return what.n && n >= what.n ? memmem(p, n, what.p, what.n) : NULL;
}

static size_t count(const struct buf *text, struct str what)
{
	const char *p = text->p, *end = text->p + text->len, *at;
	size_t n = 0;

	while ((at = find(p, (size_t)(end - p), what))) {
		n++;
		p = at + what.n;
	}
	return n;
}

static size_t line_of(const struct buf *text, const char *at)
{
	size_t line = 1;

	for (const char *p = text->p; p < at; p++)
		line += *p == '\n';
	return line;
}

/* The exact text is not there: say what is, as near as can be found. */
static void say_missing(
    struct tool_call *call, const struct buf *text, struct str what, const char *which)
{
	struct str first, trimmed;
	const char *at;

	str_cut(str_trim(what), '\n', &first);
	trimmed = str_trim(first);
	at = find(text->p, text->len, trimmed);
	if (at)
		tool_fail(call,
		    "%s the old text is not in the file. Its first line is at line %zu, so what "
		    "differs "
		    "are blanks or the lines after it: read the file there and copy the text "
		    "exactly",
		    which, line_of(text, at));
	else
		tool_fail(call,
		    "%s the old text is not in the file, nor is its first line: read the file "
		    "again",
		    which);
}

static void say_many(
    struct tool_call *call, const struct buf *text, struct str what, size_t n, const char *which)
{
	const char *p = text->p, *end = text->p + text->len, *at;
	char lines[200];
	size_t len = 0;

	lines[0] = '\0';
	for (int i = 0; i < 8 && (at = find(p, (size_t)(end - p), what)); i++) {
		len += (size_t)snprintf(
		    lines + len, sizeof lines - len, "%s%zu", i ? ", " : "", line_of(text, at));
		p = at + what.n;
	}
	tool_fail(call,
	    "%s the old text is in the file %zu times (lines %s%s): give more of the lines around "
	    "it, or "
	    "set all to replace each",
	    which, n, lines, n > 8 ? ", …" : "");
}

/* Replace in text. False with a sentence. */
static bool apply_one(
    struct tool_call *call, struct buf *text, const json_t *edit, const char *which)
{
	struct str old = json_str(edit, "old"), new = json_str(edit, "new");
	bool all = json_is_true(json_object_get(edit, "all"));
	size_t n = count(text, old);
	struct buf out = {0};
	const char *p = text->p, *end = text->p + text->len, *at;

	if (old.n == new.n && memcmp(old.p, new.p, old.n) == 0) {
		tool_fail(call, "%s old and new are the same text", which);
		return false;
	}
	if (n == 0) {
		say_missing(call, text, old, which);
		return false;
	}
	if (n > 1 && !all) {
		say_many(call, text, old, n, which);
		return false;
	}
	while ((at = find(p, (size_t)(end - p), old))) {
		buf_add(&out, p, (size_t)(at - p));
		buf_add(&out, new.p, new.n);
		p = at + old.n;
		if (out.len > TOOL_MAX_FILE) {
			tool_fail(call, "%s the file would become larger than %d bytes", which,
			    TOOL_MAX_FILE);
			buf_finish(&out);
			return false;
		}
	}
	buf_add(&out, p, (size_t)(end - p));
	buf_finish(text);
	*text = out;
	return true;
}

void edit_apply(struct tool_call *call, const char *path, const json_t *edits, bool write)
{
	struct buf old = {0}, text = {0};
	const json_t *one;
	char which[40] = "";
	mode_t mode = 0644;
	bool good;
	size_t i;
	int rc = workspace_guard(call, path) ? workspace_read(call, path, &old, &mode) : -1;

	if (rc == -ENOENT)
		tool_fail(call, "%.500s does not exist: write_file makes files", path);
	good = rc == 0 && (!write || workspace_unchanged(call, &old));
	buf_add(&text, old.p, old.len);
	json_array_foreach (edits, i, one) {
		if (json_array_size(edits) > 1)
			snprintf(
			    which, sizeof which, "edit %zu of %zu:", i + 1, json_array_size(edits));
		good = good && apply_one(call, &text, one, which);
	}
	if (good && write && workspace_write(call, path, text.p, text.len, mode)) {
		call->ok = true;
		diff_put(&call->text, path, &old, &text, TOOL_MAX_PREVIEW);
	} else if (good && !write) {
		call->ok = true;
		diff_put(&call->text, path, &old, &text, TOOL_MAX_PREVIEW);
		workspace_state(call, &old);
	}
	buf_finish(&old);
	buf_finish(&text);
}
