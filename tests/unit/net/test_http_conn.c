/* net/http_conn: a server's connections, request by request. */
#include "loop.h"

#include "net/http_conn.h"
#include "net/stream.h"

enum how { AT_ONCE, LATER, CLOSE_IN_HEAD, FINISH_IN_HEAD, SWITCH, STREAM };

struct server {
	struct http_conn *conn;
	int peer;
	enum how how;
	struct buf log, raw, got; /* what was asked, after a switch, what the peer was told */
	unsigned requests, gone, bad, timers;
	bool too_large, keep_alive;
	const char *reason;
};

static enum http_verdict on_head(void *data, const struct http_head *head)
{
	struct server *s = data;
	struct http_reply no = {.status = 403, .close = true};

	buf_addf(&s->log, "%.*s %.*s;", (int)head->method.n, head->method.p, (int)head->target.n,
	    head->target.p);
	s->keep_alive = http_conn_keep_alive(s->conn);
	switch (s->how) {
	case CLOSE_IN_HEAD:
		http_conn_close(s->conn);
		return HTTP_STOP;
	case FINISH_IN_HEAD:
		http_conn_reply(s->conn, &no, "no", 2);
		http_conn_finish(s->conn);
		return HTTP_STOP;
	case SWITCH:
		http_conn_send(s->conn, "HTTP/1.1 101 X\r\n\r\n", 18);
		http_conn_timer(s->conn, 10);
		return HTTP_SWITCH;
	default:
		return HTTP_GO_ON;
	}
}

static bool on_body(void *data, const char *p, size_t n)
{
	buf_add(&((struct server *)data)->log, p, n);
	return true;
}

static void answer(struct server *s)
{
	struct http_reply ok = {.status = 200};
	char body[20];
	int n = snprintf(body, sizeof body, "answer %u.", s->requests);

	http_conn_reply(s->conn, &ok, body, (size_t)n);
	http_conn_next(s->conn);
}

static void on_request(void *data)
{
	struct server *s = data;

	s->requests++;
	buf_addc(&s->log, '|');
	if (s->how == AT_ONCE)
		answer(s);
	if (s->how == STREAM)
		http_conn_streaming(s->conn, false);
}

static void on_bad(void *data, const char *reason, bool too_large)
{
	struct server *s = data;
	struct http_reply bad = {.status = 400};

	s->bad++;
	s->reason = reason;
	s->too_large = too_large;
	http_conn_reply(s->conn, &bad, "bad", 3);
	http_conn_finish(s->conn);
}

static void on_raw(void *data, const char *p, size_t n)
{
	buf_add(&((struct server *)data)->raw, p, n);
}

static void on_writable(void *data)
{
}

static void on_timer(void *data)
{
	((struct server *)data)->timers++;
}

static void on_gone(void *data)
{
	struct server *s = data;

	s->gone++;
	http_conn_close(s->conn);
	s->conn = NULL;
}

static const struct http_conn_ops ops = {.on_head = on_head,
    .on_body = on_body,
    .on_request = on_request,
    .on_bad = on_bad,
    .on_raw = on_raw,
    .on_writable = on_writable,
    .on_timer = on_timer,
    .on_gone = on_gone};

static void start(struct server *s, enum how how)
{
	int ours;

	*s = (struct server){.how = how};
	plain_pair(&ours, &s->peer);
	s->conn = http_conn_new(&loop, ours, &ops, s);
	assert_non_null(s->conn);
}

/* The peer's side closed, ours seen to be gone. */
static void stop(struct server *s)
{
	if (s->peer >= 0)
		close(s->peer);
	http_conn_close(s->conn);
	buf_finish(&s->log);
	buf_finish(&s->raw);
	buf_finish(&s->got);
}

static bool closed(struct server *s)
{
	return !plain_take(s->peer, &s->got);
}

static void requests_that_come_together_are_answered_one_after_another(void **state)
{
	static const char three[] = "GET /1 HTTP/1.1\r\nHost: x\r\n\r\n"
				    "POST /2 HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody"
				    "GET /3 HTTP/1.1\r\nHost: x\r\n\r\n";
	struct server s;

	start(&s, AT_ONCE);
	plain_send(s.peer, three);
	turn_until(plain_got(s.peer, &s.got, "answer 3."));
	assert_string_equal(buf_cstr(&s.log), "GET /1;|POST /2;body|GET /3;|");
	stop(&s);
	/* The same cut at every byte. */
	start(&s, AT_ONCE);
	for (const char *p = three; *p; p++) {
		assert_int_equal(send(s.peer, p, 1, 0), 1);
		uv_run(&loop, UV_RUN_NOWAIT);
	}
	turn_until(plain_got(s.peer, &s.got, "answer 3."));
	assert_string_equal(buf_cstr(&s.log), "GET /1;|POST /2;body|GET /3;|");
	stop(&s);
}

static void the_next_request_waits_until_this_one_is_answered(void **state)
{
	struct server s;

	start(&s, LATER);
	plain_send(s.peer, "GET /1 HTTP/1.1\r\nHost: x\r\n\r\nGET /2 HTTP/1.1\r\nHost: x\r\n\r\n");
	turn_until(s.requests == 1);
	plain_send(s.peer, "GET /3 HTTP/1.1\r\nHost: x\r\n\r\n");
	turn_a_while();
	assert_string_equal(buf_cstr(&s.log), "GET /1;|");
	answer(&s);
	assert_string_equal(buf_cstr(&s.log), "GET /1;|GET /2;|");
	answer(&s);
	assert_string_equal(buf_cstr(&s.log), "GET /1;|GET /2;|GET /3;|");
	answer(&s);
	turn_until(plain_got(s.peer, &s.got, "answer 3."));
	stop(&s);
}

static void one_who_sends_on_and_on_is_read_no_further(void **state)
{
	static char block[65536];
	struct server s;
	size_t sent = 0;
	ssize_t n;

	start(&s, LATER);
	plain_send(s.peer, "GET /1 HTTP/1.1\r\nHost: x\r\n\r\n");
	turn_until(s.requests == 1);
	memset(block, 'x', sizeof block);
	/* Until the kernel takes no more, though the loop goes on reading what it reads. */
	for (int full = 0; full < 20;) {
		n = send(s.peer, block, sizeof block, MSG_DONTWAIT | MSG_NOSIGNAL);
		full = n < 0 ? full + 1 : 0;
		sent += n > 0 ? (size_t)n : 0;
		assert_true(sent < 256u * 1024 * 1024);
		uv_run(&loop, UV_RUN_ONCE);
	}
	assert_int_equal(s.gone, 0);
	assert_int_equal(s.bad, 0);
	/* Heard again once the answer is there: it is no HTTP. */
	answer(&s);
	assert_int_equal(s.bad, 1);
	stop(&s);
}

/* More than a socket takes at once. */
static void answer_large(struct server *s)
{
	enum { SIZE = 16 * 1024 * 1024 };
	struct http_reply ok = {.status = 200};
	char *body = calloc(1, SIZE);

	assert_non_null(body);
	http_conn_reply(s->conn, &ok, body, SIZE);
	free(body);
	http_conn_next(s->conn);
}

static void the_next_request_waits_until_the_answer_was_taken(void **state)
{
	struct server s;

	start(&s, LATER);
	plain_send(s.peer, "GET /1 HTTP/1.1\r\nHost: x\r\n\r\nGET /2 HTTP/1.1\r\nHost: x\r\n\r\n");
	turn_until(s.requests == 1);
	answer_large(&s);
	turn_a_while();
	assert_int_equal(s.requests, 1);
	turn_until((plain_take(s.peer, &s.got), s.requests == 2));
	assert_int_equal(s.gone, 0);
	stop(&s);
}

static void a_client_that_closed_its_side_gets_all_of_a_large_answer(void **state)
{
	struct server s;

	start(&s, LATER);
	plain_send(s.peer, "GET /1 HTTP/1.1\r\nHost: x\r\n\r\n");
	shutdown(s.peer, SHUT_WR);
	turn_until(s.requests == 1);
	answer_large(&s);
	turn_until((closed(&s), s.gone));
	closed(&s);
	assert_true(s.got.len > 16 * 1024 * 1024);
	stop(&s);
}

static void a_client_that_closed_its_side_is_answered(void **state)
{
	struct server s;

	start(&s, LATER);
	plain_send(s.peer, "GET /1 HTTP/1.1\r\nHost: x\r\n\r\n");
	shutdown(s.peer, SHUT_WR);
	turn_until(s.requests == 1);
	turn_a_while();
	assert_int_equal(s.gone, 0);
	answer(&s);
	turn_until(closed(&s));
	assert_holds(buf_cstr(&s.got), "answer 1.");
	turn_until(s.gone);
	stop(&s);
}

static void a_client_that_closed_its_side_is_gone_when_the_answer_goes_on(void **state)
{
	struct server s;

	start(&s, STREAM);
	plain_send(s.peer, "GET /1 HTTP/1.1\r\nHost: x\r\n\r\n");
	turn_until(s.requests == 1);
	shutdown(s.peer, SHUT_WR);
	turn_until(s.gone);
	turn_a_while();
	assert_int_equal(s.gone, 1);
	stop(&s);
}

static void a_peer_gone_within_a_request_is_told_once(void **state)
{
	struct server s;

	start(&s, AT_ONCE);
	plain_send(s.peer, "POST /1 HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nhalf");
	plain_reset(s.peer);
	s.peer = -1;
	turn_until(s.gone);
	turn_a_while();
	assert_int_equal(s.gone, 1);
	assert_int_equal(s.requests, 0);
	assert_string_equal(buf_cstr(&s.log), "POST /1;half");
	stop(&s);
}

static void without_keep_alive_the_connection_ends_after_the_answer(void **state)
{
	struct server s;

	start(&s, AT_ONCE);
	plain_send(s.peer, "GET /1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
			   "GET /2 HTTP/1.1\r\nHost: x\r\n\r\n");
	turn_until(closed(&s));
	assert_false(s.keep_alive);
	assert_holds(buf_cstr(&s.got), "Connection: close\r\n");
	assert_holds(buf_cstr(&s.got), "answer 1.");
	assert_int_equal(s.requests, 1);
	s.conn = NULL; /* it frees itself */
	stop(&s);
}

static void what_is_no_http_is_told_and_answered(void **state)
{
	struct server s;
	struct buf large = {0};

	start(&s, AT_ONCE);
	plain_send(s.peer, "this is no HTTP\r\n\r\n");
	turn_until(closed(&s));
	assert_int_equal(s.bad, 1);
	assert_non_null(s.reason);
	assert_false(s.too_large);
	assert_holds(buf_cstr(&s.got), "HTTP/1.1 400 ");
	s.conn = NULL;
	stop(&s);

	start(&s, AT_ONCE);
	buf_adds(&large, "GET / HTTP/1.1\r\nX: ");
	for (int i = 0; i < HTTP_MAX_HEAD; i++)
		buf_addc(&large, 'x');
	buf_adds(&large, "\r\n\r\n");
	plain_send(s.peer, buf_cstr(&large));
	turn_until(s.bad);
	assert_true(s.too_large);
	/* It is still talking to us: the answer must not be lost to a reset. */
	turn_until(plain_got(s.peer, &s.got, "HTTP/1.1 400 "));
	s.conn = NULL;
	stop(&s);
	buf_finish(&large);
}

static void a_connection_may_be_closed_or_finished_in_any_callback(void **state)
{
	struct server s;

	start(&s, CLOSE_IN_HEAD);
	plain_send(s.peer, "POST /1 HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbodyGET");
	turn_until(closed(&s));
	assert_string_equal(buf_cstr(&s.log), "POST /1;");
	assert_int_equal(s.gone, 0);
	s.conn = NULL;
	stop(&s);

	start(&s, FINISH_IN_HEAD);
	plain_send(s.peer, "POST /1 HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbodyGET");
	turn_until(closed(&s));
	assert_string_equal(buf_cstr(&s.log), "POST /1;");
	assert_holds(buf_cstr(&s.got), "HTTP/1.1 403 ");
	assert_int_equal(s.gone, 0);
	s.conn = NULL;
	stop(&s);
	http_conn_close(NULL);
	http_conn_finish(NULL);
}

static void what_is_queued_is_sent_before_a_finished_one_closes(void **state)
{
	enum { SIZE = 2 * 1024 * 1024 };
	struct http_reply ok = {.status = 200, .close = true};
	struct server s;
	char *body = calloc(1, SIZE);

	assert_non_null(body);
	start(&s, LATER);
	plain_send(s.peer, "GET /1 HTTP/1.1\r\nHost: x\r\n\r\n");
	turn_until(s.requests == 1);
	stream_bound_kernel(http_conn_stream(s.conn), 16384);
	http_conn_reply(s.conn, &ok, body, SIZE);
	assert_true(stream_queued(http_conn_stream(s.conn)) > 0);
	http_conn_next(s.conn);
	turn_until(closed(&s));
	assert_true(s.got.len > SIZE);
	assert_int_equal(s.gone, 0);
	s.conn = NULL;
	stop(&s);
	free(body);
}

static void after_a_switch_the_bytes_and_the_timer_are_the_owners(void **state)
{
	struct server s;

	start(&s, SWITCH);
	/* Bytes of the new protocol may come with the head. */
	plain_send(s.peer, "GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n"
			   "Upgrade: websocket\r\n\r\nraw1");
	turn_until(s.raw.len == 4);
	turn_until(s.timers == 1);
	http_conn_read(s.conn, false);
	plain_send(s.peer, "raw2");
	turn_a_while();
	assert_int_equal(s.raw.len, 4);
	http_conn_read(s.conn, true);
	turn_until(s.raw.len == 8);
	assert_string_equal(buf_cstr(&s.raw), "raw1raw2");
	assert_int_equal(s.requests, 0);
	assert_int_equal(s.timers, 1);
	close(s.peer);
	s.peer = -1;
	turn_until(s.gone);
	stop(&s);
}

static void the_owners_timer_is_the_last_one_set(void **state)
{
	struct server s;
	uint64_t begun;

	start(&s, SWITCH);
	plain_send(s.peer, "GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n"
			   "Upgrade: websocket\r\n\r\n");
	turn_until(s.timers == 1);
	/* Later than before, sooner than before, not at all. */
	begun = uv_now(&loop);
	http_conn_timer(s.conn, 1);
	http_conn_timer(s.conn, 50);
	turn_until(s.timers == 2);
	assert_true(uv_now(&loop) - begun >= 50);
	http_conn_timer(s.conn, HTTP_CONN_IDLE_MS);
	http_conn_timer(s.conn, 5);
	turn_until(s.timers == 3);
	http_conn_timer(s.conn, 1);
	http_conn_timer(s.conn, 0);
	turn_a_while();
	assert_int_equal(s.timers, 3);
	stop(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    on_loop(the_owners_timer_is_the_last_one_set),
	    on_loop(requests_that_come_together_are_answered_one_after_another),
	    on_loop(the_next_request_waits_until_this_one_is_answered),
	    on_loop(one_who_sends_on_and_on_is_read_no_further),
	    on_loop(the_next_request_waits_until_the_answer_was_taken),
	    on_loop(a_client_that_closed_its_side_gets_all_of_a_large_answer),
	    on_loop(a_client_that_closed_its_side_is_answered),
	    on_loop(a_client_that_closed_its_side_is_gone_when_the_answer_goes_on),
	    on_loop(a_peer_gone_within_a_request_is_told_once),
	    on_loop(without_keep_alive_the_connection_ends_after_the_answer),
	    on_loop(what_is_no_http_is_told_and_answered),
	    on_loop(a_connection_may_be_closed_or_finished_in_any_callback),
	    on_loop(what_is_queued_is_sent_before_a_finished_one_closes),
	    on_loop(after_a_switch_the_bytes_and_the_timer_are_the_owners),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
