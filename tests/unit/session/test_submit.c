/* session/submit: what is accepted, what is refused, and what is accepted twice. */
#include "session/session.h"

#include "session/world.h"

static void accepted_means_durable(void **state)
{
	struct submitted told = {0};

	world_session("s");
	SUBMIT(w->session, "hello", &told);
	assert_int_equal(told.times, 0);
	run_until(told.times);
	assert_int_equal(told.error, API_OK);
	assert_int_equal(told.queued, 1);
	assert_true(told.durable >= 2);
	assert_holds(world_payload(2), told.turn_id);
}

static void the_same_key_is_the_same_turn_also_after_a_reload(void **state)
{
	struct submitted first = {0}, again = {0}, later = {0}, other = {0};

	world_session("s");
	SUBMIT(w->session, "hello", &first, .idempotency_key = "k");
	run_until(first.times);
	SUBMIT(w->session, "hello", &again, .idempotency_key = "k");
	run_until(again.times);
	assert_string_equal(again.turn_id, first.turn_id);
	run_until(!w->session->busy);
	world_reload("s");
	SUBMIT(w->session, "hello", &later, .idempotency_key = "k");
	run_until(later.times);
	assert_int_equal(later.error, API_OK);
	assert_string_equal(later.turn_id, first.turn_id);
	SUBMIT(w->session, "hello", &other, .idempotency_key = "l");
	run_until(other.times);
	assert_string_not_equal(other.turn_id, first.turn_id);
	run_until(!w->session->busy);
	assert_int_equal(w->session->row.turn_count, 2);
	assert_int_equal(w->fake.asked, 2);
}

static void the_same_key_is_not_answered_before_its_turn_is_durable(void **state)
{
	struct submitted first = {0}, again = {0}, third = {0};

	world_session("s");
	world_hold_writer();
	SUBMIT(w->session, "hello", &first, .idempotency_key = "k");
	SUBMIT(w->session, "hello", &again, .idempotency_key = "k");
	run_until(!w->session->lookups);
	SUBMIT(w->session, "hello", &third, .idempotency_key = "k");
	assert_int_equal(log_last(w->session->log), 2);
	assert_int_equal(first.times + again.times + third.times, 0);
	world_let_go(0);
	run_until(first.times && again.times && third.times);
	assert_int_equal(again.error, API_OK);
	assert_string_equal(again.turn_id, first.turn_id);
	assert_string_equal(third.turn_id, first.turn_id);
	run_until(!w->session->busy);
	assert_int_equal(w->fake.asked, 1);
	uv_sem_destroy(&world_held);
}

static void the_same_key_of_a_turn_the_disk_refused_is_refused_too_and_free_again(void **state)
{
	struct submitted first = {0}, again = {0}, later = {0};

	world_session("s");
	world_hold_writer();
	SUBMIT(w->session, "hello", &first, .idempotency_key = "k");
	SUBMIT(w->session, "hello", &again, .idempotency_key = "k");
	run_until(!w->session->lookups);
	world_let_go(ERR_FULL);
	run_until(first.times && again.times);
	assert_int_equal(first.error, API_STORAGE_FULL);
	assert_int_equal(again.error, API_STORAGE_FULL);
	assert_int_equal(w->session->row.turn_count, 0);
	assert_false(w->session->busy);
	SUBMIT(w->session, "hello", &later, .idempotency_key = "k");
	run_until(later.times);
	assert_int_equal(later.error, API_OK);
	run_until(!w->session->busy);
	assert_int_equal(w->fake.asked, 1);
	uv_sem_destroy(&world_held);
}

static void who_has_not_read_the_last_turn_event_is_told_its_number(void **state)
{
	struct submitted behind = {0}, level = {0};

	world_session("s");
	world_submit("first");
	run_until(!w->session->busy);
	SUBMIT(w->session, "second", &behind, .has_last_seen = true,
	    .last_seen_seq = session_last_seq(w->session) - 1);
	run_until(behind.times);
	assert_int_equal(behind.error, API_CONFLICT);
	assert_holds(behind.sentence, "its last turn event is 7, you have seen 6");
	SUBMIT(w->session, "second", &level, .has_last_seen = true,
	    .last_seen_seq = session_last_seq(w->session));
	run_until(level.times);
	assert_int_equal(level.error, API_OK);
}

static void a_turn_the_disk_refused_is_no_event_one_must_have_seen(void **state)
{
	struct submitted refused = {0}, level = {0};
	uint64_t last;

	world_session("s");
	world_submit("first");
	run_until(!w->session->busy);
	last = session_last_seq(w->session);
	SUBMIT(w->session, "lost", &refused);
	world_fail_batch();
	run_until(refused.times);
	assert_int_equal(refused.error, API_STORAGE_FULL);
	assert_int_equal(session_last_seq(w->session), last);
	SUBMIT(w->session, "second", &level, .has_last_seen = true, .last_seen_seq = last);
	run_until(level.times);
	assert_int_equal(level.error, API_OK);
}

static void only_so_many_sessions_are_busy(void **state)
{
	struct submitted told = {0};
	struct session *first;

	assert_int_equal(config_set(w->config, "daemon.maxSessions", "1", NULL), 0);
	w->fake.mood = FAKE_WAITS;
	first = session_ref(world_session("a"));
	world_submit("hello");
	world_session("b");
	SUBMIT(w->session, "hello", &told);
	run_until(told.times);
	assert_int_equal(told.error, API_SESSION_LIMIT);
	/* The busy one takes more. */
	memset(&told, 0, sizeof told);
	SUBMIT(first, "more", &told);
	run_until(told.times);
	assert_int_equal(told.error, API_OK);
	session_unref(first);
}

static void only_so_many_turns_wait(void **state)
{
	struct submitted told = {0};

	assert_int_equal(config_set(w->config, "daemon.maxQueuedTurns", "1", NULL), 0);
	w->fake.mood = FAKE_WAITS;
	world_session("s");
	world_submit("runs");
	run_until(w->session->active);
	world_submit("waits");
	SUBMIT(w->session, "too many", &told);
	run_until(told.times);
	assert_int_equal(told.error, API_TOO_MANY);
}

static void a_daemon_that_stops_takes_no_turns(void **state)
{
	struct submitted told = {0};

	world_session("s");
	core_stop(w->core, 0, NULL, NULL);
	SUBMIT(w->session, "late", &told);
	run_until(told.times);
	assert_int_equal(told.error, API_SHUTTING_DOWN);
}

static void the_first_line_names_the_session_and_writers_are_counted_once(void **state)
{
	struct submitted told = {0};

	world_session("s");
	world_submit("  a question\nof two lines");
	run_until(!w->session->busy);
	assert_string_equal(w->session->row.title, "a question");
	world_submit("another");
	run_until(!w->session->busy);
	assert_string_equal(w->session->row.title, "a question");
	assert_int_equal(w->session->row.writer_count, 1);
	world_reload("s");
	world_submit("once more");
	run_until(!w->session->busy);
	assert_int_equal(w->session->row.writer_count, 1);
	session_submit(w->session,
	    &(struct request_turn){
		.content = "x", .content_len = 1, .client_id = "c", .writer_id = "v", .mode = "do"},
	    on_submitted, &told);
	run_until(told.times && !w->session->busy);
	assert_int_equal(w->session->row.writer_count, 2);
}

static void submits_are_accepted_in_the_order_they_came(void **state)
{
	struct submitted told[4] = {0};

	w->fake.mood = FAKE_WAITS;
	world_session("s");
	/* The first looks into the database, the others must not overtake it. */
	SUBMIT(w->session, "1", &told[0], .idempotency_key = "k1");
	SUBMIT(w->session, "2", &told[1]);
	SUBMIT(w->session, "3", &told[2], .idempotency_key = "k3");
	SUBMIT(w->session, "4", &told[3]);
	run_until(told[0].times && told[1].times && told[2].times && told[3].times);
	for (unsigned i = 0; i < 4; i++) {
		char content[32];

		snprintf(content, sizeof content, "\"content\":\"%u\"", i + 1);
		assert_int_equal(told[i].error, API_OK);
		assert_holds(world_payload(2 + i), content);
		assert_holds(world_payload(2 + i), told[i].turn_id);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    with_world(accepted_means_durable),
	    with_world(the_same_key_is_the_same_turn_also_after_a_reload),
	    with_world(the_same_key_is_not_answered_before_its_turn_is_durable),
	    with_world(the_same_key_of_a_turn_the_disk_refused_is_refused_too_and_free_again),
	    with_world(who_has_not_read_the_last_turn_event_is_told_its_number),
	    with_world(a_turn_the_disk_refused_is_no_event_one_must_have_seen),
	    with_world(only_so_many_sessions_are_busy),
	    with_world(only_so_many_turns_wait),
	    with_world(a_daemon_that_stops_takes_no_turns),
	    with_world(the_first_line_names_the_session_and_writers_are_counted_once),
	    with_world(submits_are_accepted_in_the_order_they_came),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
