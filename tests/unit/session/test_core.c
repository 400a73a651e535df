/* session/core: the stop, the counts, what is remembered of the model server. */
#include "session/core.h"

#include "session/world.h"

static void on_stopped(void *data)
{
	++*(unsigned *)data;
}

static void with_nothing_running_the_stop_is_over_at_once(void **state)
{
	unsigned stopped = 0;

	world_session("s");
	core_stop(w->core, 1000, on_stopped, &stopped);
	assert_int_equal(stopped, 1);
}

static void within_the_grace_a_running_turn_goes_on_and_waiting_ones_end(void **state)
{
	unsigned stopped = 0;
	struct buf out = {0};

	w->fake.mood = FAKE_WAITS;
	world_session("s");
	world_submit("runs");
	run_until(w->fake.stream && session_last_seq(w->session) == 4);
	world_submit("waits");
	core_stop(w->core, 10000, on_stopped, &stopped);
	run_until(session_last_seq(w->session) == 6);
	assert_int_equal(stopped, 0);
	fake_go_on();
	run_until(stopped);
	assert_string_equal(
	    world_events(5, &out), "turn.queued turn.error turn.token turn.token turn.done ");
	for (int i = 0; i < 10; i++)
		uv_run(&w->loop, UV_RUN_NOWAIT);
	assert_int_equal(stopped, 1);
	buf_finish(&out);
}

static void the_stop_waits_for_the_stop_event_to_be_durable(void **state)
{
	unsigned stopped = 0;

	w->fake.mood = FAKE_WAITS;
	world_session("s");
	world_submit("runs");
	run_until(w->fake.stream && session_last_seq(w->session) == 4);
	core_stop(w->core, 10000, on_stopped, &stopped);
	core_interrupt(w->core);
	assert_int_equal(stopped, 0);
	assert_int_equal(log_last(w->session->log), 5);
	run_until(stopped);
	assert_int_equal(session_last_seq(w->session), 5);
}

static void sessions_nobody_holds_end_with_their_turns(void **state)
{
	unsigned stopped = 0;

	w->fake.mood = FAKE_WAITS;
	for (int i = 0; i < 3; i++) {
		char id[16];

		snprintf(id, sizeof id, "s%d", i);
		world_session(id);
		world_submit("runs");
		world_submit("waits");
	}
	session_unref(w->session);
	w->session = NULL;
	assert_int_equal(w->core->sessions.len, 3);
	assert_int_equal(w->core->busy, 3);
	core_stop(w->core, 0, on_stopped, &stopped);
	run_until(stopped);
	run_until(w->core->sessions.len == 0);
	assert_int_equal(w->core->active_turns + w->core->queued_turns, 0);
}

static void what_is_counted_outlives_the_daemon(void **state)
{
	struct core_latency latency;
	struct core_counts counts;

	world_session("s");
	world_submit("hello");
	core_counts(w->core, &counts);
	assert_int_equal(counts.sessions, 1);
	assert_int_equal(counts.turns, 1);
	run_until(!w->session->busy);
	core_counts(w->core, &counts);
	assert_int_equal(counts.events, 7);
	assert_int_equal(counts.active_turns + counts.queued_turns, 0);
	core_latency(w->core, &latency);
	assert_true(latency.samples > 0);
	assert_true(latency.p50_us <= latency.p99_us);
	world_close();
	world_open();
	core_counts(w->core, &counts);
	assert_int_equal(counts.sessions, 1);
	assert_int_equal(counts.turns, 1);
	assert_int_equal(counts.events, 0);
}

static void another_model_server_is_asked_for_a_websocket_again(void **state)
{
	core_note_no_ws(w->core, "s");
	core_note_no_ws(w->core, "s");
	assert_true(core_lacks_ws(w->core, "s"));
	assert_false(core_lacks_ws(w->core, "t"));
	/* The same settings again are no change. */
	core_configure(w->core, w->config);
	assert_true(core_lacks_ws(w->core, "s"));
	assert_int_equal(config_set(w->config, "connection.host", "localhost", NULL), 0);
	core_configure(w->core, w->config);
	assert_false(core_lacks_ws(w->core, "s"));
	core_note_no_ws(w->core, "t");
	assert_true(core_lacks_ws(w->core, "t"));
	assert_false(core_lacks_ws(w->core, "s"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    with_world(with_nothing_running_the_stop_is_over_at_once),
	    with_world(within_the_grace_a_running_turn_goes_on_and_waiting_ones_end),
	    with_world(the_stop_waits_for_the_stop_event_to_be_durable),
	    with_world(sessions_nobody_holds_end_with_their_turns),
	    with_world(what_is_counted_outlives_the_daemon),
	    with_world(another_model_server_is_asked_for_a_websocket_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
