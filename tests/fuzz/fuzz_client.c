/*
 * Our side of a connection to a server that is not trusted, over a real socket of the loopback: one
 * request, or one WebSocket. The first byte says which and whether the handshake is answered well,
 * so that frames are reached; the second in what pieces the rest is sent.
 */
#include <arpa/inet.h>
#include <assert.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#include "base/buf.h"
#include "base/err.h"
#include "net/http_client.h"
#include "net/ws_client.h"
#include "protocol/http.h"
#include "protocol/ws.h"
#include "tests/fuzz/fuzz.h"

enum {
	CLIENT_MS = 5000,
	CLIENT_MAX_INPUT = 64 * 1024,
	CLIENT_MAX_MESSAGE = 16 * 1024,
	/* Addresses of the loopback that take turns: a closed connection keeps its pair of ports
	   for a minute. */
	CLIENT_ADDRESSES = 64,
};

static uv_loop_t loop;
static struct {
	int fd, port;
	char host[16];
} listeners[CLIENT_ADDRESSES], *listener;

struct seen {
	bool done, opened;
	unsigned ends, sum;
};

static void start(void)
{
	uv_loop_init(&loop);
	for (unsigned i = 0; i < CLIENT_ADDRESSES; i++) {
		struct sockaddr_in at = {
		    .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK + i)};
		socklen_t size = sizeof at;

		listeners[i].fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		assert(bind(listeners[i].fd, (struct sockaddr *)&at, sizeof at) == 0);
		assert(listen(listeners[i].fd, 16) == 0);
		assert(getsockname(listeners[i].fd, (struct sockaddr *)&at, &size) == 0);
		listeners[i].port = ntohs(at.sin_port);
		snprintf(listeners[i].host, sizeof listeners[i].host, "127.0.0.%u", 1 + i);
	}
}

/* The connection of the call that was just started; -1: it could not be made. */
static int accept_one(const struct seen *s)
{
	struct pollfd p = {.fd = listener->fd, .events = POLLIN};

	while (!s->done && poll(&p, 1, 0) == 0)
		uv_run(&loop, UV_RUN_NOWAIT);
	return s->done ? -1 : accept(listener->fd, NULL, NULL);
}

/* --- the callbacks of both --- */

static bool on_head(void *data, int status, const struct http_parser *parser)
{
	http_header(parser, "Content-Type", NULL);
	return status != 404;
}

/* Each byte is looked at, as its reader would. */
static void on_body(void *data, const char *p, size_t n)
{
	struct seen *s = data;

	for (size_t i = 0; i < n; i++)
		s->sum += (unsigned char)p[i];
}

static void on_done(void *data, const struct err *err, bool sent)
{
	struct seen *s = data;

	s->done = true;
	s->ends++;
}

static void on_open(void *data)
{
	((struct seen *)data)->opened = true;
}

static void on_message(void *data, const char *p, size_t n)
{
	struct seen *s = data;

	assert(s->opened && !s->done && n <= CLIENT_MAX_MESSAGE);
	on_body(data, p, n);
}

static void on_closed(void *data, bool opened, uint16_t code, int status, const struct err *err)
{
	struct seen *s = data;

	assert(opened == s->opened);
	s->done = true;
	s->ends++;
}

/* --- the server --- */

/* The client's request, up to its empty line. */
static void read_request(int fd, struct buf *request, const struct seen *s)
{
	char piece[1024];
	ssize_t n = 1;

	while (!s->done && n != 0 &&
	       !(request->len && memmem(request->p, request->len, "\r\n\r\n", 4))) {
		uv_run(&loop, UV_RUN_NOWAIT);
		n = recv(fd, piece, sizeof piece, MSG_DONTWAIT);
		if (n > 0)
			buf_add(request, piece, (size_t)n);
	}
}

/* The head that accepts the WebSocket which was asked for. */
static void put_accept(struct buf *out, const struct buf *request)
{
	static const char name[] = "Sec-WebSocket-Key: ";
	char accept[WS_ACCEPT_SIZE];
	const char *key;

	if (!request->len || !(key = memmem(request->p, request->len, name, sizeof name - 1)))
		return;
	key += sizeof name - 1;
	ws_accept(key, strcspn(key, "\r"), accept);
	buf_addf(out,
	    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
	    "Sec-WebSocket-Accept: %s\r\n\r\n",
	    accept);
}

static void serve(int fd, const struct buf *bytes, size_t step, const struct seen *s)
{
	for (size_t at = 0; at < bytes->len && !s->done; at += step) {
		size_t n = bytes->len - at < step ? bytes->len - at : step;

		if (send(fd, bytes->p + at, n, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
			break;
		uv_run(&loop, UV_RUN_NOWAIT);
	}
	shutdown(fd, SHUT_WR);
	uv_run(&loop, UV_RUN_DEFAULT);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf request = {0}, bytes = {0};
	struct http_call *call = NULL;
	struct ws_call *socket_call = NULL;
	struct seen s = {0};
	bool ws, good;
	int fd;

	if (size < 2 || size > CLIENT_MAX_INPUT)
		return 0;
	if (!listener)
		start();
	listener =
	    !listener || listener == listeners + CLIENT_ADDRESSES - 1 ? listeners : listener + 1;
	ws = data[0] & 1;
	good = data[0] & 2;
	if (ws)
		socket_call = ws_call_start(&loop, &(struct ws_call_opts){.host = listener->host,
						       .port = listener->port,
						       .target = "/",
						       .connect_ms = CLIENT_MS,
						       .max_message = CLIENT_MAX_MESSAGE,
						       .on_open = on_open,
						       .on_message = on_message,
						       .on_closed = on_closed,
						       .data = &s});
	else
		call = http_call_start(&loop, &(struct http_call_opts){.host = listener->host,
						  .port = listener->port,
						  .method = "GET",
						  .target = "/",
						  .connect_ms = CLIENT_MS,
						  .on_head = on_head,
						  .on_body = on_body,
						  .on_done = on_done,
						  .data = &s});
	fd = accept_one(&s);
	if (fd < 0) {
		/* The machine has no sockets left just now: that says nothing of the input. */
		if (!s.done && ws)
			ws_call_close(socket_call, 1000);
		else if (!s.done)
			http_call_cancel(call);
		uv_run(&loop, UV_RUN_DEFAULT);
		return 0;
	}
	read_request(fd, &request, &s);
	if (ws && good)
		put_accept(&bytes, &request);
	buf_add(&bytes, (const char *)data + 2, size - 2);
	serve(fd, &bytes, 1 + data[1] * 16u, &s);
	assert(s.ends == 1);
	close(fd);
	buf_finish(&request);
	buf_finish(&bytes);
	return 0;
}
