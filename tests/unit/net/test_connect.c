/* net/connect: from a name to a connected socket, or to why not. */
#include "loop.h"

#include "base/err.h"
#include "net/connect.h"

struct seen {
	unsigned calls;
	int fd;
};

static void on_done(void *data, int fd)
{
	struct seen *s = data;

	s->calls++;
	s->fd = fd;
}

static void connects_to(const char *host)
{
	struct seen s = {0};
	int port, listening = plain_listen(&port), accepted;
	char c = 0;

	net_connect(&loop, host, port, 5000, on_done, &s);
	assert_int_equal(s.calls, 0);
	turn_until(s.calls);
	assert_true(s.fd >= 0);
	accepted = accept4(listening, NULL, NULL, SOCK_CLOEXEC);
	assert_true(accepted >= 0);
	plain_send(accepted, "x");
	turn_until(recv(s.fd, &c, 1, MSG_DONTWAIT) == 1);
	turn_a_while();
	assert_int_equal(s.calls, 1);
	close(s.fd);
	close(accepted);
	close(listening);
}

static void an_address_and_a_name_are_connected_to(void **state)
{
	connects_to("127.0.0.1");
	/* Where the name has two addresses, nobody listens on the other one. */
	connects_to("localhost");
}

static void a_port_nobody_listens_on_is_refused(void **state)
{
	struct seen s = {0};
	int port, listening = plain_listen(&port);

	close(listening);
	net_connect(&loop, "127.0.0.1", port, 5000, on_done, &s);
	turn_until(s.calls);
	assert_int_equal(s.fd, -ECONNREFUSED);
}

static void brackets_around_an_ipv6_address_are_taken_off(void **state)
{
	struct seen s = {0};
	int port, listening = plain_listen(&port);

	/* Nobody listens there: what matters is that it is an address. */
	net_connect(&loop, "[::1]", port, 5000, on_done, &s);
	turn_until(s.calls);
	assert_true(s.fd < 0);
	assert_int_not_equal(s.fd, ERR_UNKNOWN);
	close(listening);
}

static void what_is_no_name_is_unknown(void **state)
{
	struct seen s = {0};

	net_connect(&loop, "no name at all", 80, 5000, on_done, &s);
	turn_until(s.calls);
	assert_int_equal(s.fd, ERR_UNKNOWN);
}

static void no_answer_in_time_is_a_timeout(void **state)
{
	struct seen s = {0};
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int port, full = plain_listen(&port), waiting[8];

	/* A queue that is full lets a connection wait (listen(2)). */
	assert_int_equal(listen(full, 0), 0);
	a.sin_port = htons((uint16_t)port);
	for (int i = 0; i < 8; i++) {
		waiting[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		if (connect(waiting[i], (struct sockaddr *)&a, sizeof a) != 0)
			assert_int_equal(errno, EINPROGRESS);
	}
	net_connect(&loop, "127.0.0.1", port, 50, on_done, &s);
	turn_until(s.calls);
	assert_int_equal(s.fd, ERR_TIMEOUT);
	for (int i = 0; i < 8; i++)
		close(waiting[i]);
	close(full);
}

static void one_that_was_cancelled_calls_nobody(void **state)
{
	struct seen s = {0};
	int port, listening = plain_listen(&port);
	struct connect *c;

	/* At once, and a little later: while resolving, while connecting. */
	for (int turns = 0; turns < 3; turns++) {
		c = net_connect(&loop, "127.0.0.1", port, 5000, on_done, &s);
		for (int i = 0; i < turns && !s.calls; i++)
			uv_run(&loop, UV_RUN_NOWAIT);
		if (s.calls)
			break;
		net_connect_cancel(c);
		turn_a_while();
		assert_int_equal(s.calls, 0);
	}
	if (s.calls)
		close(s.fd);
	net_connect_cancel(NULL);
	close(listening);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    on_loop(an_address_and_a_name_are_connected_to),
	    on_loop(a_port_nobody_listens_on_is_refused),
	    on_loop(brackets_around_an_ipv6_address_are_taken_off),
	    on_loop(what_is_no_name_is_unknown),
	    on_loop(no_answer_in_time_is_a_timeout),
	    on_loop(one_that_was_cancelled_calls_nobody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
