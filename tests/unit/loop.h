#ifndef UNIT_LOOP_H
#define UNIT_LOOP_H

/*
 * For tests of what lives on a loop: the loop, turned until something is true or
 * ten seconds have passed, and plain loopback sockets to be the other side.
 * One test at a time; what a test opened it closes, or its teardown fails.
 */

#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#include "base/buf.h"
#include "unit.h"

static uv_loop_t loop;
static uv_timer_t loop_tick; /* so that waiting for a plain socket is no spin */

__attribute__((unused)) static void loop_on_tick(uv_timer_t *timer)
{
}

__attribute__((unused)) static int loop_setup(void **state)
{
	/* As the programs do: a peer that is gone is an error, not a death. */
	signal(SIGPIPE, SIG_IGN);
	uv_loop_init(&loop);
	uv_timer_init(&loop, &loop_tick);
	uv_timer_start(&loop_tick, loop_on_tick, 5, 5);
	return 0;
}

/* Fails when a handle was left open. */
__attribute__((unused)) static int loop_teardown(void **state)
{
	uint64_t deadline = uv_hrtime() + 10000000000ull;

	uv_close((uv_handle_t *)&loop_tick, NULL);
	while (uv_loop_alive(&loop) && uv_hrtime() < deadline)
		uv_run(&loop, UV_RUN_NOWAIT);
	return uv_loop_close(&loop);
}

/* Turn the loop until cond, or fail. */
#define turn_until(cond)                                                                           \
	do {                                                                                       \
		uint64_t turn_deadline = uv_hrtime() + 10000000000ull;                             \
		while (!(cond)) {                                                                  \
			if (uv_hrtime() > turn_deadline)                                           \
				fail_msg("never came true: %s", #cond);                            \
			uv_run(&loop, UV_RUN_ONCE);                                                \
		}                                                                                  \
	} while (0)

/* Turn the loop as often as anything that is under way can need to show itself. */
__attribute__((unused)) static void turn_a_while(void)
{
	for (int i = 0; i < 20; i++)
		uv_run(&loop, UV_RUN_ONCE);
}

/* A plain socket that listens on a free port of 127.0.0.1. */
__attribute__((unused)) static int plain_listen(int *ret_port)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof a;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
	assert_int_equal(listen(fd, 16), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &len), 0);
	*ret_port = ntohs(a.sin_port);
	return fd;
}

/* A plain socket connected to a port of 127.0.0.1. */
__attribute__((unused)) static int plain_connect(int port)
{
	struct sockaddr_in a = {.sin_family = AF_INET,
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	    .sin_port = htons((uint16_t)port)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof a), 0);
	return fd;
}

/* Two ends of one connection over loopback. */
__attribute__((unused)) static void plain_pair(int *ret_ours, int *ret_theirs)
{
	int port, listening = plain_listen(&port);

	*ret_theirs = plain_connect(port);
	*ret_ours = accept4(listening, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	assert_true(*ret_ours >= 0);
	close(listening);
}

/* Send all of text. */
__attribute__((unused)) static void plain_send(int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

/* Add what has come to got. False once the other side has closed or reset. */
__attribute__((unused)) static bool plain_take(int fd, struct buf *got)
{
	ssize_t n;

	while ((n = recv(fd, buf_reserve(got, 65536), 65536, MSG_DONTWAIT)) > 0)
		got->len += (size_t)n;
	return n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
}

/* Has part come by now? */
__attribute__((unused)) static bool plain_got(int fd, struct buf *got, const char *part)
{
	plain_take(fd, got);
	return strstr(buf_cstr(got), part) != NULL;
}

/* Close so that the other side sees a reset. */
__attribute__((unused)) static void plain_reset(int fd)
{
	struct linger hard = {.l_onoff = 1};

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
	close(fd);
}

#define on_loop(test) cmocka_unit_test_setup_teardown(test, loop_setup, loop_teardown)

#endif
