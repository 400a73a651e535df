/* tools/pool with a tool host of its own: this very program, started as one. */
#include "tools/pool.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <uv.h>

#include "base/clock.h"
#include "tools/host.h"
#include "unit.h"

static char self[4096];
static uv_loop_t loop;
static struct pool *pool;
static unsigned crashes;

/* One call and what came of it. */
struct one {
	struct pool_call *call;
	struct one *cancels; /* when it is done */
	const char *again;   /* a command to start when it is done */
	struct one *next;    /* what becomes of that */
	int done;
	unsigned order;
	bool ok;
	char text[300];
};

static unsigned ended;

static void start(struct one *o, const void *owner, const char *command);

static void on_done(void *data, const struct tool_answer *a)
{
	struct one *o = data;

	o->done++;
	o->order = ++ended;
	o->call = NULL;
	o->ok = a->ok;
	snprintf(o->text, sizeof o->text, "%s", a->text);
	if (o->cancels) {
		pool_cancel(o->cancels->call);
		o->cancels->call = NULL;
	}
	if (o->again)
		start(o->next, o, o->again);
}

static void start(struct one *o, const void *owner, const char *command)
{
	json_t *args = json_pack("{s:s}", "command", command);

	o->call = pool_start(pool, &(struct pool_call_opts){.request = {.step = STEP_RUN,
								.tool = "run_command",
								.workspace = unit_path("ws"),
								.session = "s",
								.call = "c",
								.hidden = unit_path("opta"),
								.memory_mb = 1024,
								.args = args},
				       .owner = owner,
				       .on_done = on_done,
				       .data = o});
	json_decref(args);
}

static void on_support(void *data, const struct sandbox_support *support)
{
}

static void on_crash(void *data, const char *why)
{
	crashes++;
}

static int set_up(void **state)
{
	if (unit_make_dir(state) != 0 || mkdir(unit_path("ws"), 0755) != 0 ||
	    mkdir(unit_path("opta"), 0700) != 0)
		return -1;
	ended = crashes = 0;
	uv_loop_init(&loop);
	pool = pool_new(&(struct pool_opts){.loop = &loop,
	    .program = self,
	    .workers = 1,
	    .port = 9999,
	    .on_support = on_support,
	    .on_crash = on_crash});
	return 0;
}

static void stay_awake(uv_idle_t *idle)
{
}

static void count_handle(uv_handle_t *handle, void *count)
{
	++*(unsigned *)count;
}

/* Free the pool and let the loop collect what it left: the host's own handle holds no loop. */
static int tear_down(void **state)
{
	uv_idle_t awake;
	unsigned count;

	pool_free(pool);
	uv_idle_init(&loop, &awake);
	uv_idle_start(&awake, stay_awake);
	do {
		uv_run(&loop, UV_RUN_NOWAIT);
		count = 0;
		uv_walk(&loop, count_handle, &count);
	} while (count > 1);
	uv_close((uv_handle_t *)&awake, NULL);
	uv_run(&loop, UV_RUN_DEFAULT);
	return uv_loop_close(&loop) == 0 ? unit_remove_dir(state) : -1;
}

#define with_pool(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

static void on_late(uv_timer_t *timer)
{
	fail_msg("it took too long");
}

/* Run the loop until *what. */
static void until(const int *what)
{
	uv_timer_t timer;

	uv_timer_init(&loop, &timer);
	uv_timer_start(&timer, on_late, 20000, 0);
	while (!*what)
		uv_run(&loop, UV_RUN_ONCE);
	uv_close((uv_handle_t *)&timer, NULL);
	uv_run(&loop, UV_RUN_NOWAIT);
}

/* The pid of the host: the one child we have. */
static pid_t host_pid(void)
{
	char path[64];
	int pid = 0;
	FILE *f;

	snprintf(path, sizeof path, "/proc/self/task/%d/children", (int)getpid());
	f = fopen(path, "re");
	assert_non_null(f);
	assert_int_equal(fscanf(f, "%d", &pid), 1);
	fclose(f);
	return pid;
}

static void wait_for_file(const char *path)
{
	uint64_t end = clock_mono_us() + 20000000;

	while (access(path, F_OK) != 0) {
		assert_true(clock_mono_us() < end);
		uv_run(&loop, UV_RUN_NOWAIT);
	}
}

static void calls_of_one_owner_do_not_keep_another_waiting(void **state)
{
	struct one a[4] = {0}, b[2] = {0}, c = {0};

	for (int i = 0; i < 4; i++)
		start(&a[i], a, "echo a");
	start(&b[0], b, "echo b");
	start(&b[1], b, "echo b");
	start(&c, &c, "echo c");
	until(&a[3].done);
	assert_int_equal(a[0].order, 1);
	assert_int_equal(b[0].order, 2);
	assert_int_equal(c.order, 3);
	assert_int_equal(a[1].order, 4);
	assert_int_equal(b[1].order, 5);
	assert_true(a[0].ok && b[1].ok && c.ok);
}

static void a_cancelled_call_is_not_heard_of_and_gives_its_place_away(void **state)
{
	struct one first = {0}, waiting = {0}, last = {0};
	struct pool_counts counts;

	start(&first, &first, ": >begun; sleep 100");
	start(&waiting, &waiting, ": >never");
	start(&last, &last, "echo last");
	wait_for_file(unit_path("ws/begun"));
	pool_cancel(waiting.call);
	pool_cancel(first.call);
	until(&last.done);
	assert_string_equal(last.text, "last\n");
	assert_int_equal(first.done + waiting.done, 0);
	assert_int_equal(access(unit_path("ws/never"), F_OK), -1);
	pool_counts(pool, &counts);
	assert_int_equal(counts.busy + counts.queued, 0);
}

/* Its end is told by a callback that ends another of its calls and begins one in the next host. */
static void a_host_that_is_killed_ends_its_calls_and_the_next_one_runs(void **state)
{
	struct one second = {0}, third = {0}, after = {0},
		   first = {.cancels = &second, .again = "echo again", .next = &after};

	pool_set_workers(pool, 3);
	start(&first, &first, ": >one; sleep 100");
	start(&second, &second, ": >two; sleep 100");
	start(&third, &third, ": >three; sleep 100");
	wait_for_file(unit_path("ws/one"));
	wait_for_file(unit_path("ws/two"));
	wait_for_file(unit_path("ws/three"));
	kill(host_pid(), SIGKILL);
	until(&after.done);
	until(&third.done);
	assert_string_equal(first.text, "the tool host ended");
	assert_string_equal(third.text, "the tool host ended");
	/* Which of the two ended first is chance. */
	assert_true(second.done == 0 || second.order < first.order);
	assert_string_equal(after.text, "again\n");
	assert_int_equal(crashes, 2 + second.done);
}

static void without_descriptors_a_call_ends_with_a_reason(void **state)
{
	struct one refused = {0}, later = {0};
	struct rlimit old, low;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	low = old;
	low.rlim_cur = 3;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
	start(&refused, &refused, "echo x");
	assert_int_equal(refused.done, 0);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	until(&refused.done);
	assert_false(refused.ok);
	assert_memory_equal(refused.text, "no process could be started", 27);
	start(&later, &later, "echo later");
	until(&later.done);
	assert_string_equal(later.text, "later\n");
}

static void a_pool_is_freed_with_calls_in_every_state(void **state)
{
	static struct one running, waiting, refused; /* outlive the test; nobody is told */
	struct rlimit old, low;

	start(&running, &running, ": >begun; sleep 100");
	start(&waiting, &waiting, "echo x");
	wait_for_file(unit_path("ws/begun"));
	pool_set_workers(pool, 2);
	pool_set_workers(pool, 3);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	low = old;
	low.rlim_cur = 3;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
	start(&refused, &refused, "echo x");
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	pool_free(pool);
	pool = NULL;
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_int_equal(running.done + waiting.done + refused.done, 0);
}

/* A descriptor can be lost on the way, when the host has none left for it. */
static void a_host_says_when_a_calls_socket_did_not_arrive(void **state)
{
	struct host_message m = {.op = HOST_START, .id = 7};
	int fds[2];
	pid_t pid;

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fds), 0);
	pid = fork();
	if (pid == 0) {
		dup2(fds[1], HOST_CONTROL_FD);
		_exit(host_run(9999));
	}
	close(fds[1]);
	assert_int_equal(recv(fds[0], &m, sizeof m, 0), sizeof m);
	assert_int_equal(m.op, HOST_HELLO);
	m = (struct host_message){.op = HOST_START, .id = 7};
	assert_int_equal(send(fds[0], &m, sizeof m, 0), sizeof m);
	/* It answers at once or never: its end would be seen as well. */
	assert_int_equal(shutdown(fds[0], SHUT_WR), 0);
	assert_int_equal(recv(fds[0], &m, sizeof m, 0), sizeof m);
	assert_int_equal(m.op, HOST_STARTED);
	assert_int_equal(m.id, 7);
	assert_true(m.pid < 0);
	close(fds[0]);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

int main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
	    with_pool(calls_of_one_owner_do_not_keep_another_waiting),
	    with_pool(a_cancelled_call_is_not_heard_of_and_gives_its_place_away),
	    with_pool(a_host_that_is_killed_ends_its_calls_and_the_next_one_runs),
	    with_pool(without_descriptors_a_call_ends_with_a_reason),
	    with_pool(a_pool_is_freed_with_calls_in_every_state),
	    cmocka_unit_test(a_host_says_when_a_calls_socket_did_not_arrive),
	};

	if (argc > 2 && strcmp(argv[1], "tool-host") == 0)
		return host_run((int)strtol(argv[2], NULL, 10));
	if (readlink("/proc/self/exe", self, sizeof self - 1) < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
