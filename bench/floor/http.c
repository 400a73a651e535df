/*
 * The floor of a request: one thread on epoll that reads what came and, when it
 * ends like a request, writes an answer of fixed bytes. It looks at nothing else.
 *
 * http BODY_BYTES
 * Prints its port, serves until it is ended.
 */
#include <fcntl.h>
#include <stdbool.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "wire.h"

static bool ends_like_a_request(const char *p, size_t n)
{
	return n >= 4 && memcmp(p + n - 4, "\r\n\r\n", 4) == 0;
}

int main(int argc, char **argv)
{
	size_t body = argc == 2 ? wire_number(argv[1]) : 0, len;
	char *reply = mem_zalloc(body + 512, 1), text[4096];
	int poll = epoll_create1(EPOLL_CLOEXEC), listener;
	struct epoll_event e = {.events = EPOLLIN};

	if (!body)
		return 2;
	/* The same head and as many bytes as the daemon answers with. */
	len = (size_t)snprintf(reply, 512,
	    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nX-Content-Type-Options: "
	    "nosniff\r\nCache-Control: no-store\r\nContent-Length: %zu\r\n\r\n",
	    body);
	memset(reply + len, 'x', body);
	len += body;
	e.data.fd = listener = wire_listen();
	epoll_ctl(poll, EPOLL_CTL_ADD, listener, &e);
	for (;;) {
		struct epoll_event ready[256];
		int count = epoll_wait(poll, ready, 256, -1);

		for (int i = 0; i < count; i++) {
			int fd = ready[i].data.fd;
			ssize_t n;

			if (fd == listener) {
				e.data.fd = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
				epoll_ctl(poll, EPOLL_CTL_ADD, e.data.fd, &e);
				continue;
			}
			n = recv(fd, text, sizeof text, 0);
			if (n <= 0)
				close(fd);
			else if (ends_like_a_request(text, (size_t)n))
				wire_send(fd, reply, len);
		}
	}
}
