/* A model server's event stream, in pieces of a size the first byte names. */
#include <assert.h>

#include "base/str.h"
#include "model/delta.h"
#include "model/text.h"
#include "protocol/sse.h"
#include "tests/fuzz/fuzz.h"

static void on_text(void *data, bool thinking, const char *p, size_t n)
{
	/* What goes out is always whole, valid characters. */
	assert(n > 0 && str_utf8_valid(p, n) == n);
}

static int on_event(void *data, struct str text, struct str id)
{
	struct delta d;

	if (delta_parse(text.p, text.n, &d) != 0)
		return 1;
	if (d.thinking.n)
		model_text_feed(data, true, d.thinking.p, d.thinking.n);
	if (d.text.n)
		model_text_feed(data, false, d.text.p, d.text.n);
	delta_finish(&d);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct model_text *text;
	struct sse *sse;
	size_t step;

	if (size < 2)
		return 0;
	step = 1 + data[0];
	text = model_text_new(on_text, NULL);
	sse = sse_new(65536, on_event, text);
	for (size_t at = 1; at < size; at += step)
		if (sse_feed(sse, (const char *)data + at, size - at < step ? size - at : step) !=
		    0)
			break;
	model_text_end(text);
	sse_free(sse);
	model_text_free(text);
	return 0;
}
