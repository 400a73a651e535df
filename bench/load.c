/*
 * The load generator: N clients on one epoll, which read as fast as they can
 * and count. It does no more per byte than recv and, for WebSocket, a look at
 * each frame's header, so that it is not what is measured.
 *
 * load ws PORT TOKEN SESSION AFTER CLIENTS EVENTS
 *   each client reads EVENTS frames after AFTER; prints "ready" when all are connected
 * load raw PORT CLIENTS BYTES
 *   each client reads BYTES; prints "ready" likewise
 * Then one line: seconds from the first byte to the last, frames and bytes in all.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"

struct client {
	int fd;
	uint64_t frames, bytes;
	uint64_t skip;		/* bytes of the current frame still to come */
	unsigned char head[10]; /* a frame header cut over two reads */
	size_t head_len;
	bool done;
};

static void die(const char *what)
{
	fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint64_t number(const char *text)
{
	uint64_t n;

	if (!str_parse_u64(str_of(text), UINT64_MAX, &n))
		die(text);
	return n;
}

static int connect_to(int port)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd < 0 || connect(fd, (struct sockaddr *)&in, sizeof in) != 0)
		die("connect");
	return fd;
}

/* Upgrade; reads the answer byte by byte, so that no frame is swallowed. */
static void upgrade(int fd, int port, const char *token, const char *session, const char *after)
{
	char text[1024];
	int n = snprintf(text, sizeof text,
	    "GET /v3/ws?sessionId=%s&afterSeq=%s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUpgrade: "
	    "websocket\r\n"
	    "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: "
	    "AAAAAAAAAAAAAAAAAAAAAA==\r\n"
	    "Authorization: Bearer %s\r\n\r\n",
	    session, after, port, token);
	unsigned end = 0;
	char c;

	if (send(fd, text, (size_t)n, 0) != n)
		die("send");
	while (end != 4) {
		if (recv(fd, &c, 1, 0) != 1)
			die("the daemon refused the WebSocket");
		end = (c == '\r' && (end == 0 || end == 2)) || (c == '\n' && (end == 1 || end == 3))
			  ? end + 1
			  : 0;
	}
}

/* Count the frames in n bytes. */
static void take_frames(struct client *c, const unsigned char *p, size_t n)
{
	while (n) {
		size_t need, step;
		uint64_t len;

		if (c->skip) {
			step = n < c->skip ? n : (size_t)c->skip;
			c->skip -= step;
			p += step;
			n -= step;
			if (!c->skip)
				c->frames++;
			continue;
		}
		c->head[c->head_len++] = *p++;
		n--;
		if (c->head_len < 2)
			continue;
		need = c->head[1] < 126 ? 2 : c->head[1] == 126 ? 4 : 10;
		if (c->head_len < need)
			continue;
		len = c->head[1];
		if (need == 4)
			len = (uint64_t)c->head[2] << 8 | c->head[3];
		for (len = need == 10 ? 0 : len, step = 2; need == 10 && step < 10; step++)
			len = len << 8 | c->head[step];
		c->head_len = 0;
		c->skip = len;
	}
}

static void read_all(struct client *clients, size_t count, uint64_t frames, uint64_t bytes)
{
	static char space[256 * 1024];
	int poll = epoll_create1(EPOLL_CLOEXEC);
	uint64_t first = 0, all_frames = 0, all_bytes = 0;
	size_t left = count;

	for (size_t i = 0; i < count; i++) {
		struct epoll_event e = {.events = EPOLLIN, .data.ptr = &clients[i]};

		epoll_ctl(poll, EPOLL_CTL_ADD, clients[i].fd, &e);
	}
	printf("ready\n");
	fflush(stdout);
	while (left) {
		struct epoll_event ready[256];
		int n = epoll_wait(poll, ready, 256, 60000);

		if (n <= 0)
			die("nothing came for 60 s");
		if (!first)
			first = clock_mono_us();
		for (int i = 0; i < n; i++) {
			struct client *c = ready[i].data.ptr;
			ssize_t got = recv(c->fd, space, sizeof space, 0);

			if (got <= 0)
				die("a connection ended early");
			c->bytes += (uint64_t)got;
			all_bytes += (uint64_t)got;
			if (frames)
				take_frames(c, (unsigned char *)space, (size_t)got);
			if (!c->done && (frames ? c->frames >= frames : c->bytes >= bytes)) {
				c->done = true;
				epoll_ctl(poll, EPOLL_CTL_DEL, c->fd, NULL);
				left--;
			}
		}
	}
	for (size_t i = 0; i < count; i++)
		all_frames += clients[i].frames;
	printf("%.6f %llu %llu\n", (double)(clock_mono_us() - first) / 1e6,
	    (unsigned long long)all_frames, (unsigned long long)all_bytes);
}

int main(int argc, char **argv)
{
	bool ws = argc == 8 && strcmp(argv[1], "ws") == 0;
	struct rlimit files = {65536, 65536};
	struct client *clients;
	size_t count;

	if (!ws && !(argc == 5 && strcmp(argv[1], "raw") == 0)) {
		fprintf(stderr, "usage: load ws PORT TOKEN SESSION AFTER CLIENTS EVENTS | load raw "
				"PORT CLIENTS BYTES\n");
		return 2;
	}
	setrlimit(RLIMIT_NOFILE, &files);
	count = (size_t)number(argv[ws ? 6 : 3]);
	clients = mem_zalloc(count, sizeof *clients);
	for (size_t i = 0; i < count; i++) {
		clients[i].fd = connect_to((int)number(argv[2]));
		if (ws)
			upgrade(clients[i].fd, (int)number(argv[2]), argv[3], argv[4], argv[5]);
	}
	read_all(clients, count, ws ? number(argv[7]) : 0, ws ? 0 : number(argv[4]));
	return 0;
}
