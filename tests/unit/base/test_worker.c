/* One thread for what may block. */
#include "unit.h"

#include <pthread.h>
#include <uv.h>

#include "base/worker.h"

struct item {
	struct work work;
	int n;
	pthread_t ran_on;
};

static char done_order[64];
static size_t done_count;
static int ran_without_done;

static void on_run(struct work *work)
{
	list_entry(work, struct item, work)->ran_on = pthread_self();
}

static void on_done(struct work *work)
{
	done_order[done_count++] = (char)('0' + list_entry(work, struct item, work)->n);
}

static void on_run_alone(struct work *work)
{
	ran_without_done++;
	free(work);
}

static void on_late(uv_timer_t *timer)
{
	fail_msg("nothing came back within ten seconds");
}

static int reset(void **state)
{
	memset(done_order, 0, sizeof done_order);
	done_count = 0;
	ran_without_done = 0;
	return 0;
}

static void finish(uv_loop_t *loop, struct worker *w)
{
	worker_stop(w);
	uv_run(loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(loop), 0);
}

static void work_runs_elsewhere_and_comes_back_in_order(void **state)
{
	struct item items[9];
	struct worker *w;
	uv_timer_t late;
	uv_loop_t loop;

	/* The worker alone does not keep a loop alive. */
	uv_loop_init(&loop);
	uv_timer_init(&loop, &late);
	uv_timer_start(&late, on_late, 10000, 0);
	w = worker_new(&loop);
	for (int i = 0; i < 9; i++) {
		items[i] = (struct item){.work = {.run = on_run, .done = on_done}, .n = i};
		worker_submit(w, &items[i].work);
	}
	assert_int_equal(done_count, 0);
	while (done_count < 9)
		uv_run(&loop, UV_RUN_ONCE);
	uv_close((uv_handle_t *)&late, NULL);
	assert_string_equal(done_order, "012345678");
	assert_false(pthread_equal(items[0].ran_on, pthread_self()));
	finish(&loop, w);
}

static void stopping_finishes_what_was_queued(void **state)
{
	struct item items[5];
	struct worker *w;
	uv_loop_t loop;

	uv_loop_init(&loop);
	w = worker_new(&loop);
	for (int i = 0; i < 5; i++) {
		items[i] = (struct item){.work = {.run = on_run, .done = on_done}, .n = i};
		worker_submit(w, &items[i].work);
	}
	finish(&loop, w);
	assert_string_equal(done_order, "01234");
}

static void work_nobody_waits_for_is_run_all_the_same(void **state)
{
	struct worker *w;
	uv_loop_t loop;

	uv_loop_init(&loop);
	w = worker_new(&loop);
	for (int i = 0; i < 3; i++) {
		struct work *work = calloc(1, sizeof *work);

		assert_non_null(work);
		work->run = on_run_alone;
		worker_submit(w, work);
	}
	finish(&loop, w);
	assert_int_equal(ran_without_done, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(work_runs_elsewhere_and_comes_back_in_order, reset),
	    cmocka_unit_test_setup(stopping_finishes_what_was_queued, reset),
	    cmocka_unit_test_setup(work_nobody_waits_for_is_run_all_the_same, reset),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
