/* store/store: batches, their order, their failures, and the end. */
#include "store/store.h"

#include <sqlite3.h>
#include <unistd.h>

#include "store/world.h"

/* A job that writes down that it ran, and where its end was heard. */
struct note {
	struct store_job job;
	int64_t n;
	int fails;	 /* what run returns, 0: good */
	uv_sem_t *waits; /* before it runs, or NULL */
	bool enclosed;	 /* ran within a transaction of the batch's */
	unsigned times;
	int rc;
	unsigned place;	   /* how many ends were heard before this one */
	struct note *then; /* submitted when the end is heard */
};

static unsigned heard;

static int run_note(struct db *db, struct store_job *job)
{
	struct note *n = list_entry(job, struct note, job);

	if (n->waits)
		uv_sem_wait(n->waits);
	n->enclosed = !sqlite3_get_autocommit(db->h);
	if (n->fails)
		return n->fails;
	return db_run(db, "INSERT INTO messages(id, body) VALUES(?, 'x')", "i", n->n);
}

static void done_note(struct store_job *job, int rc)
{
	struct note *n = list_entry(job, struct note, job);

	n->times++;
	n->rc = rc;
	n->place = heard++;
	if (n->then)
		store_write(store, &n->then->job);
}

#define NOTE(...)                                                                                  \
	{                                                                                          \
		.job = {.run = run_note, .done = done_note}, __VA_ARGS__                           \
	}

static const char all[] = "SELECT count(*) FROM messages";

static int setup(void **state)
{
	heard = 0;
	return world_setup(state);
}

static void jobs_are_written_and_heard_of_in_order_events_first(void **state)
{
	struct note a = NOTE(.n = 1), b = NOTE(.n = 2), event = NOTE(.n = 3);

	store_write(store, &a.job);
	store_write(store, &b.job);
	store_write_first(store, &event.job);
	assert_int_equal(heard, 0);
	run_until(heard == 3);
	assert_int_equal(event.place, 0);
	assert_int_equal(a.place, 1);
	assert_int_equal(b.place, 2);
	assert_int_equal(a.rc | b.rc | event.rc, 0);
	assert_int_equal(world_number(all), 3);
}

static void a_batch_is_kept_whole_or_not_at_all(void **state)
{
	struct note a = NOTE(.n = 1), bad = NOTE(.fails = ERR_FULL), b = NOTE(.n = 2);

	store_write(store, &a.job);
	store_write(store, &bad.job);
	store_write(store, &b.job);
	run_until(heard == 3);
	assert_int_equal(a.rc, ERR_FULL);
	assert_int_equal(b.rc, ERR_FULL);
	assert_int_equal(world_number(all), 0);
}

static void one_statement_needs_no_transaction_unless_others_come_with_it(void **state)
{
	struct note alone = NOTE(.n = 1), one = NOTE(.n = 2), bad = NOTE(.fails = ERR_FULL),
		    again = NOTE(.n = 1), many = NOTE(.n = 3);

	alone.job.single = one.job.single = again.job.single = true;
	store_write(store, &alone.job);
	run_until(heard == 1);
	assert_int_equal(alone.rc, 0);
	assert_false(alone.enclosed);
	/* Kept: the reader, another connection, sees it. */
	assert_int_equal(world_number(all), 1);

	store_write(store, &one.job);
	store_write(store, &bad.job);
	run_until(heard == 3);
	assert_true(one.enclosed);
	assert_int_equal(one.rc, ERR_FULL);
	assert_int_equal(world_number(all), 1);

	store_write(store, &again.job);
	run_until(heard == 4);
	assert_int_equal(again.rc, -EEXIST);

	store_write(store, &many.job);
	run_until(heard == 5);
	assert_int_equal(many.rc, 0);
	assert_true(many.enclosed);
	assert_int_equal(world_number(all), 2);
}

static void what_was_submitted_after_a_batch_that_fails_fails_too(void **state)
{
	struct note after = NOTE(.n = 3), bad = NOTE(.fails = ERR_FULL, .then = &after),
		    later = NOTE(.n = 1), event = NOTE(.n = 2);
	uv_sem_t may;

	uv_sem_init(&may, 0);
	bad.waits = &may;
	store_write(store, &bad.job);
	uv_run(&loop, UV_RUN_NOWAIT);
	store_write(store, &later.job);
	store_write_first(store, &event.job);
	uv_sem_post(&may);
	run_until(heard == 4);
	assert_int_equal(bad.rc, ERR_FULL);
	assert_int_equal(later.rc, ERR_FULL);
	assert_int_equal(event.rc, ERR_FULL);
	/* The failed batch first, then what came after it, events before rows. */
	assert_int_equal(bad.place, 0);
	assert_int_equal(event.place, 1);
	assert_int_equal(later.place, 2);
	/* What was submitted on hearing of it starts afresh. */
	assert_int_equal(after.rc, 0);
	assert_int_equal(world_number(all), 1);
	uv_sem_destroy(&may);
}

static void what_comes_while_the_writer_is_busy_is_one_batch(void **state)
{
	struct note first = NOTE(.n = 1), many[50];
	uint64_t p50, p99;
	uv_sem_t may;
	size_t batches;

	uv_sem_init(&may, 0);
	first.waits = &may;
	store_write(store, &first.job);
	uv_run(&loop, UV_RUN_NOWAIT);
	for (int i = 0; i < 50; i++) {
		many[i] = (struct note)NOTE(.n = 10 + i);
		store_write(store, &many[i].job);
		uv_run(&loop, UV_RUN_NOWAIT);
	}
	assert_int_equal(heard, 0);
	uv_sem_post(&may);
	run_until(heard == 51);
	store_latency(store, &p50, &p99, &batches);
	assert_int_equal(batches, 2);
	assert_true(p50 > 0 && p99 >= p50);
	assert_int_equal(world_number(all), 51);
	uv_sem_destroy(&may);
}

static int run_count(struct db *db, struct store_job *job)
{
	list_entry(job, struct note, job)->n = db_number(db, all, -1);
	return 0;
}

static void reads_see_what_was_committed_and_cannot_write(void **state)
{
	struct note write = NOTE(.n = 1), read = NOTE(.n = 0), bad = NOTE(.n = 2);

	read.job.run = run_count;
	store_write(store, &write.job);
	run_until(heard == 1);
	store_read(store, &read.job);
	store_read(store, &bad.job);
	run_until(heard == 3);
	assert_int_equal(read.n, 1);
	assert_true(bad.rc < 0);
	assert_int_equal(world_number(all), 1);
}

struct sealer {
	struct store_sealer sealer;
	struct note note;
	unsigned times;
};

static void on_seal(struct store_sealer *sealer)
{
	struct sealer *s = list_entry(sealer, struct sealer, sealer);

	s->times++;
	store_write_first(store, &s->note.job);
}

static void who_holds_events_back_is_asked_for_them_once_a_batch(void **state)
{
	struct sealer s = {.sealer.seal = on_seal, .note = NOTE(.n = 1)};
	struct note row = NOTE(.n = 2);

	list_init(&s.sealer.link);
	store_want_seal(store, &s.sealer);
	store_want_seal(store, &s.sealer);
	store_write(store, &row.job);
	run_until(heard == 2);
	assert_int_equal(s.times, 1);
	assert_int_equal(s.note.place, 0);
}

static void closing_writes_what_is_pending_and_what_that_brings(void **state)
{
	struct note third = NOTE(.n = 3), second = NOTE(.n = 2, .then = &third),
		    first = NOTE(.n = 1, .then = &second);
	struct sealer s = {.sealer.seal = on_seal, .note = NOTE(.n = 9)};

	list_init(&s.sealer.link);
	store_write(store, &first.job);
	store_want_seal(store, &s.sealer);
	world_close();
	assert_int_equal(third.times, 1);
	assert_int_equal(heard, 4);
	assert_int_equal(world_number(all), 4);
}

static void numbers_go_on_at_the_next_start(void **state)
{
	struct outcome o = {0};

	assert_int_equal(stats.next_session, 1);
	world_put(7, "seven");
	world_put(3, "three");
	store_turn_add(store, 7, "t", "w", "c", "m", NULL, 1, NULL, NULL);
	store_turn_end(store, 7, "t", on_outcome, &o);
	run_until(o.times);
	world_close();
	world_open();
	assert_int_equal(stats.sessions, 2);
	assert_int_equal(stats.next_session, 8);
	assert_int_equal(stats.turns, 1);
	assert_int_equal(stats.recovered, 0);
}

static void a_directory_that_is_not_there_is_an_error(void **state)
{
	struct store_stats other;
	struct store *s = NULL;
	struct err err = {0};

	assert_true(store_open(&loop, unit_path("none"), "d", NULL, &s, &other, &err) < 0);
	assert_null(s);
	assert_holds(err.text, "none/opta.db");
	store_close(NULL);
}

#define with_notes(test) cmocka_unit_test_setup_teardown(test, setup, world_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    with_notes(jobs_are_written_and_heard_of_in_order_events_first),
	    with_notes(a_batch_is_kept_whole_or_not_at_all),
	    with_notes(one_statement_needs_no_transaction_unless_others_come_with_it),
	    with_notes(what_was_submitted_after_a_batch_that_fails_fails_too),
	    with_notes(what_comes_while_the_writer_is_busy_is_one_batch),
	    with_notes(reads_see_what_was_committed_and_cannot_write),
	    with_notes(who_holds_events_back_is_asked_for_them_once_a_batch),
	    with_notes(closing_writes_what_is_pending_and_what_that_brings),
	    with_notes(numbers_go_on_at_the_next_start),
	    with_notes(a_directory_that_is_not_there_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
