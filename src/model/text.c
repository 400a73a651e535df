/* Joining characters and telling thinking from the answer. */
#include "model/text.h"

#include <assert.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/utf8.h"

#define OPEN_TAG "<think>"
#define CLOSE_TAG "</think>"

/* Where in the answer's content we are. */
enum place {
	PLACE_START,	/* nothing but blanks so far: a <think> may come */
	PLACE_THINKING, /* after <think> */
	PLACE_ANSWER,	/* the rest of the answer: tags are ordinary text */
};

struct model_text {
	model_text_cb *on_text;
	void *data;
	enum place place;
	struct buf held;    /* content that may be part of a tag */
	char partial[2][4]; /* the beginning of a character: of content, of thinking */
	size_t partial_len[2];
	struct buf joined; /* scratch */
};

struct model_text *model_text_new(model_text_cb *on_text, void *data)
{
	struct model_text *t = mem_zalloc(1, sizeof *t);

	t->on_text = on_text;
	t->data = data;
	return t;
}

void model_text_free(struct model_text *t)
{
	if (!t)
		return;
	buf_finish(&t->held);
	buf_finish(&t->joined);
	free(t);
}

static void emit(struct model_text *t, bool thinking, const char *p, size_t n)
{
	if (n)
		t->on_text(t->data, thinking, p, n);
}

/* How many bytes at the end of p[0..n) could begin tag. */
static size_t tag_prefix_at_end(const char *p, size_t n, const char *tag)
{
	size_t most = strlen(tag) - 1;

	for (size_t k = n < most ? n : most; k > 0; k--)
		if (memcmp(p + n - k, tag, k) == 0)
			return k;
	return 0;
}

static const char *find_tag(const char *p, size_t n, const char *tag)
{
	return n ? memmem(p, n, tag, strlen(tag)) : NULL;
}

/* Within thinking: emit up to the closing tag, hold what may be the beginning of one. */
static void take_thinking(struct model_text *t, const char *p, size_t n)
{
	const char *close;
	size_t keep;

	buf_add(&t->held, p, n);
	close = find_tag(t->held.p, t->held.len, CLOSE_TAG);
	if (close) {
		size_t before = (size_t)(close - t->held.p);
		struct buf held = t->held;

		t->held = (struct buf){0};
		t->place = PLACE_ANSWER;
		emit(t, true, held.p, before);
		before += strlen(CLOSE_TAG);
		emit(t, false, held.p + before, held.len - before);
		buf_finish(&held);
		return;
	}
	keep = tag_prefix_at_end(t->held.p, t->held.len, CLOSE_TAG);
	emit(t, true, t->held.p, t->held.len - keep);
	buf_consume(&t->held, t->held.len - keep);
}

/* At the start: hold blanks and what may become <think>. */
static void take_start(struct model_text *t, const char *p, size_t n)
{
	struct str seen;
	size_t tag = strlen(OPEN_TAG);

	buf_add(&t->held, p, n);
	seen = (struct str){t->held.p, t->held.len};
	while (seen.n && strchr(" \t\r\n", seen.p[0])) {
		seen.p++;
		seen.n--;
	}
	if (seen.n < tag && memcmp(seen.p, OPEN_TAG, seen.n) == 0)
		return;
	if (str_starts(seen, OPEN_TAG)) {
		struct buf held = t->held;

		t->held = (struct buf){0};
		t->place = PLACE_THINKING;
		take_thinking(t, seen.p + tag, seen.n - tag);
		buf_finish(&held);
		return;
	}
	t->place = PLACE_ANSWER;
	emit(t, false, t->held.p, t->held.len);
	buf_finish(&t->held);
}

static void take_content(struct model_text *t, const char *p, size_t n)
{
	switch (t->place) {
	case PLACE_START:
		take_start(t, p, n);
		break;
	case PLACE_THINKING:
		take_thinking(t, p, n);
		break;
	case PLACE_ANSWER:
		emit(t, false, p, n);
		break;
	}
}

/* Make joined valid UTF-8 from the partial character and p; keep a cut one for later. */
static void join(struct model_text *t, int which, const char *p, size_t n)
{
	struct buf raw = {0};
	size_t left;

	buf_clear(&t->joined);
	buf_add(&raw, t->partial[which], t->partial_len[which]);
	buf_add(&raw, p, n);
	left = utf8_repair(&t->joined, raw.p, raw.len, true);
	t->partial_len[which] = left;
	/* What is left is the end of what there was. */
	assert(left <= raw.len);
	if (left && raw.p)
		memcpy(t->partial[which], raw.p + raw.len - left, left);
	buf_finish(&raw);
}

void model_text_feed(struct model_text *t, bool thinking, const char *p, size_t n)
{
	bool clean = !t->partial_len[thinking] && str_utf8_valid(p, n) == n;

	if (!clean) {
		join(t, thinking, p, n);
		p = t->joined.p;
		n = t->joined.len;
	}
	if (!n)
		return;
	if (thinking)
		emit(t, true, p, n);
	else
		take_content(t, p, n);
}

void model_text_end(struct model_text *t)
{
	for (int which = 0; which < 2; which++) {
		if (!t->partial_len[which])
			continue;
		t->partial_len[which] = 0;
		if (which)
			emit(t, true, UTF8_REPLACEMENT, 3);
		else
			take_content(t, UTF8_REPLACEMENT, 3);
	}
	/* An unclosed tag, or blanks that nothing followed. */
	emit(t, t->place == PLACE_THINKING, t->held.p, t->held.len);
	buf_finish(&t->held);
}
