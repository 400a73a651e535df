/*
 * Clients that only are there: N WebSockets which answer pings and take
 * nothing else, until standard input ends.
 *
 * idle PORT TOKEN SESSION CLIENTS
 *   says "ready" when all are connected; prints at the end how many pings came
 */
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/mem.h"
#include "wire.h"

/* A ping of ours is an empty frame of two bytes; its pong is masked, as a client's must be. */
static const unsigned char ping[] = {0x89, 0};
static const unsigned char pong[] = {0x8A, 0x80, 0, 0, 0, 0};

static uint64_t answer(int fd)
{
	unsigned char space[4096];
	ssize_t n = recv(fd, space, sizeof space, 0);
	uint64_t pings = 0;

	if (n <= 0)
		wire_die("the daemon closed an idle client");
	/* Besides pings come the events of the session's creation, which hold no such bytes. */
	for (ssize_t i = 0; i + 1 < n; i++)
		if (memcmp(space + i, ping, sizeof ping) == 0)
			pings++;
	for (uint64_t i = 0; i < pings; i++)
		wire_send(fd, pong, sizeof pong);
	return pings;
}

int main(int argc, char **argv)
{
	struct epoll_event ready[256], e = {.events = EPOLLIN, .data.fd = 0};
	int poll = epoll_create1(EPOLL_CLOEXEC), port;
	uint64_t pings = 0, count;

	if (argc != 5) {
		fprintf(stderr, "usage: idle PORT TOKEN SESSION CLIENTS\n");
		return 2;
	}
	wire_many_files();
	port = (int)wire_number(argv[1]);
	count = wire_number(argv[4]);
	epoll_ctl(poll, EPOLL_CTL_ADD, 0, &e);
	for (uint64_t i = 0; i < count; i++) {
		e.data.fd = wire_connect(port);
		wire_subscribe(e.data.fd, port, argv[2], argv[3], "0");
		epoll_ctl(poll, EPOLL_CTL_ADD, e.data.fd, &e);
	}
	wire_say("ready");
	for (;;) {
		int n = epoll_wait(poll, ready, 256, -1);

		for (int i = 0; i < n; i++) {
			if (ready[i].data.fd == 0) {
				printf("%llu\n", (unsigned long long)pings);
				return 0;
			}
			pings += answer(ready[i].data.fd);
		}
	}
}
