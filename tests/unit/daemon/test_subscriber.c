/* daemon/subscriber: whole events, whoever they are of, over a socket that is read slowly. */
#include "daemon/subscriber.h"

#include "base/json.h"
#include "daemon/client.h"

/* Ask for events by SSE. */
static void ask(const char *query)
{
	char path[200];

	snprintf(path, sizeof path, "/v3/sse/events?%s", query);
	client_ask("GET", path);
	run_until(server.subscribers == 1);
}

/* An event of s that carries text, `size` bytes of it at least. */
static void say(struct session *s, const char *text, size_t size)
{
	struct buf payload = {0};

	buf_addf(&payload, "{\"turnId\":\"t\",\"text\":\"%s", text);
	while (payload.len < size)
		buf_adds(
		    &payload, "................................................................");
	buf_adds(&payload, "\"}");
	session_append(s, EVENT_TURN_TOKEN, &payload);
	buf_finish(&payload);
}

static void say_durably(struct session *s, const char *text, size_t size)
{
	say(s, text, size);
	run_until(session_last_seq(s) == log_last(s->log));
}

/* How many whole events came; each must be JSON. */
static size_t events(void)
{
	const char *at = strstr(all(), "\r\n\r\n"), *end;
	size_t n = 0;

	assert_non_null(at);
	while ((at = strstr(at, "\ndata: ")) && (end = strstr(at + 7, "\n\n"))) {
		json_t *root;

		at += 7;
		if (json_parse(at, (size_t)(end - at), &root, NULL) != 0)
			fail_msg("no event: %.200s", at);
		json_decref(root);
		at = end;
		n++;
	}
	return n;
}

static void history_comes_first_then_what_happens(void **state)
{
	world_session("a");
	say_durably(w->session, "before", 0);
	ask("sessionId=a");
	run_until(strstr(all(), "before"));
	say(w->session, "after", 0);
	run_until(strstr(all(), "after"));
	assert_int_equal(events(), 3);
	assert_holds(all(), "\n\nid: 1\ndata: ");
	assert_holds(all(), "\n\nid: 2\ndata: ");
	assert_holds(all(), "\n\nid: 3\ndata: ");
}

static void a_cursor_within_the_log_is_told_what_follows(void **state)
{
	world_session("a");
	say_durably(w->session, "first", 0);
	say_durably(w->session, "second", 0);
	ask("sessionId=a&afterSeq=2");
	run_until(strstr(all(), "second"));
	assert_int_equal(events(), 1);
}

static void a_follower_of_all_gets_what_happens_from_now_on(void **state)
{
	struct session *a = session_ref(world_session("a")), *b = world_session("b");

	ask("");
	say(a, "of a", 0);
	say(b, "of b", 0);
	run_until(strstr(all(), "of a") && strstr(all(), "of b"));
	say(a, "more", 0);
	run_until(strstr(all(), "more"));
	assert_int_equal(events(), 3);
	session_unref(a);
}

static void an_event_is_never_interrupted_by_another_sessions(void **state)
{
	enum { BIG = 1500 * 1000 };
	struct session *a = session_ref(world_session("a")), *b = world_session("b");
	uint64_t deadline = uv_hrtime() + 60000000000ull;

	ask("");
	for (int i = 0; i < 3; i++) {
		say_durably(a, "big a", BIG);
		say_durably(b, "big b", BIG);
		say_durably(b, "small b", 0);
	}
	while (got.len < 6 * BIG && uv_hrtime() < deadline) {
		take(100 * 1000);
		uv_run(&w->loop, UV_RUN_NOWAIT);
	}
	run_until(events() == 9);
	session_unref(a);
}

static void a_client_that_leaves_holds_nothing(void **state)
{
	world_session("a");
	ask("sessionId=a");
	run_until(events() == 1);
	session_unref(w->session);
	w->session = NULL;
	assert_int_equal(w->core->sessions.len, 1);
	close(client);
	client = -1;
	run_until(server.subscribers == 0);
	assert_int_equal(w->core->sessions.len, 0);
}

static void the_stream_of_a_deleted_session_ends(void **state)
{
	struct told told = {0};

	world_session("a");
	ask("sessionId=a");
	run_until(events() == 1);
	session_delete(w->session, on_told, &told);
	run_until(told.times && (all(), closed));
	assert_int_equal(events(), 1);
	assert_int_equal(server.subscribers, 0);
	told_finish(&told);
}

static void a_follower_goes_on_when_a_session_is_deleted_between_events(void **state)
{
	struct session *a = session_ref(world_session("a")), *b = world_session("b");
	struct told told = {0};

	ask("");
	say(a, "of a", 0);
	run_until(strstr(all(), "of a"));
	session_delete(a, on_told, &told);
	run_until(told.times);
	told_finish(&told);
	session_unref(a);
	say(b, "of b", 0);
	run_until(strstr(all(), "of b"));
	assert_int_equal(events(), 2);
}

static void nothing_follows_half_an_event_of_a_deleted_session(void **state)
{
	struct session *a = session_ref(world_session("a")), *b = world_session("b");
	struct told told = {0};
	const char *half;

	ask("");
	say_durably(a, "half", 3000 * 1000);
	/* Nobody reads: the socket is full within the event. */
	for (int i = 0; i < 20; i++)
		uv_run(&w->loop, UV_RUN_NOWAIT);
	session_delete(a, on_told, &told);
	run_until(told.times);
	told_finish(&told);
	session_unref(a);
	say_durably(b, "of b", 0);
	run_until((all(), closed));
	half = strstr(all(), "half");
	assert_non_null(half);
	assert_true(strlen(half) < 3000 * 1000);
	assert_null(strstr(all(), "of b"));
	assert_int_equal(events(), 0);
}

static void what_lies_ready_goes_out_before_the_daemon_stops(void **state)
{
	world_session("a");
	ask("sessionId=a");
	run_until(events() == 1);
	say(w->session, "the last word", 0);
	while (session_last_seq(w->session) == 1)
		uv_run(&w->loop, UV_RUN_NOWAIT);
	server_stop(&server);
	run_until((all(), closed));
	assert_int_equal(events(), 2);
	assert_holds(all(), "the last word");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    with_server(history_comes_first_then_what_happens),
	    with_server(a_cursor_within_the_log_is_told_what_follows),
	    with_server(a_follower_of_all_gets_what_happens_from_now_on),
	    with_server(an_event_is_never_interrupted_by_another_sessions),
	    with_server(a_client_that_leaves_holds_nothing),
	    with_server(the_stream_of_a_deleted_session_ends),
	    with_server(a_follower_goes_on_when_a_session_is_deleted_between_events),
	    with_server(nothing_follows_half_an_event_of_a_deleted_session),
	    with_server(what_lies_ready_goes_out_before_the_daemon_stops),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
