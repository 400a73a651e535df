/* daemon/conn: a client that leaves early, and the gates in their order. */
#include "daemon/conn.h"

#include "daemon/client.h"

/* Until world_let_go nothing is read from the database. */
static void hold_reader(void)
{
	struct store_job *held = mem_zalloc(1, sizeof *held);

	uv_sem_init(&world_held, 0);
	held->run = world_run_held;
	held->done = world_done_full;
	store_read(w->store, held);
}

/* The session "a", not in memory. */
static void stored_session(void)
{
	world_session("a");
	session_unref(w->session);
	w->session = NULL;
	assert_int_equal(w->core->sessions.len, 0);
}

/* Asks, closes its side before the session is loaded, and is seen to be gone when it is. */
static void leaves_early(const char *path)
{
	stored_session();
	hold_reader();
	client_ask("GET", path);
	assert_int_equal(shutdown(client, SHUT_WR), 0);
	for (int i = 0; i < 20; i++)
		uv_run(&w->loop, UV_RUN_NOWAIT);
	assert_int_equal(server.conn_count, 1);
	world_let_go(0);
	run_until(server.conn_count == 0);
	assert_int_equal(server.subscribers, 0);
	assert_int_equal(w->core->sessions.len, 0);
	uv_sem_destroy(&world_held);
}

static void who_closed_its_side_before_a_stream_began_is_gone(void **state)
{
	leaves_early("/v3/sse/events?sessionId=a");
}

static void who_closed_its_side_before_a_poll_began_is_gone(void **state)
{
	leaves_early("/v3/sessions/a/events?afterSeq=1&timeout=60000");
}

static void who_closed_its_side_still_gets_a_plain_answer(void **state)
{
	stored_session();
	hold_reader();
	client_ask("GET", "/v3/sessions/a");
	assert_int_equal(shutdown(client, SHUT_WR), 0);
	for (int i = 0; i < 20; i++)
		uv_run(&w->loop, UV_RUN_NOWAIT);
	world_let_go(0);
	run_until((all(), closed));
	assert_holds(all(), "HTTP/1.1 200");
	assert_holds(all(), "\"id\":\"a\"");
	uv_sem_destroy(&world_held);
}

static void who_left_altogether_is_answered_to_nobody(void **state)
{
	stored_session();
	hold_reader();
	client_ask("GET", "/v3/sessions/a");
	run_until(server.requests == 1);
	server_stop(&server);
	close(client);
	client = -1;
	world_let_go(0);
	run_until(server.conn_count == 0);
	uv_sem_destroy(&world_held);
}

static void a_stranger_learns_nothing(void **state)
{
	/* Neither whether there is such a route, nor such a session. */
	server.auth.token[20] ^= 1;
	client_ask("GET", "/v3/nothing/here");
	server.auth.token[20] ^= 1;
	run_until((all(), closed));
	assert_holds(all(), "HTTP/1.1 401");
	assert_int_equal(server.requests, 0);
}

static void a_friend_is_told_what_there_is(void **state)
{
	client_ask("DELETE", "/v3/health");
	run_until(strstr(all(), "\r\n\r\n"));
	assert_holds(all(), "HTTP/1.1 405");
	assert_int_equal(server.stranger_count, 0);
	assert_int_equal(server.conn_count, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    with_server(who_closed_its_side_before_a_stream_began_is_gone),
	    with_server(who_closed_its_side_before_a_poll_began_is_gone),
	    with_server(who_closed_its_side_still_gets_a_plain_answer),
	    with_server(who_left_altogether_is_answered_to_nobody),
	    with_server(a_stranger_learns_nothing),
	    with_server(a_friend_is_told_what_there_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
