/* protocol/sse: a stream cut anywhere. */
#include "protocol/sse.h"

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"
#include "unit.h"

static int on_event(void *data, const struct sse_event *e)
{
	struct buf *all = data;

	buf_addf(all, "<%.*s%s%.*s:%.*s>", (int)e->name.n, e->name.n ? e->name.p : "",
	    e->name.n ? "/" : "", (int)e->id.n, e->id.n ? e->id.p : "", (int)e->text.n,
	    e->text.n ? e->text.p : "");
	return 0;
}

static void events_survive_any_cut_and_any_line_end(void **state)
{
	static const char lines[] =
	    ": c\nid: 1\ndata: a\ndata:b\n\ndata:\n\nevent: x\n\nid: 2\nevent: y\ndata: c: d\n\n";
	static const char *const ends[] = {"\n", "\r\n", "\r"};

	for (size_t i = 0; i < 3; i++) {
		struct buf text = {0};

		for (const char *p = lines; *p; p++)
			if (*p == '\n')
				buf_adds(&text, ends[i]);
			else
				buf_addc(&text, *p);
		for (size_t cut = 0; cut <= text.len; cut++) {
			struct buf all = {0};
			struct sse *s = sse_new(100, on_event, &all);

			assert_int_equal(sse_feed(s, text.p, cut), 0);
			assert_int_equal(sse_feed(s, text.p + cut, text.len - cut), 0);
			assert_string_equal(buf_cstr(&all), "<1:a\nb><1:><y/2:c: d>");
			sse_free(s);
			buf_finish(&all);
		}
		buf_finish(&text);
	}
}

static void a_line_and_an_event_have_a_limit(void **state)
{
	struct buf all = {0}, big = {0};
	struct sse *s = sse_new(100, on_event, &all);

	for (int i = 0; i < 200; i++)
		buf_addc(&big, 'x');
	assert_int_equal(sse_feed(s, big.p, big.len), ERR_LIMIT);
	sse_free(s);
	s = sse_new(100, on_event, &all);
	for (int i = 0; i < 4; i++)
		assert_int_equal(sse_feed(s, "data: 0123456789012345678901234567890\n", 38),
		    i < 3 ? 0 : ERR_LIMIT);
	sse_free(s);
	buf_finish(&all);
	buf_finish(&big);
}

static int on_event_stop(void *data, const struct sse_event *e)
{
	on_event(data, e);
	return 7;
}

static void whoever_takes_an_event_can_stop_the_rest(void **state)
{
	static const char text[] = "data: a\n\ndata: b\n\n";
	struct buf all = {0};
	struct sse *s = sse_new(100, on_event_stop, &all);

	assert_int_equal(sse_feed(s, text, sizeof text - 1), 7);
	assert_string_equal(buf_cstr(&all), "<:a>");
	sse_free(s);
	sse_free(NULL);
	buf_finish(&all);
}

static void what_is_cut_off_at_the_end_is_no_event(void **state)
{
	struct buf all = {0};
	struct sse *s = sse_new(100, on_event, &all);

	assert_int_equal(sse_feed(s, "data: a\n\ndata: b\n", 17), 0);
	assert_string_equal(buf_cstr(&all), "<:a>");
	sse_free(s);
	buf_finish(&all);
}

/* Feeds text byte by byte, as model servers are read. */
static void check_lenient(const char *text, const char *want)
{
	struct buf all = {0};
	struct sse *s = sse_new(200, on_event, &all);

	sse_set_lenient(s);
	for (; *text; text++)
		assert_int_equal(sse_feed(s, text, 1), 0);
	assert_int_equal(sse_end(s), 0);
	assert_string_equal(all.len ? buf_cstr(&all) : "", want);
	sse_free(s);
	buf_finish(&all);
}

static void what_model_servers_send_beside_the_standard_is_taken(void **state)
{
	/* One line end between events, none at the end. */
	check_lenient(
	    "data: {\"a\":1}\ndata: {\"b\":2}\ndata: [DONE]", "<:{\"a\":1}><:{\"b\":2}><:[DONE]>");
	/* One object over several lines stays one. */
	check_lenient("data: {\"a\":{}\ndata: ,\"b\":{}}\n\n", "<:{\"a\":{}\n,\"b\":{}}>");
	check_lenient("error: {\"message\":\"no\"}\n\n", "<error/:{\"message\":\"no\"}>");
	check_lenient("\xEF\xBB\xBF"
		      "data: x\n\n",
	    "<:x>");
	check_lenient("event: error\ndata: x", "<error/:x>");
	check_lenient(": only life\n\n", "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(events_survive_any_cut_and_any_line_end),
	    cmocka_unit_test(a_line_and_an_event_have_a_limit),
	    cmocka_unit_test(whoever_takes_an_event_can_stop_the_rest),
	    cmocka_unit_test(what_is_cut_off_at_the_end_is_no_event),
	    cmocka_unit_test(what_model_servers_send_beside_the_standard_is_taken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
