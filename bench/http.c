/*
 * The load generator for requests: GET /v3/health, again and again on
 * connections that stay open, each asked anew as soon as it has answered.
 *
 * http load PORT TOKEN CONNECTIONS REQUESTS
 *   prints: seconds, requests answered, processor seconds of its own
 * http probe PORT TOKEN COUNT
 *   one connection, one request after another until COUNT, or until standard
 *   input ends when that is 0; says "ready" after the first.
 *   prints: requests, median and second worst in microseconds
 */
#include <poll.h>
#include <stdbool.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "wire.h"

enum { PROBES_MAX = 1000000 };

struct asker {
	int fd;
	size_t have;
	char text[2048];
};

static char request[512];
static size_t request_len;

static void ask(struct asker *a)
{
	a->have = 0;
	wire_send(a->fd, request, request_len);
}

/* One recv. True when the answer is whole. */
static bool take(struct asker *a)
{
	ssize_t n = recv(a->fd, a->text + a->have, sizeof a->text - 1 - a->have, 0);
	const char *length, *end;
	uint64_t body;
	size_t digits;

	if (n <= 0)
		wire_die("no answer");
	a->have += (size_t)n;
	a->text[a->have] = '\0';
	end = strstr(a->text, "\r\n\r\n");
	if (!end)
		return false;
	length = strstr(a->text, "Content-Length: ");
	if (strncmp(a->text, "HTTP/1.1 200", 12) != 0 || !length || length > end)
		wire_die("the answer is not a 200 with its length");
	length += strlen("Content-Length: ");
	digits = strspn(length, "0123456789");
	if (!str_parse_u64((struct str){length, digits}, sizeof a->text, &body))
		wire_die("the answer's length");
	return a->have >= (size_t)(end + 4 - a->text) + body;
}

static void load(int port, size_t connections, uint64_t requests)
{
	struct asker *askers = mem_zalloc(connections, sizeof *askers);
	int poll = epoll_create1(EPOLL_CLOEXEC);
	uint64_t asked = 0, answered = 0, begun;
	double cpu = wire_own_cpu();

	for (size_t i = 0; i < connections; i++) {
		struct epoll_event e = {.events = EPOLLIN, .data.ptr = &askers[i]};

		askers[i].fd = wire_connect(port);
		epoll_ctl(poll, EPOLL_CTL_ADD, askers[i].fd, &e);
	}
	begun = clock_mono_us();
	for (size_t i = 0; i < connections && asked < requests; i++, asked++)
		ask(&askers[i]);
	while (answered < requests) {
		struct epoll_event ready[256];
		int n = epoll_wait(poll, ready, 256, 10000);

		if (n <= 0)
			wire_die("nothing came for 10 s");
		for (int i = 0; i < n; i++) {
			struct asker *a = ready[i].data.ptr;

			if (!take(a))
				continue;
			answered++;
			if (asked < requests) {
				asked++;
				ask(a);
			}
		}
	}
	printf("%.6f %llu %.6f\n", (double)(clock_mono_us() - begun) / 1e6,
	    (unsigned long long)answered, wire_own_cpu() - cpu);
}

static bool input_ended(void)
{
	struct pollfd in = {.fd = 0, .events = POLLIN};

	return poll(&in, 1, 0) > 0;
}

static int compare_u32(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static void probe(int port, uint64_t count)
{
	struct asker *a = mem_zalloc(1, sizeof *a);
	uint32_t *took = mem_zalloc(PROBES_MAX, sizeof *took);
	uint64_t n = 0;

	a->fd = wire_connect(port);
	while (n < PROBES_MAX && (count ? n < count : !input_ended())) {
		uint64_t begun = clock_mono_us();

		ask(a);
		while (!take(a))
			;
		took[n++] = (uint32_t)(clock_mono_us() - begun);
		if (n == 1)
			wire_say("ready");
	}
	if (n < 2)
		wire_die("too few probes to tell anything");
	qsort(took, n, sizeof *took, compare_u32);
	printf("%llu %u %u\n", (unsigned long long)n, took[n / 2], took[n - 2]);
}

int main(int argc, char **argv)
{
	bool is_load = argc == 6 && strcmp(argv[1], "load") == 0;

	if (!is_load && !(argc == 5 && strcmp(argv[1], "probe") == 0)) {
		fprintf(stderr, "usage: http load PORT TOKEN CONNECTIONS REQUESTS | http probe "
				"PORT TOKEN COUNT\n");
		return 2;
	}
	request_len = (size_t)snprintf(request, sizeof request,
	    "GET /v3/health HTTP/1.1\r\nHost: 127.0.0.1:%s\r\nAuthorization: Bearer %s\r\n\r\n",
	    argv[2], argv[3]);
	if (is_load)
		load((int)wire_number(argv[2]), wire_number(argv[4]), wire_number(argv[5]));
	else
		probe((int)wire_number(argv[2]), wire_number(argv[4]));
	return 0;
}
