#ifndef NET_STREAM_H
#define NET_STREAM_H

/*
 * One connected, non-blocking socket on the loop. Reading calls back; writing
 * is either queued (stream_write: small answers) or done by the owner straight
 * from its own memory (stream_send: fan-out, where a slow peer must cost no
 * queue). Loop thread only.
 *
 * stream_close may be called from any callback; no callback fires after it and
 * the memory is freed by the loop later.
 */

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct fanout_write;
struct stream;
struct uv_loop_s;

struct stream_ops {
	/* n bytes came; valid until return. */
	void (*on_read)(void *data, const char *p, size_t n);
	/* The peer closed its side (err 0) or the connection failed (negative errno). Reading has
	 * stopped. */
	void (*on_end)(void *data, int err);
	/* The socket takes bytes again: after stream_want_write, or when a stream_write queue ran
	 * empty. */
	void (*on_writable)(void *data);
};

/* Own fd (closed by stream_close, also when this fails) and start reading. ops is borrowed. NULL
 * when the loop refuses it. */
struct stream *stream_new(struct uv_loop_s *loop, int fd, const struct stream_ops *ops, void *data);

/* Stop callbacks, close the socket; frees later. NULL is allowed. */
void stream_close(struct stream *s);

/* Stop or resume reading. */
void stream_read(struct stream *s, bool on);

/*
 * Send n bytes: at once as far as the socket takes them, the rest is copied and
 * queued. Failures are told by on_end. The caller bounds what it queues (stream_queued).
 */
void stream_write(struct stream *s, const void *p, size_t n);

/* Bytes queued by stream_write and not yet taken by the socket. */
size_t stream_queued(const struct stream *s);

/*
 * Write straight from the caller's memory. Nothing may be queued (assert).
 * Returns the bytes taken, 0 when the socket is full (then on_writable will be
 * called once it is not), or a negative errno (on_end is not called).
 */
ssize_t stream_send(struct stream *s, const void *p, size_t size);

/* The same for whoever holds the descriptor, without the wish for on_writable: any thread. */
ssize_t stream_send_fd(int fd, const void *p, size_t size);

/* stream_send as a write that is to be done among others (net/fanout.h). False: the socket is no
 * longer good, as stream_send would tell. */
bool stream_offer(const struct stream *s, const void *p, size_t size, struct fanout_write *ret);

/* Call on_writable when the socket takes bytes. Once. */
void stream_want_write(struct stream *s);

/* Bound what the kernel queues for this peer, so that a sleeper does not cost megabytes there. */
void stream_bound_kernel(struct stream *s, int bytes);

/* Half-close our side, after what is queued was sent. */
void stream_shutdown(struct stream *s);

#endif
