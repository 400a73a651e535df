/* A connected socket on the loop, over uv_poll so that writes come from the owner's memory. */
#include "net/stream.h"

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#include "base/buf.h"
#include "base/mem.h"
#include "net/fanout.h"

/*
 * One read. A model's tokens in 16 KiB keep the loop for less than a millisecond,
 * during which nobody else is served. Shared, as only the loop thread reads.
 */
enum { STREAM_READ_SIZE = 16 * 1024 };

struct stream {
	uv_poll_t poll;
	const struct stream_ops *ops; /* borrowed */
	void *data;
	struct buf queue;  /* what stream_write could not send at once */
	size_t queue_sent; /* bytes of queue already sent */
	int fd;
	bool reading, want_write, shut, closing, failed;
};

static char read_space[STREAM_READ_SIZE];

static void on_poll(uv_poll_t *poll, int status, int events);

static void update(struct stream *s)
{
	int events = 0;

	if (s->closing)
		return;
	if (s->reading)
		events |= UV_READABLE;
	if (s->want_write || s->queue.len)
		events |= UV_WRITABLE;
	if (events)
		uv_poll_start(&s->poll, events, on_poll);
	else
		uv_poll_stop(&s->poll);
}

static void end(struct stream *s, int err)
{
	if (s->closing || s->failed)
		return;
	s->failed = err != 0;
	s->reading = false;
	if (err) {
		buf_finish(&s->queue);
		s->queue_sent = 0;
	}
	update(s);
	s->ops->on_end(s->data, err);
}

/* Send what is queued. True when the queue is empty. */
static bool flush(struct stream *s)
{
	while (s->queue_sent < s->queue.len) {
		ssize_t n = send(
		    s->fd, s->queue.p + s->queue_sent, s->queue.len - s->queue_sent, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			return false;
		if (n < 0) {
			end(s, -errno);
			return false;
		}
		s->queue_sent += (size_t)n;
	}
	buf_finish(&s->queue);
	s->queue_sent = 0;
	if (s->shut)
		shutdown(s->fd, SHUT_WR);
	return true;
}

/* One read. True when it gave bytes: there may be more. */
static bool do_read(struct stream *s)
{
	ssize_t n = recv(s->fd, read_space, sizeof read_space, 0);

	if (n > 0)
		s->ops->on_read(s->data, read_space, (size_t)n);
	else if (n == 0)
		end(s, 0);
	else if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR)
		end(s, -errno);
	return n > 0;
}

/*
 * The poll says no more than that something is wrong (and stops): what was
 * received before is still there to read, and the socket knows the reason.
 */
static void fail(struct stream *s)
{
	socklen_t len = sizeof(int);
	int error = 0;

	while (!s->closing && s->reading && do_read(s))
		;
	if (s->closing || s->failed)
		return;
	if (getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0)
		error = errno;
	end(s, error ? -error : -ECONNRESET);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
	struct stream *s = poll->data;

	if (s->closing)
		return;
	if (status < 0) {
		fail(s);
		return;
	}
	if (events & UV_WRITABLE) {
		if (!s->queue.len || flush(s)) {
			s->want_write = false;
			update(s);
			if (!s->closing && !s->failed)
				s->ops->on_writable(s->data);
		}
	}
	if (events & UV_READABLE && !s->closing && s->reading)
		do_read(s);
}

struct stream *stream_new(uv_loop_t *loop, int fd, const struct stream_ops *ops, void *data)
{
	struct stream *s = mem_zalloc(1, sizeof *s);
	int one = 1;

	if (uv_poll_init(loop, &s->poll, fd) != 0) {
		close(fd);
		free(s);
		return NULL;
	}
	/* Tokens are small and each is wanted now. */
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	s->poll.data = s;
	s->fd = fd;
	s->ops = ops;
	s->data = data;
	s->reading = true;
	update(s);
	return s;
}

static void on_closed(uv_handle_t *handle)
{
	struct stream *s = handle->data;

	buf_finish(&s->queue);
	free(s);
}

void stream_close(struct stream *s)
{
	if (!s || s->closing)
		return;
	s->closing = true;
	uv_poll_stop(&s->poll);
	uv_close((uv_handle_t *)&s->poll, on_closed);
	close(s->fd);
	s->fd = -1;
}

void stream_read(struct stream *s, bool on)
{
	if (s->failed || s->reading == on)
		return;
	s->reading = on;
	update(s);
}

void stream_write(struct stream *s, const void *p, size_t n)
{
	ssize_t sent = 0;

	if (s->closing || s->failed || !n)
		return;
	if (!s->queue.len) {
		sent = send(s->fd, p, n, MSG_NOSIGNAL);
		/* A failure is met again by the poll, which may call back; here we are within the
		 * caller. */
		if (sent < 0)
			sent = 0;
	}
	if ((size_t)sent == n)
		return;
	buf_add(&s->queue, (const char *)p + sent, n - (size_t)sent);
	update(s);
}

size_t stream_queued(const struct stream *s)
{
	return s->queue.len - s->queue_sent;
}

ssize_t stream_send_fd(int fd, const void *p, size_t size)
{
	ssize_t n;

	do {
		n = send(fd, p, size, MSG_NOSIGNAL);
	} while (n < 0 && errno == EINTR);
	if (n >= 0)
		return n;
	return errno == EAGAIN || errno == EWOULDBLOCK ? 0 : -errno;
}

ssize_t stream_send(struct stream *s, const void *p, size_t size)
{
	ssize_t n;

	assert(!s->queue.len);
	if (s->closing || s->failed)
		return -EPIPE;
	n = stream_send_fd(s->fd, p, size);
	if (n == 0)
		stream_want_write(s);
	return n;
}

bool stream_offer(const struct stream *s, const void *p, size_t size, struct fanout_write *ret)
{
	assert(!s->queue.len);
	if (s->closing || s->failed)
		return false;
	*ret = (struct fanout_write){.fd = s->fd, .p = p, .n = size};
	return true;
}

void stream_want_write(struct stream *s)
{
	if (s->want_write || s->closing)
		return;
	s->want_write = true;
	update(s);
}

void stream_bound_kernel(struct stream *s, int bytes)
{
	if (!s->closing)
		setsockopt(s->fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
}

void stream_shutdown(struct stream *s)
{
	if (s->closing || s->shut)
		return;
	s->shut = true;
	if (!s->queue.len)
		shutdown(s->fd, SHUT_WR);
}
