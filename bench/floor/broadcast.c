/*
 * The floor of fan-out: one thread that writes the same chunk to each of N
 * sockets with writev, again and again, waiting for the slow ones with epoll.
 *
 * broadcast CLIENTS CHUNK_BYTES CHUNKS
 * Prints its port, takes CLIENTS connections, sends, ends.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"

struct peer {
	int fd;
	uint64_t sent; /* bytes of the whole stream */
};

static uint64_t number(const char *text)
{
	uint64_t n = 0;

	str_parse_u64(str_of(text), UINT64_MAX, &n);
	return n;
}

/* Write until blocked or all is sent. 1 when all is. */
static int push(struct peer *p, const char *chunk, size_t size, uint64_t total)
{
	while (p->sent < total) {
		size_t at = (size_t)(p->sent % size);
		struct iovec iov = {(char *)(uintptr_t)chunk + at, size - at};
		ssize_t n = writev(p->fd, &iov, 1);

		if (n < 0 && errno == EAGAIN)
			return 0;
		if (n < 0)
			exit(1);
		p->sent += (uint64_t)n;
	}
	return 1;
}

int main(int argc, char **argv)
{
	struct sockaddr_in in = {.sin_family = AF_INET};
	struct rlimit files = {65536, 65536};
	socklen_t len = sizeof in;
	struct peer *peers;
	size_t count, size, left;
	uint64_t total;
	char *chunk;
	int listener, poll;

	if (argc != 4)
		return 2;
	setrlimit(RLIMIT_NOFILE, &files);
	count = (size_t)number(argv[1]);
	size = (size_t)number(argv[2]);
	total = size * number(argv[3]);
	chunk = mem_zalloc(size, 1);
	peers = mem_zalloc(count, sizeof *peers);
	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	listener = socket(AF_INET, SOCK_STREAM, 0);
	if (bind(listener, (struct sockaddr *)&in, sizeof in) != 0 || listen(listener, 4096) != 0)
		return 1;
	getsockname(listener, (struct sockaddr *)&in, &len);
	printf("%d\n", ntohs(in.sin_port));
	fflush(stdout);
	poll = epoll_create1(0);
	for (size_t i = 0; i < count; i++) {
		struct epoll_event e = {.events = EPOLLOUT | EPOLLET, .data.ptr = &peers[i]};

		peers[i].fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
		epoll_ctl(poll, EPOLL_CTL_ADD, peers[i].fd, &e);
	}
	/* One chunk to each in turn, as a broadcaster does; then what is left as sockets allow. */
	for (uint64_t goal = size; goal <= total; goal += size)
		for (size_t i = 0; i < count; i++)
			push(&peers[i], chunk, size, goal);
	for (left = count; left;) {
		struct epoll_event ready[256];
		int n = epoll_wait(poll, ready, 256, 10000);

		for (int i = 0; i < n; i++) {
			struct peer *p = ready[i].data.ptr;

			if (p->sent < total)
				push(p, chunk, size, total);
		}
		left = 0;
		for (size_t i = 0; i < count; i++)
			left += peers[i].sent < total;
	}
	return 0;
}
