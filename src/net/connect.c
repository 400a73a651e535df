/* Resolve a name, try its addresses. */
#include "net/connect.h"

#include <errno.h>
#include <netdb.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#include "base/err.h"
#include "base/lingering.h"
#include "base/mem.h"

struct connect {
	uv_getaddrinfo_t resolve;
	uv_poll_t poll;
	uv_timer_t timer;
	struct addrinfo *all, *at; /* owned list, current address */
	connect_cb *on_done;
	void *data;
	int fd, last_error, handles;
	bool resolving, polling, done;
};

static void try_next(struct connect *c);

static void maybe_free(struct connect *c)
{
	if (!c->done || c->handles || c->resolving)
		return;
	if (c->all)
		uv_freeaddrinfo(c->all);
	free(c);
}

static void on_handle_closed(uv_handle_t *handle)
{
	struct connect *c = handle->data;

	c->handles--;
	maybe_free(c);
}

static void stop(struct connect *c)
{
	c->done = true;
	if (c->resolving)
		uv_cancel((uv_req_t *)&c->resolve);
	if (c->polling)
		uv_close((uv_handle_t *)&c->poll, on_handle_closed);
	c->polling = false;
	uv_close((uv_handle_t *)&c->timer, on_handle_closed);
}

/* fd is a socket to hand over, or a negative code. */
static void finish(struct connect *c, int fd)
{
	connect_cb *on_done = c->on_done;
	void *data = c->data;

	stop(c);
	if (fd < 0 && c->fd >= 0)
		close(c->fd);
	c->fd = -1;
	on_done(data, fd);
}

static void on_timeout(uv_timer_t *timer)
{
	struct connect *c = timer->data;

	if (!c->done)
		finish(c, c->last_error ? c->last_error : ERR_TIMEOUT);
}

static void on_poll_closed_then_next(uv_handle_t *handle)
{
	struct connect *c = handle->data;

	c->handles--;
	if (c->done)
		maybe_free(c);
	else
		try_next(c);
}

static void on_connected(uv_poll_t *poll, int status, int events)
{
	struct connect *c = poll->data;
	socklen_t len = sizeof(int);
	int error = 0;

	if (c->done)
		return;
	if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0)
		error = errno;
	if (!error && status < 0)
		error = -status;
	if (!error) {
		/* The poll must let go of fd before somebody else polls it. */
		uv_poll_stop(&c->poll);
		finish(c, c->fd);
		return;
	}
	c->last_error = -error;
	uv_poll_stop(&c->poll);
	close(c->fd);
	c->fd = -1;
	c->polling = false;
	c->at = c->at->ai_next;
	uv_close((uv_handle_t *)&c->poll, on_poll_closed_then_next);
}

static void try_next(struct connect *c)
{
	for (; c->at; c->at = c->at->ai_next) {
		c->fd = socket(c->at->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		if (c->fd < 0) {
			c->last_error = -errno;
			continue;
		}
		if (connect(c->fd, c->at->ai_addr, c->at->ai_addrlen) != 0 &&
		    errno != EINPROGRESS) {
			c->last_error = -errno;
			close(c->fd);
			c->fd = -1;
			continue;
		}
		uv_poll_init(c->timer.loop, &c->poll, c->fd);
		c->poll.data = c;
		c->polling = true;
		c->handles++;
		uv_poll_start(&c->poll, UV_WRITABLE, on_connected);
		return;
	}
	finish(c, c->last_error ? c->last_error : ERR_UNKNOWN);
}

static void on_resolved(uv_getaddrinfo_t *request, int status, struct addrinfo *list)
{
	struct connect *c = request->data;

	lingering_end();
	c->resolving = false;
	c->all = list;
	if (c->done) {
		maybe_free(c);
		return;
	}
	if (status != 0) {
		finish(c, ERR_UNKNOWN);
		return;
	}
	c->at = list;
	try_next(c);
}

struct connect *net_connect(uv_loop_t *loop, const char *host, int port, uint64_t timeout_ms,
    connect_cb *on_done, void *data)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
	struct connect *c = mem_zalloc(1, sizeof *c);
	char service[8];
	size_t n = strlen(host);
	char *bare;

	c->on_done = on_done;
	c->data = data;
	c->fd = -1;
	uv_timer_init(loop, &c->timer);
	c->timer.data = c;
	c->handles++;
	uv_timer_start(&c->timer, on_timeout, timeout_ms, 0);
	snprintf(service, sizeof service, "%d", port & 0xFFFF);
	/* "[::1]" is how a URL writes an IPv6 address. */
	bare = n > 2 && host[0] == '[' && host[n - 1] == ']' ? mem_strndup(host + 1, n - 2)
							     : mem_strdup(host);
	c->resolve.data = c;
	c->resolving = uv_getaddrinfo(loop, &c->resolve, on_resolved, bare, service, &hints) == 0;
	free(bare);
	if (c->resolving)
		lingering_begin();
	else
		uv_timer_start(&c->timer, on_timeout, 0, 0);
	return c;
}

void net_connect_cancel(struct connect *c)
{
	if (!c || c->done)
		return;
	stop(c);
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
}
