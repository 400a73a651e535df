/* Sockets, numbers and ends of the bench programs. */
#include "wire.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/file.h"
#include "base/str.h"

_Noreturn void wire_die(const char *what)
{
	fprintf(stderr, "bench: %s: %s\n", what, strerror(errno));
	exit(1);
}

uint64_t wire_number(const char *text)
{
	uint64_t n;

	if (!str_parse_u64(str_of(text), UINT64_MAX, &n))
		wire_die(text);
	return n;
}

void wire_many_files(void)
{
	struct rlimit files;

	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
}

int wire_connect(int port)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd < 0 || connect(fd, (struct sockaddr *)&in, sizeof in) != 0)
		wire_die("connect");
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	return fd;
}

int wire_listen(void)
{
	struct sockaddr_in in = {.sin_family = AF_INET};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
	socklen_t len = sizeof in;

	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd < 0 || bind(fd, (struct sockaddr *)&in, sizeof in) != 0 || listen(fd, 4096) != 0)
		wire_die("listen");
	/* Accepted sockets inherit it: a small write is sent now, not when the last is confirmed.
	 */
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	getsockname(fd, (struct sockaddr *)&in, &len);
	printf("%d\n", ntohs(in.sin_port));
	fflush(stdout);
	return fd;
}

void wire_send(int fd, const void *p, size_t n)
{
	if (file_write_all(fd, p, n) != 0)
		wire_die("write");
}

bool wire_read_head(int fd, char *head, size_t size)
{
	size_t n = 0;

	while (n < 4 || memcmp(head + n - 4, "\r\n\r\n", 4) != 0)
		if (n + 1 == size || recv(fd, head + n++, 1, 0) != 1)
			return false;
	head[n] = '\0';
	return true;
}

void wire_upgrade(int fd, int port, const char *target, const char *token)
{
	char text[1024];
	int n = snprintf(text, sizeof text,
	    "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUpgrade: websocket\r\n"
	    "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: "
	    "AAAAAAAAAAAAAAAAAAAAAA==\r\n%s%s%s\r\n",
	    target, port, token ? "Authorization: Bearer " : "", token ? token : "",
	    token ? "\r\n" : "");

	wire_send(fd, text, (size_t)n);
	if (!wire_read_head(fd, text, sizeof text) || strncmp(text, "HTTP/1.1 101", 12) != 0)
		wire_die("the WebSocket was refused");
}

void wire_subscribe(int fd, int port, const char *token, const char *session, const char *after)
{
	char target[200];

	snprintf(target, sizeof target, "/v3/ws?sessionId=%s&afterSeq=%s", session, after);
	wire_upgrade(fd, port, target, token);
}

int wire_ask_model(int port, const char *content)
{
	char text[128];
	size_t n = strlen(content);
	int fd = wire_connect(port);

	wire_upgrade(fd, port, "/v1/chat/stream", NULL);
	/* A masked text frame, as a client's must be; a mask of zeros changes nothing. */
	if (n > 100)
		wire_die("the question is too long");
	memcpy(text, "\x81\0\0\0\0\0", 6);
	text[1] = (char)(0x80 | n);
	memcpy(text + 6, content, n);
	wire_send(fd, text, 6 + n);
	return fd;
}

double wire_own_cpu(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
	       (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

void wire_say(const char *line)
{
	puts(line);
	fflush(stdout);
}
