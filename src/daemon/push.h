#ifndef DAEMON_PUSH_H
#define DAEMON_PUSH_H

/*
 * From a cursor to a socket. WebSocket frames leave as they lie in the log;
 * other encodings are made from the same bytes, event by event, so that a cut
 * write can be taken up again from (seq, offset) alone. Loop thread only.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

struct buf;
struct cursor;
struct fanout_write;
struct stream;

enum {
	/* Sent to one client before the others get their turn. */
	PUSH_SLICE = 256 * 1024,
	/* In the kernel for one client; the rest waits in the log. */
	PUSH_KERNEL_BYTES = 256 * 1024,
	/* Writes up to this are done together with others'. */
	PUSH_TOGETHER_BYTES = 4 * 1024,
};

/* How an event looks on the wire of a client. Must depend on seq and json alone. */
struct push_encoding {
	void (*put)(void *data, struct buf *out, uint64_t seq, struct str json);
	void *data;
};

enum push_result {
	PUSH_END,     /* everything up to `until` or the log's end was taken */
	PUSH_WAIT,    /* being read from disk; on_ready comes */
	PUSH_BLOCKED, /* the socket is full; on_writable comes */
	PUSH_MORE,    /* the slice is used up; cursor_wake was called */
	PUSH_GONE,    /* the session was deleted */
	PUSH_BAD,     /* the log cannot be read */
	PUSH_LOST,    /* the socket failed */
};

/* Send from cursor on, up to and with event `until` (0: no bound). enc NULL: WebSocket frames. */
enum push_result push_send(
    struct cursor *cursor, struct stream *stream, const struct push_encoding *enc, uint64_t until);

/*
 * The write push_send would do (WebSocket frames, no bound), if it is a small one
 * and nothing follows at once: the loop's next write would have to fetch the
 * socket back from another processor. Whoever does it tells push_taken its outcome
 * before anything else happens to the cursor. False: call push_send.
 */
bool push_offer(struct cursor *cursor, const struct stream *stream, struct fanout_write *ret);

/* What push_send would have returned. */
enum push_result push_taken(
    struct cursor *cursor, struct stream *stream, const struct fanout_write *write);

#endif
