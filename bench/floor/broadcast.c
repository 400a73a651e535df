/*
 * The floor of fan-out: one thread that writes the same chunk to each of N
 * sockets with writev, again and again, waiting for the slow ones with epoll.
 *
 * broadcast CLIENTS CHUNK_BYTES CHUNKS
 * Prints its port, takes CLIENTS connections, sends, ends.
 */
#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "base/mem.h"
#include "wire.h"

struct peer {
	int fd;
	uint64_t sent; /* bytes of the whole stream */
};

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
	struct peer *peers;
	size_t count, size, left;
	uint64_t total;
	char *chunk;
	int listener, poll;

	if (argc != 4)
		return 2;
	wire_many_files();
	count = (size_t)wire_number(argv[1]);
	size = (size_t)wire_number(argv[2]);
	total = size * wire_number(argv[3]);
	chunk = mem_zalloc(size, 1);
	peers = mem_zalloc(count, sizeof *peers);
	listener = wire_listen();
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
