/* net/fanout: every write is done once, whoever does it. */
#include "net/fanout.h"

#include <dirent.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#include "unit.h"

enum { PEERS = 100 };

static int ours[PEERS], theirs[PEERS];
static struct fanout_write writes[PEERS];
static struct fanout *fanout;

static int setup(void **state)
{
	for (size_t i = 0; i < PEERS; i++) {
		int ends[2];

		if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) != 0)
			return -1;
		ours[i] = ends[0];
		theirs[i] = ends[1];
	}
	fanout = fanout_new();
	return 0;
}

static int teardown(void **state)
{
	fanout_free(fanout);
	for (size_t i = 0; i < PEERS; i++) {
		close(ours[i]);
		if (theirs[i] >= 0)
			close(theirs[i]);
	}
	return 0;
}

/* Of this process. */
static unsigned threads(void)
{
	DIR *dir = opendir("/proc/self/task");
	unsigned n = 0;

	assert_non_null(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n - 2;
}

/* Fail unless peer i was sent exactly text, and nothing else. */
static void assert_sent(size_t i, const char *text)
{
	char got[64] = "";
	ssize_t n = read(theirs[i], got, sizeof got - 1);

	if (n != (ssize_t)strlen(text) || strcmp(got, text) != 0)
		fail_msg("peer %zu was sent \"%s\", not \"%s\"", i, got, text);
}

static void each_write_is_done_once_and_none_in_the_next_call(void **state)
{
	static const size_t counts[] = {1, FANOUT_TOGETHER - 1, FANOUT_TOGETHER, PEERS, 40};
	char texts[PEERS][32];

	for (unsigned round = 0; round < 2000; round++) {
		size_t count = counts[round % (sizeof counts / sizeof *counts)];

		for (size_t i = 0; i < count; i++) {
			snprintf(texts[i], sizeof texts[i], "%u for %zu", round, i);
			writes[i] = (struct fanout_write){ours[i], texts[i], strlen(texts[i]), -1};
		}
		fanout_run(fanout, writes, count);
		for (size_t i = 0; i < count; i++) {
			assert_int_equal(writes[i].taken, writes[i].n);
			assert_sent(i, texts[i]);
		}
	}
}

static void a_full_socket_and_a_peer_that_is_gone_are_told_apart(void **state)
{
	enum { FULL = 3, PARTLY = 50, GONE = 97, LARGE = 4 * 1024 * 1024 };
	char *large = calloc(1, LARGE);

	assert_non_null(large);
	while (write(ours[FULL], large, 4096) > 0)
		continue;
	close(theirs[GONE]);
	theirs[GONE] = -1;
	for (size_t i = 0; i < PEERS; i++)
		writes[i] = (struct fanout_write){ours[i], "x", 1, -1};
	writes[PARTLY].p = large;
	writes[PARTLY].n = LARGE;
	fanout_run(fanout, writes, PEERS);
	for (size_t i = 0; i < PEERS; i++)
		if (i != FULL && i != PARTLY && i != GONE)
			assert_int_equal(writes[i].taken, 1);
	assert_int_equal(writes[FULL].taken, 0);
	assert_in_range(writes[PARTLY].taken, 1, LARGE - 1);
	assert_int_equal(writes[GONE].taken, -EPIPE);
	free(large);
}

/* All of them get a byte. */
static void write_to_all(void)
{
	for (size_t i = 0; i < PEERS; i++)
		writes[i] = (struct fanout_write){ours[i], "x", 1, -1};
	fanout_run(fanout, writes, PEERS);
	for (size_t i = 0; i < PEERS; i++)
		assert_sent(i, "x");
}

static void a_few_writes_start_no_thread_and_many_start_one(void **state)
{
	unsigned before = threads();

	for (size_t i = 0; i < FANOUT_TOGETHER - 1; i++)
		writes[i] = (struct fanout_write){ours[i], "x", 1, -1};
	fanout_run(fanout, writes, FANOUT_TOGETHER - 1);
	for (size_t i = 0; i < FANOUT_TOGETHER - 1; i++)
		assert_sent(i, "x");
	assert_int_equal(threads(), before);
	write_to_all();
	write_to_all();
	assert_int_equal(threads(), before + (uv_available_parallelism() > 1));
}

static void one_processor_writes_alone(void **state)
{
	cpu_set_t all, one;
	unsigned before = threads();

	assert_int_equal(sched_getaffinity(0, sizeof all, &all), 0);
	CPU_ZERO(&one);
	for (int cpu = 0; cpu < CPU_SETSIZE && !CPU_COUNT(&one); cpu++)
		if (CPU_ISSET(cpu, &all))
			CPU_SET(cpu, &one);
	assert_int_equal(sched_setaffinity(0, sizeof one, &one), 0);
	write_to_all();
	assert_int_equal(sched_setaffinity(0, sizeof all, &all), 0);
	assert_int_equal(threads(), before);
}

static void where_no_thread_can_start_the_caller_writes_alone(void **state)
{
	unsigned before = threads();
	pthread_attr_t usual, huge;

	assert_int_equal(pthread_getattr_default_np(&usual), 0);
	pthread_attr_init(&huge);
	/* More than there are addresses. */
	assert_int_equal(pthread_attr_setstacksize(&huge, (size_t)1 << 62), 0);
	assert_int_equal(pthread_setattr_default_np(&huge), 0);
	write_to_all();
	assert_int_equal(threads(), before);
	assert_int_equal(pthread_setattr_default_np(&usual), 0);
	/* It is not tried at every write. */
	write_to_all();
	assert_int_equal(threads(), before);
	pthread_attr_destroy(&usual);
	pthread_attr_destroy(&huge);
}

#define with_peers(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    with_peers(each_write_is_done_once_and_none_in_the_next_call),
	    with_peers(a_full_socket_and_a_peer_that_is_gone_are_told_apart),
	    with_peers(a_few_writes_start_no_thread_and_many_start_one),
	    with_peers(one_processor_writes_alone),
	    with_peers(where_no_thread_can_start_the_caller_writes_alone),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
