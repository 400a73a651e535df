/* protocol/http: requests cut anywhere, limits, queries. */
#include "protocol/http.h"

#include "base/buf.h"
#include "unit.h"

struct seen {
	struct http_parser *p;
	char method[16], host[64];
	struct buf body;
	bool upgrade, switch_it;
};

static enum http_verdict on_head(void *data, const struct http_head *head)
{
	struct seen *s = data;
	struct str host = http_header(s->p, "HOST", NULL);

	snprintf(s->method, sizeof s->method, "%.*s", (int)head->method.n, head->method.p);
	snprintf(s->host, sizeof s->host, "%.*s", (int)host.n, host.n ? host.p : "");
	s->upgrade = head->upgrade;
	return s->switch_it ? HTTP_SWITCH : HTTP_GO_ON;
}

static bool on_body(void *data, const char *p, size_t n)
{
	buf_add(&((struct seen *)data)->body, p, n);
	return true;
}

static const struct http_callbacks callbacks = {.on_head = on_head, .on_body = on_body};

static void a_request_cut_at_any_byte_is_the_same_request(void **state)
{
	static const char text[] = "POST /v3/sessions?x=1 HTTP/1.1\r\nhost: 127.0.0.1:9999 \r\nX: "
				   "y\r\nContent-Length: 4\r\n\r\nbodyREST";

	for (size_t cut = 1; cut < sizeof text - 1; cut++) {
		struct seen s = {0};
		size_t used = 0, total = 0;
		enum http_result r;

		s.p = http_parser_new(true, &callbacks, &s);
		r = http_parser_feed(s.p, text, cut, &used);
		total = used;
		if (r == HTTP_MORE) {
			r = http_parser_feed(s.p, text + cut, sizeof text - 1 - cut, &used);
			total += used;
		}
		assert_int_equal(r, HTTP_COMPLETE);
		assert_int_equal(total, sizeof text - 1 - 4);
		assert_string_equal(s.method, "POST");
		assert_string_equal(s.host, "127.0.0.1:9999");
		assert_string_equal(buf_cstr(&s.body), "body");
		buf_finish(&s.body);
		http_parser_free(s.p);
	}
}

static enum http_result feed(const char *text, size_t n, bool *ret_too_large)
{
	struct seen s = {0};
	size_t used;
	enum http_result r;

	s.p = http_parser_new(true, &callbacks, &s);
	r = http_parser_feed(s.p, text, n, &used);
	http_parser_error(s.p, ret_too_large);
	buf_finish(&s.body);
	http_parser_free(s.p);
	return r;
}

static void what_two_parsers_could_read_in_two_ways_is_refused(void **state)
{
	static const char *const bad[] = {
	    "GET / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
	    "GET / HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
	    "GET / HTTP/1.1\r\nContent-Length : 5\r\n\r\n",
	    "GET / HTTP/1.1\r\nX: a\001b\r\n\r\n",
	    "GET / HTTP/1.1\r\nContent-Length: +5\r\n\r\n",
	    "GET / HTTP/9.9\r\n\r\n",
	    "GET  HTTP/1.1\r\n\r\n",
	    "hello\r\n\r\n",
	    "GET  / HTTP/1.1\r\nHost: a\r\n\r\n",
	    "GET / HTTP/2.0\r\nHost: a\r\n\r\n",
	    "GET / HTTP/1.1\nHost: a\n\n",
	    "GET / HTTP/1.1\r\nHost: a\r\nX: y\r\n z\r\n\r\n",
	    "GET / HTTP/1.1\r\nHost: a\r\n: y\r\n\r\n",
	    "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
	    "GET / HTTP/1.1\r\n\r\n",
	    "GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n",
	    ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: x\r\nTransfer-Encoding: "
	     "chunked\r\n\r\n"),
	    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2 \r\n",
	    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2;\r\n",
	    "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n",
	};
	bool large;

	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		assert_int_equal(feed(bad[i], strlen(bad[i]), &large), HTTP_BAD);
}

static void a_trailer_is_no_header_of_the_request(void **state)
{
	static const char text[] =
	    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
	    "2\r\n{}\r\n0\r\nX-Late: y\r\n\r\n";
	struct seen s = {0};
	size_t used;

	s.p = http_parser_new(true, &callbacks, &s);
	assert_int_equal(http_parser_feed(s.p, text, sizeof text - 1, &used), HTTP_COMPLETE);
	assert_int_equal(used, sizeof text - 1);
	assert_null(http_header(s.p, "X-Late", NULL).p);
	buf_finish(&s.body);
	http_parser_free(s.p);
}

static void heads_and_targets_have_limits(void **state)
{
	struct buf b = {0};
	bool large;

	buf_adds(&b, "GET /");
	for (int i = 0; i < HTTP_MAX_TARGET; i++)
		buf_addc(&b, 'a');
	buf_adds(&b, " HTTP/1.1\r\n\r\n");
	assert_int_equal(feed(b.p, b.len, &large), HTTP_BAD);
	assert_true(large);
	buf_clear(&b);
	buf_adds(&b, "GET / HTTP/1.1\r\n");
	for (int i = 0; i <= HTTP_MAX_HEADERS; i++)
		buf_addf(&b, "h%d: x\r\n", i);
	buf_adds(&b, "\r\n");
	assert_int_equal(feed(b.p, b.len, &large), HTTP_BAD);
	assert_true(large);
	buf_clear(&b);
	buf_adds(&b, "GET / HTTP/1.1\r\nh: ");
	for (int i = 0; i < HTTP_MAX_HEAD; i++)
		buf_addc(&b, 'a');
	buf_adds(&b, "\r\n\r\n");
	assert_int_equal(feed(b.p, b.len, &large), HTTP_BAD);
	assert_true(large);
	buf_finish(&b);
}

static void a_head_without_an_end_is_given_up_and_little_of_it_is_kept(void **state)
{
	static const char *const begins[] = {"GET / HTTP/1.1\r\nAuthorization: Bearer x\r\nh: ",
	    "GET / HTTP/1.1\r\nAuthorization: Bearer x\r\n", "GET /"};
	static const char *const more[] = {"aaaaaaaa", "Authorization: Bearer y\r\n", "aaaaaaaa"};

	for (size_t i = 0; i < sizeof begins / sizeof begins[0]; i++) {
		struct seen s = {0};
		enum http_result result = HTTP_MORE;
		size_t used, sent = 0;
		bool large;

		s.p = http_parser_new(true, &callbacks, &s);
		assert_int_equal(
		    http_parser_feed(s.p, begins[i], strlen(begins[i]), &used), HTTP_MORE);
		while (result == HTTP_MORE && sent < 2 * HTTP_MAX_READ_HEAD) {
			result = http_parser_feed(s.p, more[i], strlen(more[i]), &used);
			sent += used;
		}
		assert_int_equal(result, HTTP_BAD);
		http_parser_error(s.p, &large);
		assert_true(large);
		assert_in_range(sent, 0, HTTP_MAX_READ_HEAD);
		assert_in_range(http_header(s.p, "Authorization", NULL).n, 0, 8);
		buf_finish(&s.body);
		http_parser_free(s.p);
	}
}

static void a_switch_leaves_the_rest_and_an_unwanted_upgrade_is_ordinary(void **state)
{
	static const char text[] = "GET /v3/ws HTTP/1.1\r\nHost: a\r\nConnection: "
				   "Upgrade\r\nUpgrade: websocket\r\n\r\n\x81\x80zzzz";
	struct seen s = {.switch_it = true};
	size_t used;

	s.p = http_parser_new(true, &callbacks, &s);
	assert_int_equal(http_parser_feed(s.p, text, sizeof text - 1, &used), HTTP_SWITCHED);
	assert_int_equal(used, sizeof text - 1 - 6);
	http_parser_free(s.p);
	s = (struct seen){0};
	s.p = http_parser_new(true, &callbacks, &s);
	assert_int_equal(http_parser_feed(s.p, text, sizeof text - 1 - 6, &used), HTTP_COMPLETE);
	assert_true(s.upgrade);
	http_parser_free(s.p);
}

static void queries_are_decoded_or_refused(void **state)
{
	struct buf b = {0};
	struct str q = str_of("a=1&token=x%2By+z&bad=%zz&nul=%00&cut=%4&empty=");

	assert_true(http_query(q, "token", &b));
	assert_string_equal(buf_cstr(&b), "x+y z");
	buf_clear(&b);
	assert_false(http_query(q, "bad", &b));
	assert_false(http_query(q, "nul", &b));
	assert_false(http_query(q, "cut", &b));
	assert_false(http_query(q, "oken", &b));
	assert_int_equal(b.len, 0);
	assert_true(http_query(q, "empty", &b));
	http_query_put(&b, "a b&c=\xC3\xA9");
	assert_string_equal(buf_cstr(&b), "a%20b%26c%3D%C3%A9");
	buf_finish(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_request_cut_at_any_byte_is_the_same_request),
	    cmocka_unit_test(what_two_parsers_could_read_in_two_ways_is_refused),
	    cmocka_unit_test(a_trailer_is_no_header_of_the_request),
	    cmocka_unit_test(heads_and_targets_have_limits),
	    cmocka_unit_test(a_head_without_an_end_is_given_up_and_little_of_it_is_kept),
	    cmocka_unit_test(a_switch_leaves_the_rest_and_an_unwanted_upgrade_is_ordinary),
	    cmocka_unit_test(queries_are_decoded_or_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
