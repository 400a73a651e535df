/* model/text, delta, target, context: what a model server says, in every dialect. */
#include "model/text.h"

#include <errno.h>

#include "base/buf.h"
#include "base/err.h"
#include "model/delta.h"
#include "model/models.h"
#include "model/target.h"
#include "unit.h"

struct out {
	struct buf answer, thinking;
	unsigned pieces;
};

static void on_text(void *data, bool thinking, const char *p, size_t n)
{
	struct out *o = data;

	assert_true(n > 0);
	assert_int_equal(str_utf8_valid(p, n), n);
	buf_add(thinking ? &o->thinking : &o->answer, p, n);
	o->pieces++;
}

static void finish(struct out *o)
{
	buf_finish(&o->answer);
	buf_finish(&o->thinking);
}

static void text_cut_at_any_byte_comes_out_the_same(void **state)
{
	static const char text[] = " \n<think>kn\xC3\xB6<tt</think>\n  a\tb \xE2\x82\xAC<think>no "
				   "tag</think> \xF0\x9F\x98\x80 ";

	for (size_t cut = 0; cut < sizeof text; cut++)
		for (size_t second = cut; second < sizeof text; second += 5) {
			struct out o = {0};
			struct model_text *t = model_text_new(on_text, &o);

			model_text_feed(t, false, text, cut);
			model_text_feed(t, false, text + cut, second - cut);
			model_text_feed(t, false, text + second, sizeof text - 1 - second);
			model_text_end(t);
			assert_string_equal(buf_cstr(&o.thinking), "kn\xC3\xB6<tt");
			assert_string_equal(buf_cstr(&o.answer),
			    "\n  a\tb \xE2\x82\xAC<think>no tag</think> \xF0\x9F\x98\x80 ");
			model_text_free(t);
			finish(&o);
		}
}

static void deltas_are_neither_merged_nor_split(void **state)
{
	struct out o = {0};
	struct model_text *t = model_text_new(on_text, &o);

	model_text_feed(t, false, "a", 1);
	model_text_feed(t, false, "b c\n", 4);
	model_text_feed(t, true, "k", 1);
	model_text_feed(t, false, " ", 1);
	model_text_end(t);
	assert_int_equal(o.pieces, 4);
	assert_string_equal(buf_cstr(&o.answer), "ab c\n ");
	model_text_free(t);
	finish(&o);
}

static void what_was_held_back_goes_out_at_the_end(void **state)
{
	static const struct {
		const char *in, *answer, *thinking;
	} cases[] = {
	    {"<thi", "<thi", ""},
	    {"  ", "  ", ""},
	    {"<think>a</thi", "", "a</thi"},
	    {"a\xC3", "a\xEF\xBF\xBD", ""},
	    {"\xFF\xFEok", "\xEF\xBF\xBD\xEF\xBF\xBDok", ""},
	    {"<Think>a", "<Think>a", ""},
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct out o = {0};
		struct model_text *t = model_text_new(on_text, &o);

		model_text_feed(t, false, cases[i].in, strlen(cases[i].in));
		model_text_end(t);
		assert_string_equal(buf_cstr(&o.answer), cases[i].answer);
		assert_string_equal(buf_cstr(&o.thinking), cases[i].thinking);
		model_text_free(t);
		finish(&o);
	}
}

static struct delta parse(const char *text)
{
	struct delta d;

	assert_int_equal(delta_parse(text, strlen(text), &d), 0);
	return d;
}

static void each_dialect_is_understood(void **state)
{
	struct delta d = parse("{\"choices\":[{\"delta\":{\"content\":\"hi\",\"reasoning_content\":"
			       "\"k\"},\"finish_reason\":\"length\"}],"
			       "\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":4}}");

	assert_true(str_eq(d.text, "hi") && str_eq(d.thinking, "k") && d.has_usage &&
		    d.completion_tokens == 4);
	assert_string_equal(d.finish_reason, "length");
	delta_finish(&d);
	d = parse("{\"choices\":[],\"usage\":{\"prompt_tokens\":3}}");
	assert_true(d.has_usage && !d.text.p && !d.done);
	delta_finish(&d);
	d = parse("{\"type\":\"chat.token\",\"request_id\":\"r\",\"content\":\"x\"}");
	assert_true(str_eq(d.text, "x"));
	assert_string_equal(d.request_id, "r");
	delta_finish(&d);
	/* The same with an escape, and with a member that is no string: not read in place. */
	d = parse("{\"type\":\"chat.token\",\"request_id\":\"r\",\"content\":\"x\\n\"}");
	assert_true(str_eq(d.text, "x\n") && d.memory);
	assert_string_equal(d.request_id, "r");
	delta_finish(&d);
	d = parse(
	    "{\"type\":\"chat.token\",\"content\":\"x\",\"reasoning_content\":\"y\",\"n\":1}");
	assert_true(str_eq(d.text, "x") && str_eq(d.thinking, "y") && d.memory);
	delta_finish(&d);
	d = parse("{\"type\":\"chat.token\",\"reasoning_content\":\"y\"}");
	assert_true(!d.text.p && str_eq(d.thinking, "y") && !d.memory);
	delta_finish(&d);
	d = parse("{\"type\":\"chat.completed\",\"finish_reason\":\"stop\"}");
	assert_true(d.done);
	delta_finish(&d);
	d = parse("{\"done\":true,\"stats\":{\"completion_tokens\":9}}");
	assert_true(d.done && d.completion_tokens == 9);
	delta_finish(&d);
	d = parse("{\"type\":\"chat.tool_call\",\"tool_call\":{\"index\":2,\"id\":\"i\",\"name\":"
		  "\"n\",\"arguments\":\"{\"}}");
	assert_true(
	    d.tool_count == 1 && d.tools[0].index == 2 && str_eq(d.tools[0].arguments, "{"));
	delta_finish(&d);
	d = parse("{\"error\":{\"message\":\"too long\",\"code\":\"context_length_exceeded\"}}");
	assert_string_equal(d.error, "too long");
	assert_true(d.context_overflow);
	delta_finish(&d);
	d = parse("{\"type\":\"something.new\"}");
	assert_true(!d.done && !d.text.p && !d.error[0]);
	delta_finish(&d);
}

static void a_character_cut_over_two_messages_is_joined(void **state)
{
	struct out o = {0};
	struct model_text *t = model_text_new(on_text, &o);
	struct delta d = parse("{\"token\":\"a\xC3\"}");

	model_text_feed(t, false, d.text.p, d.text.n);
	delta_finish(&d);
	d = parse("{\"token\":\"\xA9\"}");
	model_text_feed(t, false, d.text.p, d.text.n);
	delta_finish(&d);
	assert_string_equal(buf_cstr(&o.answer), "a\xC3\xA9");
	model_text_free(t);
	finish(&o);
}

static void what_no_server_says_is_refused(void **state)
{
	static const char *const bad[] = {"hello", "[]", "7", "{\"type\":\"chat.tool_call\"}",
	    "{\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":-1}]}}]}"};
	struct delta d;

	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		assert_int_equal(delta_parse(bad[i], strlen(bad[i]), &d), ERR_SYNTAX);
}

static void servers_are_named_in_every_usual_way(void **state)
{
	static const struct {
		const char *text, *host;
		int port;
		bool tls;
		const char *prefix;
	} good[] = {
	    {"lmx-host.local", "lmx-host.local", 1234, false, ""},
	    {"10.0.0.2:8080", "10.0.0.2", 8080, false, ""},
	    {"[::1]:99", "[::1]", 99, false, ""},
	    {"::1", "::1", 1234, false, ""},
	    {"http://h/", "h", 1234, false, ""},
	    {"https://m.example", "m.example", 443, true, ""},
	    {"https://m.example:8443/api/v1/", "m.example", 8443, true, "/api"},
	    {"http://h:1/v1", "h", 1, false, ""},
	};
	static const char *const bad[] = {
	    "", "h:0", "h:70000", "h:x", "a b", "user@h", "h\r\nX: y", "http://", "http://h/a b"};
	struct target t;
	struct err err;

	for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
		assert_int_equal(target_parse(good[i].text, 1234, &t, &err), 0);
		assert_string_equal(t.host, good[i].host);
		assert_int_equal(t.port, good[i].port);
		assert_int_equal(t.tls, good[i].tls);
		assert_string_equal(t.prefix, good[i].prefix);
	}
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		assert_int_equal(target_parse(bad[i], 1234, &t, &err), -EINVAL);
}

static uint64_t context_told(const char *path, const char *answer, const char *model)
{
	struct models *m = models_new();
	uint64_t tokens;

	models_take(m, path, answer, strlen(answer));
	tokens = models_context(m, model);
	models_free(m);
	return tokens;
}

static void the_context_is_that_of_the_model_that_is_asked(void **state)
{
	static const char ps[] =
	    "{\"models\":[{\"name\":\"big\",\"context_length\":131072},"
	    "{\"name\":\"small\",\"context_length\":4096},{\"name\":\"m:latest\"}]}";
	static const char v0[] = "{\"data\":[{\"id\":\"m\",\"state\":\"loaded\","
				 "\"max_context_length\":32768,\"loaded_context_length\":4000}]}";

	assert_int_equal(
	    context_told("/props", "{\"default_generation_settings\":{\"n_ctx\":8192}}", "m"),
	    8192);
	assert_int_equal(
	    context_told("/props", "{\"default_generation_settings\":{\"n_ctx\":-5}}", "m"), 0);
	assert_int_equal(context_told("/props", "nonsense", "m"), 0);
	assert_int_equal(context_told("/admin/models",
			     "{\"loaded\":[{\"id\":\"m\",\"context_length\":4096}]}", "m"),
	    4096);
	assert_int_equal(context_told("/api/ps", ps, "small"), 4096);
	assert_int_equal(context_told("/api/ps", ps, "big"), 131072);
	assert_int_equal(context_told("/api/ps", ps, "m"), MODELS_OLLAMA_CONTEXT);
	assert_int_equal(context_told("/api/ps", ps, "other"), 0);
	assert_int_equal(context_told("/api/v0/models", v0, "m"), 4000);
	assert_int_equal(
	    context_told("/v1/models", "{\"data\":[{\"id\":\"m\",\"max_model_len\":3000}]}", "m"),
	    3000);
	assert_int_equal(
	    context_told("/v1/models", "[{\"id\":\"m\",\"context_length\":9}]", "m"), 9);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(text_cut_at_any_byte_comes_out_the_same),
	    cmocka_unit_test(deltas_are_neither_merged_nor_split),
	    cmocka_unit_test(what_was_held_back_goes_out_at_the_end),
	    cmocka_unit_test(each_dialect_is_understood),
	    cmocka_unit_test(a_character_cut_over_two_messages_is_joined),
	    cmocka_unit_test(what_no_server_says_is_refused),
	    cmocka_unit_test(servers_are_named_in_every_usual_way),
	    cmocka_unit_test(the_context_is_that_of_the_model_that_is_asked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
