/* What templates leave in a text: cut anywhere it reads the same, and nothing of it is lost. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "model/marks.h"
#include "tests/fuzz/fuzz.h"

struct heard {
	struct buf text, thinking, calls;
};

static void on_text(void *data, bool thinking, const char *p, size_t n)
{
	struct heard *h = data;

	assert(n > 0);
	buf_add(thinking ? &h->thinking : &h->text, p, n);
}

static void on_thought(void *data)
{
	struct heard *h = data;

	buf_add(&h->thinking, h->text.p, h->text.len);
	buf_clear(&h->text);
}

static bool offered(void *data, const char *name)
{
	return name[0] != 'x';
}

static void hear(struct heard *h, const char *p, size_t n, size_t step)
{
	struct marks m = {.on_text = on_text, .on_thought = on_thought, .data = h};

	for (size_t at = 0; at < n; at += step)
		marks_feed(&m, p + at, n - at < step ? n - at : step);
	marks_end(&m, offered, NULL);
	for (size_t i = 0; i < m.count; i++) {
		buf_add(&h->calls, m.calls[i].name.p, m.calls[i].name.len);
		buf_addc(&h->calls, ' ');
		buf_add(&h->calls, m.calls[i].arguments.p, m.calls[i].arguments.len);
	}
	marks_finish(&m);
}

static bool same(const struct buf *a, const struct buf *b)
{
	return a->len == b->len && (!a->len || memcmp(a->p, b->p, a->len) == 0);
}

static void finish(struct heard *h)
{
	buf_finish(&h->text);
	buf_finish(&h->thinking);
	buf_finish(&h->calls);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct heard whole = {0}, cut = {0};

	if (size < 2)
		return 0;
	hear(&whole, (const char *)data + 1, size - 1, size);
	hear(&cut, (const char *)data + 1, size - 1, 1 + data[0] % 16);
	assert(same(&whole.text, &cut.text) && same(&whole.thinking, &cut.thinking) &&
	       same(&whole.calls, &cut.calls));
	finish(&whole);
	finish(&cut);
	return 0;
}
