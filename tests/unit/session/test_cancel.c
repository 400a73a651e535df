/* session/cancel: the running turn, waiting ones, none; and the daemon's interrupt. */
#include "session/session.h"

#include "session/world.h"

struct cancelled {
	unsigned times;
	struct cancel_result result;
	uint64_t durable; /* the log's end at that moment */
};

static void on_cancelled(void *data, const struct cancel_result *r)
{
	struct cancelled *c = data;

	c->times++;
	c->result = *r;
	c->durable = session_last_seq(w->session);
}

static void nothing_to_cancel_is_said_at_once(void **state)
{
	struct cancelled told = {0};

	world_session("s");
	session_cancel(w->session, &(struct request_cancel){0}, on_cancelled, &told);
	assert_int_equal(told.times, 1);
	assert_int_equal(told.result.error, API_OK);
	assert_int_equal(told.result.queued, 0);
	assert_false(told.result.active);
	assert_int_equal(log_last(w->session->log), 1);
}

static void an_unknown_turn_and_an_unknown_writer_cancel_nothing(void **state)
{
	struct cancelled turn = {0}, writer = {0};

	w->fake.mood = FAKE_WAITS;
	world_session("s");
	world_submit("hello");
	run_until(w->fake.stream);
	session_cancel(
	    w->session, &(struct request_cancel){.turn_id = "turn_x"}, on_cancelled, &turn);
	session_cancel(
	    w->session, &(struct request_cancel){.writer_id = "v"}, on_cancelled, &writer);
	assert_int_equal(turn.times + writer.times, 2);
	assert_false(turn.result.active || writer.result.active);
	fake_go_on();
	run_until(!w->session->busy);
	assert_int_equal(session_last_seq(w->session), 7);
}

static void a_running_turn_is_cancelled_within_its_answer(void **state)
{
	struct cancelled told = {0};
	struct submitted turn;
	struct buf out = {0};

	w->fake.mood = FAKE_WAITS;
	world_session("s");
	turn = world_submit("hello");
	run_until(session_last_seq(w->session) == 4);
	session_cancel(
	    w->session, &(struct request_cancel){.turn_id = turn.turn_id}, on_cancelled, &told);
	/* It is said once the stop event is durable. */
	assert_int_equal(told.times, 0);
	run_until(told.times);
	assert_true(told.result.active);
	assert_int_equal(told.result.queued, 0);
	assert_int_equal(told.durable, 5);
	assert_string_equal(
	    world_events(2, &out), "turn.queued turn.start turn.token session.cancelled ");
	assert_holds(world_payload(5), turn.turn_id);
	assert_holds(world_payload(5), "\"cancelled\":1,");
	run_until(w->fake.cut && !w->session->busy);
	assert_int_equal(w->session->row.message_count, 2);
	buf_finish(&out);
}

static void a_turn_is_cancelled_once(void **state)
{
	struct cancelled first = {0}, second = {0};
	struct buf out = {0};

	w->fake.mood = FAKE_WAITS;
	world_session("s");
	world_submit("hello");
	run_until(session_last_seq(w->session) == 4);
	session_cancel(w->session, &(struct request_cancel){0}, on_cancelled, &first);
	session_cancel(w->session, &(struct request_cancel){0}, on_cancelled, &second);
	run_until(first.times && second.times && !w->session->busy);
	assert_true(first.result.active);
	assert_false(second.result.active);
	assert_string_equal(world_events(4, &out), "turn.token session.cancelled ");
	buf_finish(&out);
}

static void waiting_turns_go_and_the_others_keep_their_place(void **state)
{
	struct submitted told = {0}, third;
	struct cancelled cancelled = {0};
	struct buf out = {0};

	w->fake.mood = FAKE_WAITS;
	world_session("s");
	world_submit("runs");
	run_until(w->fake.stream);
	session_submit(w->session,
	    &(struct request_turn){
		.content = "x", .content_len = 1, .client_id = "c", .writer_id = "v", .mode = "do"},
	    on_submitted, &told);
	run_until(told.times);
	third = world_submit("waits");
	session_cancel(
	    w->session, &(struct request_cancel){.writer_id = "v"}, on_cancelled, &cancelled);
	assert_int_equal(w->session->queued, 1);
	run_until(cancelled.times);
	assert_false(cancelled.result.active);
	assert_int_equal(cancelled.result.queued, 1);
	w->fake.mood = FAKE_ANSWERS;
	fake_go_on();
	run_until(!w->session->busy);
	assert_int_equal(w->fake.asked, 2);
	assert_holds(world_payload(session_last_seq(w->session)), third.turn_id);
	/* A turn that never began leaves nothing in the history. */
	assert_int_equal(w->session->row.message_count, 4);
	buf_finish(&out);
}

static void one_event_ends_all_of_them(void **state)
{
	struct cancelled told = {0};
	struct submitted a, b;
	uint64_t last;

	w->fake.mood = FAKE_WAITS;
	world_session("s");
	a = world_submit("runs");
	run_until(w->fake.stream && session_last_seq(w->session) == 4);
	b = world_submit("waits");
	last = session_last_seq(w->session);
	session_cancel(w->session, &(struct request_cancel){0}, on_cancelled, &told);
	run_until(told.times && !w->session->busy);
	assert_true(told.result.active);
	assert_int_equal(told.result.queued, 1);
	assert_int_equal(session_last_seq(w->session), last + 1);
	assert_holds(world_payload(last + 1), "\"cancelled\":2,");
	assert_holds(world_payload(last + 1), a.turn_id);
	assert_holds(world_payload(last + 1), b.turn_id);
	assert_int_equal(w->core->queued_turns, 0);
}

static void a_turn_that_is_still_being_accepted_is_cancelled_and_its_client_told_the_id(
    void **state)
{
	struct submitted turn = {0};
	struct cancelled told = {0};
	struct buf out = {0};

	world_session("s");
	world_submit("so that the writer is known");
	run_until(!w->session->busy);
	SUBMIT(w->session, "hello", &turn);
	session_cancel(w->session, &(struct request_cancel){0}, on_cancelled, &told);
	run_until(told.times && turn.times && !w->session->busy);
	assert_int_equal(turn.error, API_OK);
	assert_int_equal(told.result.queued, 1);
	assert_string_equal(world_events(8, &out), "turn.queued session.cancelled ");
	assert_holds(world_payload(9), turn.turn_id);
	assert_int_equal(w->fake.asked, 1);
	buf_finish(&out);
}

static void an_interrupt_ends_each_waiting_turn_with_an_event_of_its_own(void **state)
{
	struct buf out = {0};

	w->fake.mood = FAKE_WAITS;
	world_session("s");
	world_submit("runs");
	run_until(w->fake.stream && session_last_seq(w->session) == 4);
	world_submit("waits");
	world_submit("waits, too");
	session_interrupt(w->session, false);
	run_until(session_last_seq(w->session) == 8);
	assert_string_equal(
	    world_events(5, &out), "turn.queued turn.queued turn.error turn.error ");
	assert_holds(world_payload(7), "\"code\":\"interrupted\"");
	assert_int_equal(w->core->active_turns, 1);
	fake_go_on();
	run_until(!w->session->busy);
	assert_string_equal(world_events(9, &out), "turn.token turn.token turn.done ");
	buf_finish(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    with_world(nothing_to_cancel_is_said_at_once),
	    with_world(an_unknown_turn_and_an_unknown_writer_cancel_nothing),
	    with_world(a_running_turn_is_cancelled_within_its_answer),
	    with_world(a_turn_is_cancelled_once),
	    with_world(waiting_turns_go_and_the_others_keep_their_place),
	    with_world(one_event_ends_all_of_them),
	    with_world(a_turn_that_is_still_being_accepted_is_cancelled_and_its_client_told_the_id),
	    with_world(an_interrupt_ends_each_waiting_turn_with_an_event_of_its_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
