/*
 * The load generator for streams: N clients on one epoll, which read as fast as
 * they can and count. It does no more per byte than recv and, for WebSocket, a
 * look at each frame's header, so that it is not what is measured.
 *
 * load ws PORT TOKEN SESSION AFTER CLIENTS EVENTS
 *   each client reads EVENTS frames after AFTER; says "ready" when all are connected
 * load late … the same, but reads nothing before a line comes on standard input
 * load raw PORT CLIENTS BYTES
 *   each client reads BYTES; says "ready" likewise
 * Then one line: seconds from the first byte to the last, frames and bytes in
 * all, processor seconds of its own.
 */
#include <stdbool.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/mem.h"
#include "wire.h"

struct client {
	int fd;
	uint64_t frames, bytes;
	uint64_t skip;		/* bytes of the current frame still to come */
	unsigned char head[10]; /* a frame header cut over two reads */
	size_t head_len;
	bool done;
};

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
	double cpu = wire_own_cpu();
	size_t left = count;

	for (size_t i = 0; i < count; i++) {
		struct epoll_event e = {.events = EPOLLIN, .data.ptr = &clients[i]};

		epoll_ctl(poll, EPOLL_CTL_ADD, clients[i].fd, &e);
	}
	while (left) {
		struct epoll_event ready[256];
		int n = epoll_wait(poll, ready, 256, 60000);

		if (n <= 0)
			wire_die("nothing came for 60 s");
		if (!first)
			first = clock_mono_us();
		for (int i = 0; i < n; i++) {
			struct client *c = ready[i].data.ptr;
			ssize_t got = recv(c->fd, space, sizeof space, 0);

			if (got <= 0)
				wire_die("a connection ended early");
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
	printf("%.6f %llu %llu %.6f\n", (double)(clock_mono_us() - first) / 1e6,
	    (unsigned long long)all_frames, (unsigned long long)all_bytes, wire_own_cpu() - cpu);
}

int main(int argc, char **argv)
{
	bool late = argc == 8 && strcmp(argv[1], "late") == 0;
	bool ws = late || (argc == 8 && strcmp(argv[1], "ws") == 0);
	struct client *clients;
	uint64_t goal;
	size_t count;
	char line[16];

	if (!ws && !(argc == 5 && strcmp(argv[1], "raw") == 0)) {
		fprintf(stderr,
		    "usage: load ws|late PORT TOKEN SESSION AFTER CLIENTS EVENTS | load "
		    "raw PORT CLIENTS BYTES\n");
		return 2;
	}
	wire_many_files();
	count = (size_t)wire_number(argv[ws ? 6 : 3]);
	goal = wire_number(argv[ws ? 7 : 4]);
	if (!count || !goal)
		wire_die("nothing to read is nothing to measure");
	clients = mem_zalloc(count, sizeof *clients);
	for (size_t i = 0; i < count; i++) {
		clients[i].fd = wire_connect((int)wire_number(argv[2]));
		if (ws)
			wire_subscribe(
			    clients[i].fd, (int)wire_number(argv[2]), argv[3], argv[4], argv[5]);
	}
	wire_say("ready");
	if (late && !fgets(line, sizeof line, stdin))
		wire_die("standard input ended");
	read_all(clients, count, ws ? goal : 0, ws ? 0 : goal);
	return 0;
}
