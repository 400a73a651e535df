/* A listening TCP socket. */
#include "net/listener.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>
#include <uv.h>

#include "base/err.h"
#include "base/mem.h"

enum {
	LISTEN_BACKLOG = 1024,
	LISTEN_AGAIN_MS = 20, /* without any descriptor: before the next look */
	ACCEPT_AT_ONCE =
	    64, /* connections taken in one turn of the loop, so that others get theirs */
};

struct listener {
	uv_poll_t poll;
	uv_timer_t again; /* runs while there is no descriptor at all; carries the free */
	listener_accept_cb *on_accept;
	void *data;
	int fd, port;
	int spare; /* given up when descriptors run out, to accept all the same; -1: it was */
};

static int open_spare(void)
{
	return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static void on_poll(uv_poll_t *poll, int status, int events);

static void on_again(uv_timer_t *timer)
{
	struct listener *l = timer->data;

	if (l->fd >= 0)
		uv_poll_start(&l->poll, UV_READABLE, on_poll);
}

/* Out of descriptors: take the connection with the spare one, else the poll would spin. The owner
 * gives one back, this one or another, when the loop comes around. */
static void accept_last(struct listener *l)
{
	int fd;

	if (l->spare < 0) {
		uv_poll_stop(&l->poll);
		uv_timer_start(&l->again, on_again, LISTEN_AGAIN_MS, 0);
		return;
	}
	close(l->spare);
	l->spare = -1;
	fd = accept4(l->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd >= 0)
		l->on_accept(l->data, fd, true);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
	struct listener *l = poll->data;

	if (l->spare < 0)
		l->spare = open_spare();
	for (int i = 0; i < ACCEPT_AT_ONCE && l->fd >= 0; i++) {
		int fd = accept4(l->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (fd >= 0) {
			l->on_accept(l->data, fd, false);
			continue;
		}
		if (errno == EMFILE || errno == ENFILE)
			accept_last(l);
		if (errno != EINTR && errno != ECONNABORTED)
			return;
	}
}

static int make_address(const char *host, int port, struct sockaddr_storage *out, socklen_t *len)
{
	struct sockaddr_in *in4 = (struct sockaddr_in *)out;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)out;

	memset(out, 0, sizeof *out);
	if (strcmp(host, "localhost") == 0)
		host = "127.0.0.1";
	if (inet_pton(AF_INET, host, &in4->sin_addr) == 1) {
		in4->sin_family = AF_INET;
		in4->sin_port = htons((uint16_t)port);
		*len = sizeof *in4;
		return 0;
	}
	if (inet_pton(AF_INET6, host, &in6->sin6_addr) == 1) {
		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons((uint16_t)port);
		*len = sizeof *in6;
		return 0;
	}
	return -EINVAL;
}

int listener_new(uv_loop_t *loop, const char *host, int port, listener_accept_cb *on_accept,
    void *data, struct listener **ret, struct err *reterr)
{
	struct sockaddr_storage address;
	struct listener *l;
	socklen_t len;
	int one = 1, fd, rc;

	if (make_address(host, port, &address, &len) != 0)
		return err_set(reterr, -EINVAL,
		    "cannot listen on \"%.100s\": it must be an address such as 127.0.0.1 or ::1",
		    host);
	fd = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return err_set(reterr, -errno, "cannot make a socket: %s", strerror(errno));
	/* Without this a restart within a minute finds its own port in TIME_WAIT. */
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	if (bind(fd, (struct sockaddr *)&address, len) != 0 || listen(fd, LISTEN_BACKLOG) != 0) {
		rc = err_set(reterr, -errno, "cannot listen on %s port %d: %s", host, port,
		    errno == EADDRINUSE ? "port already in use" : strerror(errno));
		close(fd);
		return rc;
	}
	getsockname(fd, (struct sockaddr *)&address, &len);
	l = mem_zalloc(1, sizeof *l);
	l->fd = fd;
	l->port =
	    ntohs(address.ss_family == AF_INET ? ((struct sockaddr_in *)&address)->sin_port
					       : ((struct sockaddr_in6 *)&address)->sin6_port);
	l->spare = open_spare();
	l->on_accept = on_accept;
	l->data = data;
	uv_poll_init(loop, &l->poll, fd);
	l->poll.data = l;
	uv_timer_init(loop, &l->again);
	l->again.data = l;
	uv_poll_start(&l->poll, UV_READABLE, on_poll);
	*ret = l;
	return 0;
}

int listener_port(const struct listener *l)
{
	return l->port;
}

static void on_timer_closed(uv_handle_t *handle)
{
	free(handle->data);
}

static void on_poll_closed(uv_handle_t *handle)
{
	struct listener *l = handle->data;

	uv_close((uv_handle_t *)&l->again, on_timer_closed);
}

void listener_close(struct listener *l)
{
	if (!l || l->fd < 0)
		return;
	uv_poll_stop(&l->poll);
	uv_close((uv_handle_t *)&l->poll, on_poll_closed);
	close(l->fd);
	if (l->spare >= 0)
		close(l->spare);
	l->fd = -1;
}
