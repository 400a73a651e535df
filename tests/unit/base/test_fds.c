/* Descriptors that go with a message. */
#include "unit.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fds.h"

static int pair[2];

static int make_pair(void **state)
{
	return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair);
}

static int close_pair(void **state)
{
	close(pair[0]);
	close(pair[1]);
	return 0;
}

/* How many descriptors this process has. */
static unsigned open_now(void)
{
	unsigned n = 0;

	for (int fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static void a_message_comes_with_its_descriptors(void **state)
{
	int ends[2], got[2];
	char text[8];

	assert_int_equal(pipe(ends), 0);
	assert_int_equal(fds_send(pair[0], "ab", 2, ends, 2, 0), 0);
	assert_int_equal(fds_receive(pair[1], text, sizeof text, got, 2, 0), 2);
	assert_memory_equal(text, "ab", 2);
	assert_true(fcntl(got[0], F_GETFD) & FD_CLOEXEC);
	assert_int_equal(write(got[1], "x", 1), 1);
	assert_int_equal(read(ends[0], text, 1), 1);
	for (int i = 0; i < 2; i++) {
		close(ends[i]);
		close(got[i]);
	}
}

static void without_descriptors_there_is_none(void **state)
{
	int got = 7;
	char letter;

	assert_int_equal(fds_send(pair[0], "a", 1, NULL, 0, 0), 0);
	assert_int_equal(fds_receive(pair[1], &letter, 1, &got, 1, 0), 1);
	assert_int_equal(got, -1);
}

static void others_than_wanted_are_closed(void **state)
{
	int ends[2], got[2] = {7, 7};
	unsigned before;
	char letter;

	assert_int_equal(pipe(ends), 0);
	before = open_now();
	assert_int_equal(fds_send(pair[0], "a", 1, ends, 1, 0), 0);
	assert_int_equal(fds_receive(pair[1], &letter, 1, got, 2, 0), 1);
	assert_int_equal(got[0], -1);
	assert_int_equal(got[1], -1);
	assert_int_equal(fds_send(pair[0], "a", 1, ends, 2, 0), 0);
	assert_int_equal(fds_receive(pair[1], &letter, 1, got, 1, 0), 1);
	assert_int_equal(got[0], -1);
	assert_int_equal(open_now(), before);
	close(ends[0]);
	close(ends[1]);
}

static void the_end_and_what_is_not_there_yet_are_told(void **state)
{
	int got;
	char letter;

	assert_int_equal(fds_receive(pair[1], &letter, 1, &got, 1, MSG_DONTWAIT), -EAGAIN);
	assert_int_equal(shutdown(pair[0], SHUT_WR), 0);
	assert_int_equal(fds_receive(pair[1], &letter, 1, &got, 1, 0), 0);
	assert_int_equal(shutdown(pair[1], SHUT_RD), 0);
	assert_int_equal(fds_send(pair[0], "a", 1, NULL, 0, 0), -EPIPE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(
		a_message_comes_with_its_descriptors, make_pair, close_pair),
	    cmocka_unit_test_setup_teardown(
		without_descriptors_there_is_none, make_pair, close_pair),
	    cmocka_unit_test_setup_teardown(others_than_wanted_are_closed, make_pair, close_pair),
	    cmocka_unit_test_setup_teardown(
		the_end_and_what_is_not_there_yet_are_told, make_pair, close_pair),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
