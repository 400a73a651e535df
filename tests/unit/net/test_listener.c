/* net/listener: a listening socket and who comes. */
#include "loop.h"

#include <fcntl.h>
#include <sys/resource.h>

#include "base/err.h"
#include "net/listener.h"

struct seen {
	struct listener *listener;
	int fds[200];
	unsigned count, last;
	bool close;
};

static void on_accept(void *data, int fd, bool last)
{
	struct seen *s = data;

	if (last) {
		s->last++;
		close(fd);
		return;
	}
	s->fds[s->count++] = fd;
	if (s->close)
		listener_close(s->listener);
}

static void start(struct seen *s)
{
	struct err err = {0};

	if (listener_new(&loop, "127.0.0.1", 0, on_accept, s, &s->listener, &err) != 0)
		fail_msg("%s", err.text);
	assert_true(listener_port(s->listener) > 0);
}

static void drop(struct seen *s)
{
	for (unsigned i = 0; i < s->count; i++)
		close(s->fds[i]);
}

static void everybody_who_comes_is_accepted_once(void **state)
{
	struct seen s = {0};
	int peers[150];

	start(&s);
	/* More than are taken in one turn of the loop. */
	for (int i = 0; i < 150; i++)
		peers[i] = plain_connect(listener_port(s.listener));
	turn_until(s.count == 150);
	turn_a_while();
	assert_int_equal(s.count, 150);
	for (int i = 0; i < 150; i++)
		close(peers[i]);
	drop(&s);
	listener_close(s.listener);
}

static void an_accepted_socket_blocks_nobody_and_is_not_inherited(void **state)
{
	struct seen s = {0};
	int peer;
	char c;

	start(&s);
	peer = plain_connect(listener_port(s.listener));
	turn_until(s.count == 1);
	assert_int_equal(recv(s.fds[0], &c, 1, 0), -1);
	assert_int_equal(errno, EAGAIN);
	assert_true(fcntl(s.fds[0], F_GETFD) & FD_CLOEXEC);
	close(peer);
	drop(&s);
	listener_close(s.listener);
}

static void a_port_in_use_is_said_plainly(void **state)
{
	struct seen s = {0};
	struct listener *second = NULL;
	struct err err = {0};

	start(&s);
	assert_int_equal(listener_new(&loop, "localhost", listener_port(s.listener), on_accept, &s,
			     &second, &err),
	    -EADDRINUSE);
	assert_null(second);
	assert_holds(err.text, "port already in use");
	listener_close(s.listener);
}

static void a_host_that_is_no_address_is_refused(void **state)
{
	struct listener *l = NULL;
	struct err err = {0};

	assert_int_equal(listener_new(&loop, "example.com", 0, on_accept, NULL, &l, &err), -EINVAL);
	assert_holds(err.text, "\"example.com\"");
	assert_null(l);
}

static void out_of_descriptors_it_says_so_and_goes_on_later(void **state)
{
	struct seen s = {0};
	struct rlimit old, few;
	struct buf got = {0};
	int peer, next, probe;

	start(&s);
	peer = plain_connect(listener_port(s.listener));
	/* Not one more than there are. */
	probe = dup(peer);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	few = (struct rlimit){.rlim_cur = (rlim_t)probe, .rlim_max = old.rlim_max};
	close(probe);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	turn_until(!plain_take(peer, &got));
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	assert_int_equal(s.count, 0);
	assert_int_equal(s.last, 1);
	next = plain_connect(listener_port(s.listener));
	turn_until(s.count == 1);
	close(peer);
	close(next);
	drop(&s);
	listener_close(s.listener);
	buf_finish(&got);
}

static void a_listener_closed_while_it_accepts_accepts_no_more(void **state)
{
	struct seen s = {.close = true};
	int peers[3];

	start(&s);
	for (int i = 0; i < 3; i++)
		peers[i] = plain_connect(listener_port(s.listener));
	turn_until(s.count == 1);
	turn_a_while();
	assert_int_equal(s.count, 1);
	for (int i = 0; i < 3; i++)
		close(peers[i]);
	drop(&s);
	listener_close(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    on_loop(everybody_who_comes_is_accepted_once),
	    on_loop(an_accepted_socket_blocks_nobody_and_is_not_inherited),
	    on_loop(a_port_in_use_is_said_plainly),
	    on_loop(a_host_that_is_no_address_is_refused),
	    on_loop(out_of_descriptors_it_says_so_and_goes_on_later),
	    on_loop(a_listener_closed_while_it_accepts_accepts_no_more),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
