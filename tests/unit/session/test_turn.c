/* session/turn: from the user's words to the stop event, with a model server in the process. */
#include "session/turn.h"

#include "base/json.h"
#include "session/world.h"

static void a_turn_is_queued_started_answered_and_done(void **state)
{
	struct buf out = {0};

	world_session("s");
	world_submit("say it");
	run_until(!w->session->busy);
	assert_string_equal(world_events(2, &out),
	    "turn.queued turn.start turn.token turn.token turn.token turn.done ");
	assert_holds(world_payload(2), "\"content\":\"say it\"");
	assert_holds(world_payload(3), "\"model\":\"fake\"");
	assert_holds(world_payload(4), "\"text\":\"one \"");
	assert_holds(world_payload(6), "\"text\":\"three\"");
	assert_holds(world_payload(7), "\"finishReason\":\"stop\"");
	buf_finish(&out);
}

static void on_text(void *data, enum api_error error, struct buf *json)
{
	struct buf *out = data;

	assert_int_equal(error, API_OK);
	buf_add(out, json->p, json->len);
}

static void question_and_answer_are_what_the_next_turn_is_asked_with(void **state)
{
	struct buf out = {0};

	world_session("s");
	world_submit("first words");
	run_until(!w->session->busy);
	assert_int_equal(w->session->row.message_count, 2);
	world_submit("second words");
	run_until(!w->session->busy);
	assert_int_equal(w->fake.asked, 2);
	assert_holds(
	    buf_cstr(&w->fake.question), "{\"role\":\"user\",\"content\":\"first words\"}");
	assert_holds(
	    buf_cstr(&w->fake.question), "{\"role\":\"assistant\",\"content\":\"one two three\"}");
	assert_holds(buf_cstr(&w->fake.question), "second words");
	roster_messages(w->session, on_text, &out);
	run_until(out.len);
	assert_holds(buf_cstr(&out), "second words");
	buf_finish(&out);
}

static void without_a_websocket_the_client_is_told_and_the_session_remembers(void **state)
{
	struct told told = {0};
	struct buf out = {0};

	roster_create(w->core, &(struct request_session){.session_id = "ws"}, on_told, &told);
	run_until(told.times);
	w->session = told.session;
	world_submit("hello");
	run_until(!w->session->busy);
	assert_string_equal(world_events(2, &out),
	    "turn.queued turn.start turn.progress turn.token turn.token turn.token turn.done ");
	assert_holds(world_payload(4), "lmx.fallback_sse");
	assert_true(core_lacks_ws(w->core, "ws"));
	assert_holds(buf_cstr(&w->notices), "session ws uses SSE");
	buf_finish(&out);
}

static void ends_with_error(enum fake_mood mood, const char *events, const char *code)
{
	struct buf out = {0};

	w->fake.mood = mood;
	world_session("s");
	world_submit("hello");
	run_until(!w->session->busy);
	assert_string_equal(world_events(2, &out), events);
	assert_holds(world_payload(session_last_seq(w->session)), code);
	assert_int_equal(w->core->active_turns, 0);
	/* The words stay, there is no answer. */
	assert_int_equal(w->session->row.message_count, 1);
	buf_finish(&out);
}

static void a_refusal_of_the_model_server_is_a_model_error(void **state)
{
	ends_with_error(
	    FAKE_REFUSES, "turn.queued turn.start turn.error ", "\"code\":\"model-error\"");
	assert_holds(world_payload(session_last_seq(w->session)), "not like this");
}

static void a_server_without_a_model_is_told_apart(void **state)
{
	ends_with_error(
	    FAKE_EMPTY, "turn.queued turn.start turn.error ", "\"code\":\"no-model-loaded\"");
	assert_holds(buf_cstr(&w->notices), "lmx preflight failed");
}

static void a_server_that_is_not_there_is_unreachable(void **state)
{
	listener_close(w->fake.listener);
	w->fake.listener = NULL;
	ends_with_error(
	    FAKE_ANSWERS, "turn.queued turn.start turn.error ", "\"code\":\"LMX_UNREACHABLE\"");
}

static void settings_that_lose_the_server_while_it_is_asked_end_the_turn(void **state)
{
	ends_with_error(
	    FAKE_CHANGES, "turn.queued turn.start turn.error ", "\"code\":\"LMX_UNREACHABLE\"");
}

static void silence_ends_a_turn(void **state)
{
	assert_int_equal(config_set(w->config, "model.firstTokenTimeoutMs", "1000", NULL), 0);
	ends_with_error(
	    FAKE_SILENT, "turn.queued turn.start turn.error ", "\"code\":\"lmx-timeout\"");
	run_until(w->fake.cut);
}

static void what_was_said_before_the_server_left_stays(void **state)
{
	struct buf out = {0};

	w->fake.mood = FAKE_WAITS;
	world_session("s");
	world_submit("hello");
	run_until(w->fake.stream && session_last_seq(w->session) == 4);
	/* It is asked to go on, once. */
	for (uint64_t seq = 5; seq <= 6; seq++) {
		http_conn_close(w->fake.stream->http);
		fake_free(w->fake.stream);
		w->fake.stream = NULL;
		run_until(seq == 6 || (w->fake.stream && session_last_seq(w->session) == seq));
	}
	run_until(!w->session->busy);
	assert_string_equal(world_events(2, &out),
	    "turn.queued turn.start turn.token turn.progress turn.token turn.error ");
	assert_holds(world_payload(5), "lmx.continued");
	assert_holds(world_payload(7), "LMX_UNREACHABLE");
	assert_int_equal(w->session->row.message_count, 2);
	buf_finish(&out);
}

static void the_daemons_stop_interrupts_within_the_answer_and_drops_the_server(void **state)
{
	struct buf out = {0};

	w->fake.mood = FAKE_WAITS;
	world_session("s");
	world_submit("hello");
	run_until(session_last_seq(w->session) == 4);
	core_interrupt(w->core);
	run_until(!w->session->busy);
	assert_string_equal(world_events(2, &out), "turn.queued turn.start turn.token turn.error ");
	assert_holds(world_payload(5), "\"code\":\"interrupted\"");
	run_until(w->fake.cut);
	buf_finish(&out);
}

static void turns_of_one_session_run_one_after_another_in_order(void **state)
{
	struct submitted first, second;
	struct buf out = {0};

	w->fake.mood = FAKE_WAITS;
	world_session("s");
	first = world_submit("first");
	second = world_submit("second");
	assert_int_equal(second.queued, 1);
	run_until(w->fake.stream);
	assert_int_equal(w->core->active_turns, 1);
	assert_int_equal(w->core->queued_turns, 1);
	w->fake.mood = FAKE_ANSWERS;
	fake_go_on();
	run_until(!w->session->busy);
	assert_string_equal(strstr(world_events(2, &out), "turn.done"),
	    "turn.done turn.start turn.token turn.token turn.token turn.done ");
	assert_holds(world_payload(session_last_seq(w->session)), second.turn_id);
	assert_holds(world_payload(session_last_seq(w->session) - 5), first.turn_id);
	assert_int_equal(w->fake.asked, 2);
	buf_finish(&out);
}

static void turns_of_two_sessions_run_side_by_side(void **state)
{
	struct submitted told = {0};
	struct session *other;

	w->fake.mood = FAKE_WAITS;
	other = session_ref(world_session("a"));
	SUBMIT(other, "in a", &told);
	run_until(told.times);
	world_session("b");
	world_submit("in b");
	run_until(w->fake.asked == 2);
	assert_int_equal(w->core->active_turns, 2);
	core_interrupt(w->core);
	run_until(w->core->busy == 0);
	assert_int_equal(w->core->active_turns, 0);
	session_unref(other);
}

static void a_full_disk_ends_the_turn_and_its_error_is_kept(void **state)
{
	struct buf out = {0};

	w->fake.mood = FAKE_WAITS;
	world_session("s");
	world_submit("hello");
	run_until(session_last_seq(w->session) == 4);
	fake_say(w->fake.stream, "lost");
	while (log_last(w->session->log) == 4)
		uv_run(&w->loop, UV_RUN_NOWAIT);
	/* Appended, and not yet with the writer. */
	world_fail_batch();
	run_until(!w->session->busy);
	assert_string_equal(world_events(2, &out), "turn.queued turn.start turn.token turn.error ");
	assert_holds(world_payload(5), "\"code\":\"storage-full\"");
	run_until(w->fake.cut);
	/* What was durable of the turn is in the history. */
	assert_int_equal(w->session->row.message_count, 2);
	/* The session goes on. */
	w->fake.mood = FAKE_ANSWERS;
	world_submit("again");
	run_until(!w->session->busy);
	assert_string_equal(strstr(world_events(6, &out), "turn.done"), "turn.done ");
	buf_finish(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    with_world(a_turn_is_queued_started_answered_and_done),
	    with_world(question_and_answer_are_what_the_next_turn_is_asked_with),
	    with_world(without_a_websocket_the_client_is_told_and_the_session_remembers),
	    with_world(a_refusal_of_the_model_server_is_a_model_error),
	    with_world(a_server_without_a_model_is_told_apart),
	    with_world(a_server_that_is_not_there_is_unreachable),
	    with_world(settings_that_lose_the_server_while_it_is_asked_end_the_turn),
	    with_world(silence_ends_a_turn),
	    with_world(what_was_said_before_the_server_left_stays),
	    with_world(the_daemons_stop_interrupts_within_the_answer_and_drops_the_server),
	    with_world(turns_of_one_session_run_one_after_another_in_order),
	    with_world(turns_of_two_sessions_run_side_by_side),
	    with_world(a_full_disk_ends_the_turn_and_its_error_is_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
