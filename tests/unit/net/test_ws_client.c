/* net/ws_client: one WebSocket, from the handshake to its close code. */
#include "loop.h"

#include "base/err.h"
#include "net/ws_client.h"
#include "protocol/ws.h"

struct client {
	int listening, port, peer;
	struct ws_call *call;
	struct ws *server;	/* how the peer reads what the client sent */
	struct buf asked, said; /* the request; messages the server was sent */
	struct buf heard;	/* messages the client was sent */
	size_t read;		/* bytes of asked that server has had */
	unsigned opens, ends;
	bool opened, close_in_open, close_in_message;
	uint16_t code;
	int status;
	struct err err;
};

static void on_open(void *data)
{
	struct client *c = data;

	c->opens++;
	if (c->close_in_open)
		ws_call_close(c->call, 1001);
}

static void on_message(void *data, const char *p, size_t n)
{
	struct client *c = data;

	buf_add(&c->heard, p, n);
	buf_addc(&c->heard, '|');
	if (c->close_in_message)
		ws_call_close(c->call, 1000);
}

static void on_closed(void *data, bool opened, uint16_t code, int status, const struct err *err)
{
	struct client *c = data;

	c->ends++;
	c->opened = opened;
	c->code = code;
	c->status = status;
	c->err = *err;
	/* Too late, and harmless. */
	ws_call_send(c->call, "x", 1);
	ws_call_close(c->call, 1000);
	c->call = NULL;
}

static void on_said(void *data, const char *p, size_t n)
{
	struct client *c = data;

	buf_add(&c->said, p, n);
	buf_addc(&c->said, '|');
}

/* Connect and take the request. */
static void ask(struct client *c)
{
	c->peer = -1;
	c->listening = plain_listen(&c->port);
	c->server = ws_new(true, 10000, on_said, c);
	c->call = ws_call_start(&loop, &(struct ws_call_opts){.host = "127.0.0.1",
					   .port = c->port,
					   .target = "/stream",
					   .headers = "X-Key: 1\r\n",
					   .connect_ms = 5000,
					   .max_message = 1000,
					   .on_open = on_open,
					   .on_message = on_message,
					   .on_closed = on_closed,
					   .data = c});
	turn_until((c->peer = accept4(c->listening, NULL, NULL, SOCK_CLOEXEC)) >= 0);
	turn_until(plain_got(c->peer, &c->asked, "\r\n\r\n"));
}

/* The handshake's answer, followed by more bytes at once. */
static void accept_with(struct client *c, const struct buf *more)
{
	const char *key = strstr(buf_cstr(&c->asked), "Sec-WebSocket-Key: ");
	char accept[WS_ACCEPT_SIZE];
	struct buf out = {0};

	assert_non_null(key);
	ws_accept(key + 19, 24, accept);
	buf_addf(&out,
	    "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
	    "Sec-WebSocket-Accept: %s\r\n\r\n",
	    accept);
	if (more)
		buf_add(&out, more->p, more->len);
	assert_int_equal(send(c->peer, out.p, out.len, MSG_NOSIGNAL), out.len);
	buf_finish(&out);
	c->read = c->asked.len;
}

static void send_frames(struct client *c, struct buf *frames)
{
	assert_int_equal(send(c->peer, frames->p, frames->len, MSG_NOSIGNAL), frames->len);
	buf_clear(frames);
}

/* What the client sent after the handshake, read; the rc of ws_feed. */
static int listen_to(struct client *c)
{
	struct buf out = {0};
	size_t n;
	int rc;

	plain_take(c->peer, &c->asked);
	n = c->asked.len - c->read;
	rc = ws_feed(c->server, c->asked.p + c->read, n, &out);
	c->read += n;
	buf_finish(&out);
	return rc;
}

static void finish(struct client *c)
{
	if (c->peer >= 0)
		close(c->peer);
	close(c->listening);
	ws_free(c->server);
	buf_finish(&c->asked);
	buf_finish(&c->said);
	buf_finish(&c->heard);
}

static void messages_go_both_ways_after_the_handshake(void **state)
{
	struct client c = {0};
	struct buf frames = {0};

	ask(&c);
	assert_holds(buf_cstr(&c.asked), "GET /stream HTTP/1.1\r\n");
	assert_holds(buf_cstr(&c.asked), "\r\nUpgrade: websocket\r\n");
	assert_holds(buf_cstr(&c.asked), "\r\nX-Key: 1\r\n");
	/* A message may come in the same packet as the handshake. */
	ws_put_text(c.server, &frames, "first", 5);
	accept_with(&c, &frames);
	buf_clear(&frames);
	turn_until(c.heard.len == 6);
	assert_int_equal(c.opens, 1);
	ws_call_send(c.call, "up", 2);
	turn_until((listen_to(&c), c.said.len == 3));
	assert_string_equal(buf_cstr(&c.said), "up|");
	/* Reading stops and goes on. */
	ws_call_read(c.call, false);
	ws_put_text(c.server, &frames, "second", 6);
	send_frames(&c, &frames);
	turn_a_while();
	assert_int_equal(c.heard.len, 6);
	ws_call_read(c.call, true);
	turn_until(c.heard.len == 13);
	assert_string_equal(buf_cstr(&c.heard), "first|second|");
	/* Our close is one with a code. */
	ws_call_close(c.call, 1000);
	turn_until(listen_to(&c) == ERR_CLOSED);
	assert_int_equal(ws_close_code(c.server), 1000);
	turn_a_while();
	assert_int_equal(c.ends, 0);
	finish(&c);
	buf_finish(&frames);
}

static void the_code_of_the_servers_close_is_told(void **state)
{
	struct client c = {0};
	struct buf frames = {0};

	ask(&c);
	accept_with(&c, NULL);
	ws_put_text(c.server, &frames, "last", 4);
	ws_put_close(c.server, &frames, 4004, "gone");
	send_frames(&c, &frames);
	turn_until(c.ends);
	assert_true(c.opened);
	assert_int_equal(c.code, 4004);
	assert_int_equal(c.err.code, ERR_CLOSED);
	assert_string_equal(buf_cstr(&c.heard), "last|");
	/* The close was answered. */
	turn_until(listen_to(&c) == ERR_CLOSED);
	turn_a_while();
	assert_int_equal(c.ends, 1);
	finish(&c);
	buf_finish(&frames);
}

static void a_connection_that_is_cut_has_no_code(void **state)
{
	struct client c = {0};

	ask(&c);
	accept_with(&c, NULL);
	turn_until(c.opens);
	plain_reset(c.peer);
	c.peer = -1;
	turn_until(c.ends);
	assert_true(c.opened);
	assert_int_equal(c.code, 0);
	assert_int_equal(c.status, 0);
	assert_int_not_equal(c.err.code, 0);
	finish(&c);
}

static void a_refused_upgrade_is_told_with_its_status(void **state)
{
	struct client c = {0};

	ask(&c);
	plain_send(c.peer, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
	turn_until(c.ends);
	assert_false(c.opened);
	assert_int_equal(c.status, 404);
	assert_int_equal(c.err.code, ERR_REFUSED);
	assert_holds(c.err.text, "404");
	finish(&c);
}

static void a_wrong_accept_key_is_no_websocket(void **state)
{
	struct client c = {0};

	ask(&c);
	plain_send(c.peer, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n"
			   "Upgrade: websocket\r\nSec-WebSocket-Accept: AAAA\r\n\r\n");
	turn_until(c.ends);
	assert_false(c.opened);
	assert_int_equal(c.opens, 0);
	assert_int_equal(c.err.code, ERR_REFUSED);
	finish(&c);
}

static void a_message_that_is_too_large_ends_the_connection_by_that_name(void **state)
{
	static char large[1001];
	struct client c = {0};
	struct buf frames = {0};

	ask(&c);
	accept_with(&c, NULL);
	memset(large, 'x', sizeof large);
	ws_put_text(c.server, &frames, large, 1000);
	ws_put_text(c.server, &frames, large, 1001);
	send_frames(&c, &frames);
	turn_until(c.ends);
	assert_int_equal(c.heard.len, 1001);
	assert_int_equal(c.err.code, ERR_LIMIT);
	turn_until(listen_to(&c) == ERR_CLOSED);
	assert_int_equal(ws_close_code(c.server), WS_CLOSE_TOO_BIG);
	finish(&c);
	buf_finish(&frames);
}

static void nothing_is_sent_before_it_is_open(void **state)
{
	struct client c = {0};
	size_t asked;

	ask(&c);
	asked = c.asked.len;
	ws_call_send(c.call, "early", 5);
	turn_a_while();
	plain_take(c.peer, &c.asked);
	assert_int_equal(c.asked.len, asked);
	ws_call_close(c.call, 1000);
	turn_until(!plain_take(c.peer, &c.asked));
	assert_int_equal(c.asked.len, asked);
	assert_int_equal(c.ends, 0);
	finish(&c);
}

static void it_may_be_closed_in_its_callbacks(void **state)
{
	struct client c = {.close_in_open = true}, d = {.close_in_message = true};
	struct buf frames = {0};

	ask(&c);
	accept_with(&c, NULL);
	turn_until(listen_to(&c) == ERR_CLOSED);
	assert_int_equal(ws_close_code(c.server), 1001);
	finish(&c);
	ask(&d);
	/* Two messages in one packet: the second is not told. */
	ws_put_text(d.server, &frames, "one", 3);
	ws_put_text(d.server, &frames, "two", 3);
	accept_with(&d, &frames);
	turn_until(listen_to(&d) == ERR_CLOSED);
	assert_string_equal(buf_cstr(&d.heard), "one|");
	turn_a_while();
	assert_int_equal(c.ends + d.ends, 0);
	finish(&d);
	ws_call_close(NULL, 1000);
	buf_finish(&frames);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    on_loop(messages_go_both_ways_after_the_handshake),
	    on_loop(the_code_of_the_servers_close_is_told),
	    on_loop(a_connection_that_is_cut_has_no_code),
	    on_loop(a_refused_upgrade_is_told_with_its_status),
	    on_loop(a_wrong_accept_key_is_no_websocket),
	    on_loop(a_message_that_is_too_large_ends_the_connection_by_that_name),
	    on_loop(nothing_is_sent_before_it_is_open),
	    on_loop(it_may_be_closed_in_its_callbacks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
