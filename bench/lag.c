/*
 * How late an event is: N clients that read the time stamps which the model
 * server wrote (model.c) and compare them with the clock when they have them.
 *
 * lag ws PORT TOKEN SESSION CLIENTS COUNT    clients of the daemon
 * lag raw PORT CLIENTS COUNT                 clients of the pass-through relay
 *   says "ready" when all are connected; each takes COUNT stamps.
 *   prints: stamps in all, median and 99th percentile in microseconds
 */
#include <stdbool.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "wire.h"

enum {
	STAMP_DIGITS = 16,
	STAMP_SIZE = 1 + STAMP_DIGITS,
	LAG_READ = 64 * 1024,
};

struct client {
	int fd;
	size_t kept; /* bytes at the end of the last read that may begin a stamp */
	char keep[STAMP_SIZE];
	uint64_t count;
};

static uint32_t *lags;
static size_t lag_count;

/* Take the stamps in n bytes at p; returns the bytes used. */
static size_t take(struct client *c, const char *p, size_t n, uint64_t now, uint64_t goal)
{
	size_t at = 0;

	for (;;) {
		const char *mark = memchr(p + at, '@', n - at);
		uint64_t then;

		if (!mark)
			return n;
		at = (size_t)(mark - p);
		if (n - at < STAMP_SIZE)
			return at;
		if (!str_parse_u64((struct str){mark + 1, STAMP_DIGITS}, UINT64_MAX, &then))
			wire_die("a stamp that is none");
		if (c->count++ < goal)
			lags[lag_count++] = (uint32_t)(now - then);
		at += STAMP_SIZE;
	}
}

static void on_readable(struct client *c, uint64_t goal)
{
	static char space[STAMP_SIZE + LAG_READ];
	ssize_t got = recv(c->fd, space + c->kept, LAG_READ, 0);
	uint64_t now = clock_mono_us();
	size_t n, used;

	if (got <= 0)
		wire_die("a connection ended early");
	memcpy(space, c->keep, c->kept);
	n = c->kept + (size_t)got;
	used = take(c, space, n, now, goal);
	c->kept = n - used;
	memcpy(c->keep, space + used, c->kept);
}

static int compare_u32(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static void run(struct client *clients, size_t count, uint64_t goal)
{
	int poll = epoll_create1(EPOLL_CLOEXEC);
	size_t left = count;

	lags = mem_zalloc(count * goal, sizeof *lags);
	for (size_t i = 0; i < count; i++) {
		struct epoll_event e = {.events = EPOLLIN, .data.ptr = &clients[i]};

		epoll_ctl(poll, EPOLL_CTL_ADD, clients[i].fd, &e);
	}
	wire_say("ready");
	while (left) {
		struct epoll_event ready[256];
		int n = epoll_wait(poll, ready, 256, 60000);

		if (n <= 0)
			wire_die("nothing came for 60 s");
		for (int i = 0; i < n; i++) {
			struct client *c = ready[i].data.ptr;
			bool had = c->count >= goal;

			on_readable(c, goal);
			if (c->count < goal || had)
				continue;
			left--;
			epoll_ctl(poll, EPOLL_CTL_DEL, c->fd, NULL);
		}
	}
	qsort(lags, lag_count, sizeof *lags, compare_u32);
	printf("%zu %u %u\n", lag_count, lags[lag_count / 2], lags[lag_count * 99 / 100]);
}

int main(int argc, char **argv)
{
	bool ws = argc == 7 && strcmp(argv[1], "ws") == 0;
	struct client *clients;
	uint64_t goal;
	size_t count;

	if (!ws && !(argc == 5 && strcmp(argv[1], "raw") == 0)) {
		fprintf(stderr, "usage: lag ws PORT TOKEN SESSION CLIENTS COUNT | lag raw PORT "
				"CLIENTS COUNT\n");
		return 2;
	}
	count = (size_t)wire_number(argv[ws ? 5 : 3]);
	goal = wire_number(argv[ws ? 6 : 4]);
	if (!count || !goal)
		wire_die("nothing to read is nothing to measure");
	clients = mem_zalloc(count, sizeof *clients);
	for (size_t i = 0; i < count; i++) {
		clients[i].fd = wire_connect((int)wire_number(argv[2]));
		if (ws)
			wire_subscribe(
			    clients[i].fd, (int)wire_number(argv[2]), argv[3], argv[4], "0");
	}
	run(clients, count, goal);
	return 0;
}
