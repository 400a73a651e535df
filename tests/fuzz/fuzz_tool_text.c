/*
 * What tools make of bytes: the output of a command in pieces (first byte: how large), a result
 * with a bound, and a diff of two texts. All of it becomes UTF-8 of bounded length.
 */
#include <assert.h>
#include <string.h>

#include "base/buf.h"
#include "base/str.h"
#include "tests/fuzz/fuzz.h"
#include "tools/diff.h"
#include "tools/output.h"
#include "tools/tool.h"

static void is_text(const struct buf *text, size_t most)
{
	assert(text->len <= most);
	assert(str_utf8_valid(text->p, text->len) == text->len);
}

/* A command's output, repeated so that its middle is left out. */
static void take_output(const char *p, size_t n, size_t piece, size_t times)
{
	struct output *o = output_new(-1, "session", "call");
	struct buf out = {0};
	bool truncated, existed;
	size_t total = 0;

	for (size_t i = 0; i < times; i++)
		for (size_t at = 0; at < n; at += piece) {
			size_t some = n - at < piece ? n - at : piece;

			output_add(o, p + at, some);
			total += some;
		}
	output_put(o, &out, &truncated, &existed);
	/* Each bad byte becomes three. */
	is_text(&out, (size_t)3 * (OUTPUT_HEAD + OUTPUT_TAIL) + 200);
	assert(!existed && (truncated || total <= OUTPUT_HEAD + OUTPUT_TAIL));
	/* In one piece it is the same. */
	if (times == 1) {
		struct output *whole = output_new(-1, "session", "call");
		struct buf again = {0};

		output_add(whole, p, n);
		output_put(whole, &again, &truncated, &existed);
		assert(again.len == out.len && (!out.len || memcmp(again.p, out.p, out.len) == 0));
		buf_finish(&again);
		output_free(whole);
	}
	buf_finish(&out);
	output_free(o);
}

static void take_result(const char *p, size_t n, size_t times)
{
	struct tool_call call = {0};
	bool room = true;

	for (size_t i = 0; i < times; i++)
		room = tool_put_text(&call, p, n);
	is_text(&call.text, TOOL_MAX_TEXT);
	assert(room || call.truncated);
	buf_finish(&call.text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf a = {0}, b = {0}, out = {0};
	const char *p = (const char *)data + 1;
	size_t piece, n = size - 1;

	if (size < 2 || size > 65536)
		return 0;
	piece = data[0] ? data[0] : 1;
	take_output(p, n, piece, 1);
	take_output(p, n, 997, 1 + 40000 / n);
	take_result(p, n, 1 + (data[0] & 63) * 2000 / n);
	buf_add(&a, p, n / 2);
	buf_add(&b, p + n / 2, n - n / 2);
	diff_put(&out, "f", &a, &b, 2000);
	/* The last line says how much is left out. */
	assert(out.len < 2000 + 200);
	buf_finish(&a);
	buf_finish(&b);
	buf_finish(&out);
	return 0;
}
