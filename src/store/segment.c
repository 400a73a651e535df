/* A run of events as frames. */
#include "store/segment.h"

#include <assert.h>

#include "base/buf.h"
#include "base/mem.h"
#include "protocol/envelope.h"

struct segment *segment_new(uint64_t first_seq, uint64_t last_seq, const char *p, size_t len)
{
	struct segment *s = mem_alloc(sizeof *s + len);

	assert(first_seq > 0 && first_seq <= last_seq);
	s->refs = 1;
	s->first_seq = first_seq;
	s->last_seq = last_seq;
	s->len = len;
	memcpy(s->bytes, p, len);
	return s;
}

void segment_begin(struct buf *b)
{
	assert(b->len == 0);
	buf_reserve(b, sizeof(struct segment));
	b->len = sizeof(struct segment);
}

struct segment *segment_end(struct buf *b, uint64_t first_seq, uint64_t last_seq)
{
	size_t len = b->len - sizeof(struct segment);
	struct segment *s;

	assert(first_seq > 0 && first_seq <= last_seq);
	/* Gives back what the buf grew beyond it. */
	s = mem_realloc(b->p, b->len);
	*b = (struct buf){0};
	*s = (struct segment){.refs = 1, .first_seq = first_seq, .last_seq = last_seq, .len = len};
	return s;
}

struct segment *segment_ref(struct segment *s)
{
	s->refs++;
	return s;
}

void segment_unref(struct segment *s)
{
	if (!s)
		return;
	assert(s->refs > 0);
	if (--s->refs == 0)
		free(s);
}

bool segment_is_whole(uint64_t first_seq, uint64_t last_seq, const char *p, size_t n)
{
	uint64_t left = last_seq - first_seq + 1;

	/* A damaged row may hold no bytes at all. */
	if (!n || !first_seq || last_seq < first_seq)
		return false;
	for (size_t at = 0; left; left--) {
		struct str json;
		size_t frame = envelope_frame(p + at, n - at, &json);

		if (!frame)
			return false;
		at += frame;
		if (left == 1)
			return at == n;
	}
	return false;
}

size_t segment_find(const struct segment *s, uint64_t seq)
{
	size_t at = 0;

	assert(seq >= s->first_seq && seq <= s->last_seq);
	for (uint64_t n = s->first_seq; n < seq; n++) {
		struct str json;
		size_t frame = envelope_frame(s->bytes + at, s->len - at, &json);

		if (!frame)
			return s->len;
		at += frame;
	}
	return at;
}
