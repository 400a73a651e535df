/* Bytes of a terminal as keys, and an editor that takes them: the same text however they are cut
 * between reads, always whole characters, painted within the width. The first byte says how wide
 * the screen is, the second how it is cut. */
#include <assert.h>
#include <string.h>

#include "base/buf.h"
#include "base/str.h"
#include "cli/edit.h"
#include "cli/keys.h"
#include "cli/view.h"
#include "tests/fuzz/fuzz.h"

static void on_fuzz_key(void *data, enum key key, const char *text, size_t n, bool pasted)
{
	struct edit *e = data;

	assert((key == KEY_TEXT) == (n > 0));
	assert(!n || str_utf8_valid(text, n) == n);
	if (!edit_key(e, key, text, n) && key == KEY_ENTER)
		edit_accept(e);
	assert(e->cursor <= e->text.len);
}

static void type_in_pieces(struct edit *e, const uint8_t *p, size_t n, size_t piece)
{
	struct keys keys = {0};

	for (size_t at = 0; at < n; at += piece)
		keys_feed(
		    &keys, (const char *)p + at, n - at < piece ? n - at : piece, on_fuzz_key, e);
	keys_finish(&keys);
}

static void check_editor(const struct edit *e, unsigned width)
{
	struct buf rows = {0};
	struct str rest, row;
	unsigned at, column, count = 0;

	assert(str_utf8_valid(e->text.p ? e->text.p : "", e->text.len) == e->text.len);
	/* The cursor is at a character's edge. */
	assert(e->cursor == e->text.len || ((unsigned char)e->text.p[e->cursor] & 0xC0) != 0x80);
	edit_rows(e, "> ", width, &rows, &at, &column);
	assert(rows.len && rows.p[rows.len - 1] == '\n');
	rest = (struct str){rows.p, rows.len};
	while (rest.n) {
		rest = str_cut(rest, '\n', &row);
		/* A character that is wider than the screen has a row of its own. */
		assert(view_columns(row.p, row.n) <= (width < 6 ? 6 : width));
		count++;
	}
	assert(at < count && column <= width);
	buf_finish(&rows);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct edit whole = {0}, pieces = {0};
	unsigned width;

	if (size < 2 || size > 65536)
		return 0;
	width = data[0] ? data[0] : 1;
	type_in_pieces(&whole, data + 2, size - 2, size);
	type_in_pieces(&pieces, data + 2, size - 2, data[1] % 16 + (size_t)1);
	assert(whole.text.len == pieces.text.len && whole.cursor == pieces.cursor);
	assert(!whole.text.len || memcmp(whole.text.p, pieces.text.p, whole.text.len) == 0);
	check_editor(&whole, width);
	edit_finish(&whole);
	edit_finish(&pieces);
	return 0;
}
