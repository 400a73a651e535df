/* Markdown bit by bit: whatever pieces a text comes in, the same rows are painted; the rows hold no
 * control character but our own colours. The first two bytes say how it is cut and how wide the
 * screen is. */
#include <assert.h>
#include <string.h>

#include "base/buf.h"
#include "base/str.h"
#include "cli/markdown.h"
#include "tests/fuzz/fuzz.h"

/* Feed it in pieces, taking what is done after each; looking: also what is open. */
static void paint_in_pieces(
    struct buf *out, const char *p, size_t n, size_t piece, unsigned width, bool looking)
{
	struct markdown_stream *s = markdown_stream_new(width, true);
	struct buf open = {0};

	for (size_t at = 0; at < n; at += piece) {
		markdown_stream_add(s, p + at, n - at < piece ? n - at : piece);
		markdown_stream_take(s, false, out);
		buf_clear(&open);
		if (looking)
			markdown_stream_open(s, &open);
	}
	markdown_stream_take(s, true, out);
	markdown_stream_free(s);
	buf_finish(&open);
}

static void check_rows(const struct buf *out)
{
	assert(!out->len || out->p[out->len - 1] == '\n');
	for (size_t i = 0; i < out->len; i++) {
		unsigned char c = (unsigned char)out->p[i];

		if (c == '\033') {
			assert(i + 2 < out->len && out->p[i + 1] == '[');
			for (i += 2; out->p[i] != 'm'; i++)
				assert(i + 1 < out->len && strchr("0123456789;", out->p[i]));
			continue;
		}
		assert(c == '\n' || c == '\t' || (c >= 0x20 && c != 0x7F));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *p = (const char *)data + 2;
	struct buf whole = {0}, pieces = {0};
	size_t n = size - 2, piece;
	unsigned width;

	if (size < 2)
		return 0;
	piece = data[0] + (size_t)1;
	width = data[1];
	/* What comes from the daemon is UTF-8. */
	n = str_utf8_valid(p, n);
	markdown_render(&whole, p, n, width, true);
	check_rows(&whole);
	paint_in_pieces(&pieces, p, n, piece, width, false);
	assert(
	    pieces.len == whole.len && (!whole.len || memcmp(pieces.p, whole.p, whole.len) == 0));
	buf_clear(&pieces);
	paint_in_pieces(&pieces, p, n, n > 4096 ? 61 : 1, width, n < 512);
	assert(
	    pieces.len == whole.len && (!whole.len || memcmp(pieces.p, whole.p, whole.len) == 0));
	buf_finish(&whole);
	buf_finish(&pieces);
	return 0;
}
