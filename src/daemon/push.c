/* From a cursor to a socket. */
#include "daemon/push.h"

#include <assert.h>
#include <inttypes.h>
#include <stdbool.h>

#include "base/buf.h"
#include "base/log.h"
#include "net/fanout.h"
#include "net/stream.h"
#include "protocol/envelope.h"
#include "session/core.h"
#include "session/feed.h"
#include "session/session.h"
#include "store/log.h"
#include "store/segment.h"

/* The events of segment s from `at` on, encoded, until `until` or about a slice. Returns how many.
 */
static uint64_t encode(const struct segment *s, size_t at, uint64_t seq, uint64_t until,
    const struct push_encoding *enc, struct buf *out)
{
	uint64_t n = 0;

	while (at < s->len && (!until || seq + n <= until) && out->len < PUSH_SLICE) {
		struct str json;
		size_t frame = envelope_frame(s->bytes + at, s->len - at, &json);

		if (!frame)
			break;
		enc->put(enc->data, out, seq + n, json);
		at += frame;
		n++;
	}
	return n;
}

/* Of the encoded events from seq on, `sent` bytes were taken: where does that leave the cursor? */
static void advance_encoded(struct cursor *c, const struct segment *s, size_t at, size_t sent,
    const struct push_encoding *enc)
{
	static struct buf one;
	uint64_t seq = c->next;

	while (at < s->len) {
		struct str json;
		size_t frame = envelope_frame(s->bytes + at, s->len - at, &json);

		buf_clear(&one);
		enc->put(enc->data, &one, seq, json);
		if (sent < one.len)
			break;
		sent -= one.len;
		at += frame;
		seq++;
	}
	if (one.cap > PUSH_SLICE)
		buf_finish(&one);
	cursor_advance(c, seq, sent);
}

static void advance_frames(struct cursor *c, const struct segment *s, size_t at, size_t sent)
{
	uint64_t seq = c->next;

	if (at + sent == s->len) {
		cursor_advance(c, s->last_seq + 1, 0);
		return;
	}
	while (sent) {
		struct str json;
		size_t frame = envelope_frame(s->bytes + at, s->len - at, &json);

		if (sent < frame)
			break;
		sent -= frame;
		at += frame;
		seq++;
	}
	cursor_advance(c, seq, sent);
}

/* One write. Returns bytes taken, 0 blocked, negative failed; *ret_all: everything offered was
 * taken. */
static ssize_t send_frames(
    struct cursor *c, struct stream *stream, const struct segment *s, size_t at, bool *ret_all)
{
	size_t size = s->len - at - c->offset;
	ssize_t n = stream_send(stream, s->bytes + at + c->offset, size);

	*ret_all = n == (ssize_t)size;
	if (n > 0)
		advance_frames(c, s, at, c->offset + (size_t)n);
	return n;
}

static ssize_t send_encoded(struct cursor *c, struct stream *stream, const struct segment *s,
    size_t at, uint64_t until, const struct push_encoding *enc, bool *ret_all)
{
	static struct buf out;
	uint64_t count;
	size_t size;
	ssize_t n;

	buf_clear(&out);
	count = encode(s, at, c->next, until, enc, &out);
	assert(count > 0); /* what the log gives is whole */
	size = out.len - c->offset;
	n = stream_send(stream, out.p + c->offset, size);
	*ret_all = n == (ssize_t)size;
	if (*ret_all)
		cursor_advance(c, c->next + count, 0);
	else if (n > 0)
		advance_encoded(c, s, at, c->offset + (size_t)n, enc);
	if (out.cap > 2 * PUSH_SLICE)
		buf_finish(&out);
	return n;
}

/* The socket takes no more now. */
static enum push_result blocked(struct cursor *c, struct stream *stream)
{
	stream_want_write(stream);
	cursor_relax(c);
	return PUSH_BLOCKED;
}

/* Is there something to send now? Else *ret_why: PUSH_END, PUSH_WAIT, PUSH_GONE or PUSH_BAD. */
static bool look(
    struct cursor *c, struct segment **ret_s, size_t *ret_at, enum push_result *ret_why)
{
	switch (cursor_next(c, ret_s, ret_at)) {
	case CURSOR_DATA:
		return true;
	case CURSOR_END:
		*ret_why = PUSH_END;
		return false;
	case CURSOR_WAIT:
		*ret_why = PUSH_WAIT;
		return false;
	case CURSOR_GONE:
		*ret_why = PUSH_GONE;
		return false;
	case CURSOR_BAD:
		break;
	}
	log_error("events of session %s cannot be read from %" PRIu64
		  " on; `opta doctor` says what is wrong",
	    session_id(c->session), c->next);
	*ret_why = PUSH_BAD;
	return false;
}

enum push_result push_send(
    struct cursor *c, struct stream *stream, const struct push_encoding *enc, uint64_t until)
{
	size_t total = 0;

	for (;;) {
		enum push_result why;
		struct segment *s;
		size_t at;
		bool all;
		ssize_t n;

		/* What was queued besides (a head, an ack) goes first. */
		if (stream_queued(stream)) {
			cursor_relax(c);
			return PUSH_BLOCKED;
		}
		if (until && c->next > until)
			return PUSH_END;
		if (!look(c, &s, &at, &why))
			return why;
		n = enc ? send_encoded(c, stream, s, at, until, enc, &all)
			: send_frames(c, stream, s, at, &all);
		if (n < 0)
			return PUSH_LOST;
		if (!all)
			return blocked(c, stream);
		total += (size_t)n;
		if (total >= PUSH_SLICE) {
			cursor_wake(c);
			return PUSH_MORE;
		}
	}
}

bool push_offer(struct cursor *c, const struct stream *stream, struct fanout_write *ret)
{
	struct segment *s;
	size_t at;

	if (stream_queued(stream) || cursor_next(c, &s, &at) != CURSOR_DATA ||
	    s->last_seq != log_last(c->session->log))
		return false;
	at += c->offset;
	return s->len - at <= PUSH_TOGETHER_BYTES &&
	       stream_offer(stream, s->bytes + at, s->len - at, ret);
}

enum push_result push_taken(
    struct cursor *c, struct stream *stream, const struct fanout_write *write)
{
	enum push_result why;
	struct segment *s;
	size_t at;

	/* Where it was offered it still lies; if not, nobody knows what the client has, and it asks
	 * again. */
	if (write->taken < 0 || cursor_next(c, &s, &at) != CURSOR_DATA ||
	    s->bytes + at + c->offset != write->p)
		return PUSH_LOST;
	advance_frames(c, s, at, c->offset + (size_t)write->taken);
	if ((size_t)write->taken != write->n)
		return blocked(c, stream);
	if (!look(c, &s, &at, &why))
		return why;
	cursor_wake(c);
	return PUSH_MORE;
}
