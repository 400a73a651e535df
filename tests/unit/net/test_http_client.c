/* net/http_client: one request, its answer or why there is none. */
#include "loop.h"

#include "base/err.h"
#include "base/mem.h"
#include "net/filter.h"
#include "net/http_client.h"
#include "protocol/http.h"

struct call {
	int listening, port, peer;
	struct http_call *call;
	struct buf asked, body; /* what the server saw; what the client was given */
	struct err err;
	int status;
	unsigned heads, ends;
	bool sent, refuse_head, cancel_in_head, cancel_in_body;
	char type[64];
};

static bool on_head(void *data, int status, const struct http_parser *parser)
{
	struct call *c = data;
	struct str type = http_header(parser, "content-type", NULL);

	c->heads++;
	c->status = status;
	snprintf(c->type, sizeof c->type, "%.*s", (int)type.n, type.n ? type.p : "");
	if (c->cancel_in_head)
		http_call_cancel(c->call);
	return !c->refuse_head;
}

static void on_body(void *data, const char *p, size_t n)
{
	struct call *c = data;

	buf_add(&c->body, p, n);
	if (c->cancel_in_body)
		http_call_cancel(c->call);
}

static void on_done(void *data, const struct err *err, bool sent)
{
	struct call *c = data;

	c->ends++;
	c->err = *err;
	c->sent = sent;
}

static struct http_call_opts opts(struct call *c)
{
	return (struct http_call_opts){.host = "127.0.0.1",
	    .port = c->port,
	    .method = "GET",
	    .target = "/x",
	    .connect_ms = 5000,
	    .on_head = on_head,
	    .on_body = on_body,
	    .on_done = on_done,
	    .data = c};
}

static void listen_for(struct call *c)
{
	*c = (struct call){.peer = -1};
	c->listening = plain_listen(&c->port);
}

/* Start o and wait for its request to arrive whole. */
static void ask(struct call *c, const struct http_call_opts *o, const char *until)
{
	c->call = http_call_start(&loop, o);
	assert_int_equal(c->ends, 0);
	turn_until((c->peer = accept4(c->listening, NULL, NULL, SOCK_CLOEXEC)) >= 0);
	turn_until(plain_got(c->peer, &c->asked, until));
}

static void finish(struct call *c)
{
	if (c->peer >= 0)
		close(c->peer);
	close(c->listening);
	buf_finish(&c->asked);
	buf_finish(&c->body);
}

/* One answer to a GET, and how the call ended. */
static void answer(struct call *c, const char *text, bool then_close)
{
	struct http_call_opts o;

	listen_for(c);
	o = opts(c);
	ask(c, &o, "\r\n\r\n");
	plain_send(c->peer, text);
	if (then_close)
		shutdown(c->peer, SHUT_WR);
	turn_until(c->ends);
	turn_a_while();
	assert_int_equal(c->ends, 1);
	assert_true(c->sent);
}

static void a_request_is_sent_as_it_was_given(void **state)
{
	struct http_call_opts o;
	struct call c;
	char host[64];

	listen_for(&c);
	o = opts(&c);
	o.method = "POST";
	o.headers = "X-One: 1\r\nX-Two: 2\r\n";
	o.body = "{\"a\":1}";
	o.body_len = 7;
	ask(&c, &o, "{\"a\":1}");
	assert_int_equal(strncmp(buf_cstr(&c.asked), "POST /x HTTP/1.1\r\n", 18), 0);
	snprintf(host, sizeof host, "\r\nHost: 127.0.0.1:%d\r\n", c.port);
	assert_holds(buf_cstr(&c.asked), host);
	assert_holds(buf_cstr(&c.asked), "\r\nX-One: 1\r\nX-Two: 2\r\n");
	assert_holds(buf_cstr(&c.asked), "\r\nContent-Length: 7\r\n");
	plain_send(c.peer, "HTTP/1.1 204 No Content\r\n\r\n");
	turn_until(c.ends);
	assert_int_equal(c.err.code, 0);
	assert_int_equal(c.status, 204);
	finish(&c);
}

static void answers_of_every_framing_are_whole(void **state)
{
	struct call c;

	answer(&c, "HTTP/1.1 200 OK\r\nContent-Type: a/b\r\nContent-Length: 5\r\n\r\nhello", false);
	assert_int_equal(c.err.code, 0);
	assert_string_equal(buf_cstr(&c.body), "hello");
	assert_string_equal(c.type, "a/b");
	finish(&c);
	answer(&c,
	    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n",
	    false);
	assert_int_equal(c.err.code, 0);
	assert_string_equal(buf_cstr(&c.body), "hello");
	finish(&c);
	/* Neither: the end of the connection is the end of the body. */
	answer(&c, "HTTP/1.1 200 OK\r\n\r\nhello", true);
	assert_int_equal(c.err.code, 0);
	assert_string_equal(buf_cstr(&c.body), "hello");
	finish(&c);
}

static void an_interim_answer_is_not_the_answer(void **state)
{
	struct call c;

	answer(&c,
	    "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
	    "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
	    false);
	assert_int_equal(c.err.code, 0);
	assert_int_equal(c.heads, 1);
	assert_int_equal(c.status, 200);
	assert_string_equal(buf_cstr(&c.body), "ok");
	finish(&c);
}

static void an_answer_cut_short_is_an_error(void **state)
{
	struct call c;

	answer(&c, "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello", true);
	assert_int_equal(c.err.code, ERR_CLOSED);
	assert_string_equal(buf_cstr(&c.body), "hello");
	finish(&c);
	answer(&c, "HTTP/1.1 2", true);
	assert_int_equal(c.err.code, ERR_CLOSED);
	assert_int_equal(c.heads, 0);
	finish(&c);
}

static void what_is_no_http_is_an_error(void **state)
{
	struct call c;

	answer(&c, "SSH-2.0-OpenSSH_9.2\r\n", false);
	assert_int_equal(c.err.code, ERR_SYNTAX);
	assert_true(c.err.text[0]);
	finish(&c);
}

static void a_reset_is_said_by_its_name_after_what_came_before_it(void **state)
{
	struct http_call_opts o;
	struct call c;

	listen_for(&c);
	o = opts(&c);
	ask(&c, &o, "\r\n\r\n");
	plain_send(c.peer, "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello");
	plain_reset(c.peer);
	c.peer = -1;
	turn_until(c.ends);
	assert_int_equal(c.err.code, -ECONNRESET);
	assert_string_equal(c.err.text, strerror(ECONNRESET));
	assert_string_equal(buf_cstr(&c.body), "hello");
	finish(&c);
}

static void a_server_that_is_not_there_is_an_error_without_a_request(void **state)
{
	struct http_call_opts o;
	struct call c;

	listen_for(&c);
	close(c.listening);
	o = opts(&c);
	c.call = http_call_start(&loop, &o);
	assert_int_equal(c.ends, 0);
	turn_until(c.ends);
	assert_int_equal(c.err.code, -ECONNREFUSED);
	assert_false(c.sent);
	o.host = "no name at all";
	c.call = http_call_start(&loop, &o);
	turn_until(c.ends == 2);
	assert_int_equal(c.err.code, ERR_UNKNOWN);
	assert_holds(c.err.text, "name");
	c.listening = -1;
	finish(&c);
}

static void a_head_that_is_not_wanted_ends_the_call(void **state)
{
	struct http_call_opts o;
	struct call c;

	listen_for(&c);
	c.refuse_head = true;
	o = opts(&c);
	ask(&c, &o, "\r\n\r\n");
	plain_send(c.peer, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
	turn_until(c.ends);
	assert_int_equal(c.err.code, ERR_REFUSED);
	assert_int_equal(c.body.len, 0);
	/* And the connection with it. */
	turn_until(!plain_take(c.peer, &c.asked));
	finish(&c);
}

static void a_call_that_was_cancelled_calls_nobody(void **state)
{
	struct http_call_opts o;
	struct call c;

	/* In the head, in the body, while the server is silent, at once. */
	for (int when = 0; when < 4; when++) {
		listen_for(&c);
		o = opts(&c);
		c.cancel_in_head = when == 0;
		c.cancel_in_body = when == 1;
		if (when == 3) {
			c.call = http_call_start(&loop, &o);
			http_call_cancel(c.call);
		} else {
			ask(&c, &o, "\r\n\r\n");
			if (when == 2)
				http_call_cancel(c.call);
			else
				plain_send(
				    c.peer, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
			turn_until(!plain_take(c.peer, &c.asked));
		}
		turn_a_while();
		assert_int_equal(c.ends, 0);
		assert_int_equal(c.heads, when < 2);
		assert_int_equal(c.body.len, when == 1 ? 5 : 0);
		finish(&c);
	}
	http_call_cancel(NULL);
}

static void after_a_switch_bytes_go_both_ways(void **state)
{
	struct http_call_opts o;
	struct call c;

	listen_for(&c);
	o = opts(&c);
	o.headers = "Connection: Upgrade\r\nUpgrade: x\r\n";
	ask(&c, &o, "\r\n\r\n");
	plain_send(c.peer,
	    "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\nfirst");
	turn_until(c.body.len == 5);
	http_call_send(c.call, "up", 2);
	turn_until(plain_got(c.peer, &c.asked, "\r\n\r\nup"));
	http_call_read(c.call, false);
	plain_send(c.peer, "second");
	turn_a_while();
	assert_int_equal(c.body.len, 5);
	http_call_read(c.call, true);
	turn_until(c.body.len == 11);
	/* Its end is never a whole answer. */
	close(c.peer);
	c.peer = -1;
	turn_until(c.ends);
	assert_int_equal(c.err.code, ERR_CLOSED);
	finish(&c);
}

static void an_ipv6_address_stands_in_brackets_in_the_host_header(void **state)
{
	struct sockaddr_in6 a = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
	socklen_t len = sizeof a;
	struct http_call_opts o;
	struct call c = {.peer = -1};
	char host[64];

	c.listening = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (c.listening < 0 || bind(c.listening, (struct sockaddr *)&a, sizeof a) != 0) {
		if (c.listening >= 0)
			close(c.listening);
		return; /* this machine has no IPv6 */
	}
	assert_int_equal(listen(c.listening, 1), 0);
	assert_int_equal(getsockname(c.listening, (struct sockaddr *)&a, &len), 0);
	c.port = ntohs(a.sin6_port);
	o = opts(&c);
	o.host = "::1";
	ask(&c, &o, "\r\n\r\n");
	snprintf(host, sizeof host, "\r\nHost: [::1]:%d\r\n", c.port);
	assert_holds(buf_cstr(&c.asked), host);
	http_call_cancel(c.call);
	finish(&c);
}

/* A filter that swaps the case of letters, and fails when told to. */
struct swap {
	struct filter filter;
	unsigned *freed;
};

static void swap_case(const char *p, size_t n, struct buf *out)
{
	for (size_t i = 0; i < n; i++)
		buf_addc(out, ((p[i] | 0x20) >= 'a' && (p[i] | 0x20) <= 'z') ? p[i] ^ 0x20 : p[i]);
}

static int swap_incoming(struct filter *f, const char *p, size_t n, struct buf *plain,
    struct buf *wire, struct err *reterr)
{
	if (n && p[0] == '!')
		return err_set(reterr, -EPROTO, "an exclamation mark");
	swap_case(p, n, plain);
	return n && p[n - 1] == '.' ? ERR_CLOSED : 0;
}

static int swap_outgoing(
    struct filter *f, const char *p, size_t n, struct buf *wire, struct err *reterr)
{
	swap_case(p, n, wire);
	return 0;
}

static void swap_free(struct filter *f)
{
	++*((struct swap *)f)->freed;
	free(f);
}

static const struct filter_ops swap_ops = {
    .incoming = swap_incoming, .outgoing = swap_outgoing, .free = swap_free};

static void a_filter_sees_all_bytes_and_is_freed_with_the_call(void **state)
{
	unsigned freed = 0;

	for (int fails = 0; fails < 2; fails++) {
		struct swap *swap = mem_zalloc(1, sizeof *swap);
		struct http_call_opts o;
		struct call c;

		swap->filter.ops = &swap_ops;
		swap->freed = &freed;
		listen_for(&c);
		o = opts(&c);
		o.filter = &swap->filter;
		ask(&c, &o, "\r\n\r\n");
		assert_int_equal(strncmp(buf_cstr(&c.asked), "get /X http/1.1\r\nhOST: ", 23), 0);
		/* The dot is the filter's clean end: that of the body, too. */
		plain_send(c.peer, fails ? "!" : "http/1.1 200 ok\r\n\r\nHELLO.");
		turn_until(c.ends);
		if (fails) {
			assert_int_equal(c.err.code, -EPROTO);
			assert_string_equal(c.err.text, "an exclamation mark");
		} else {
			assert_int_equal(c.err.code, 0);
			assert_string_equal(buf_cstr(&c.body), "hello.");
		}
		turn_until(freed == (unsigned)fails + 1);
		finish(&c);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    on_loop(a_request_is_sent_as_it_was_given),
	    on_loop(answers_of_every_framing_are_whole),
	    on_loop(an_interim_answer_is_not_the_answer),
	    on_loop(an_answer_cut_short_is_an_error),
	    on_loop(what_is_no_http_is_an_error),
	    on_loop(a_reset_is_said_by_its_name_after_what_came_before_it),
	    on_loop(a_server_that_is_not_there_is_an_error_without_a_request),
	    on_loop(a_head_that_is_not_wanted_ends_the_call),
	    on_loop(a_call_that_was_cancelled_calls_nobody),
	    on_loop(after_a_switch_bytes_go_both_ways),
	    on_loop(an_ipv6_address_stands_in_brackets_in_the_host_header),
	    on_loop(a_filter_sees_all_bytes_and_is_freed_with_the_call),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
