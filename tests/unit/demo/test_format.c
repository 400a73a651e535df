/* demo/format: one answer in three forms, read back as a client would. */
#include "demo/format.h"

#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "demo/answer.h"
#include "demo/request.h"
#include "protocol/http.h"
#include "protocol/sse.h"
#include "protocol/ws.h"
#include "unit.h"

/* The messages of an answer: one a line, without what changes from run to run. */
struct reader {
	struct buf lines, body;
	int status;
};

static void on_message(void *data, const char *p, size_t n)
{
	struct reader *r = data;

	buf_add(&r->lines, p, n);
	buf_addc(&r->lines, '\n');
}

static int on_event(void *data, const struct sse_event *event)
{
	on_message(data, event->text.p, event->text.n);
	return 0;
}

static enum http_verdict on_head(void *data, const struct http_head *head)
{
	((struct reader *)data)->status = head->status;
	return HTTP_GO_ON;
}

static bool on_body(void *data, const char *p, size_t n)
{
	buf_add(&((struct reader *)data)->body, p, n);
	return true;
}

static const struct http_callbacks parser_callbacks = {.on_head = on_head, .on_body = on_body};

/* All bytes of the answer to words, in this form. Steps that are no bytes end it. */
static void compose(const struct demo_format *format, const char *words, bool chunked,
    const struct ws *ws, struct buf *out)
{
	json_t *body = json_pack("{s:[{s:s,s:s}]}", "messages", "role", "user", "content", words);
	struct demo_request request;
	struct demo_answer answer;
	struct demo_step step;
	struct err err = {0};
	struct demo_wire w = {.format = format,
	    .request = &request,
	    .ws = ws,
	    .id = mem_strdup("id"),
	    .model = mem_strdup("m"),
	    .number = 7,
	    .created = 1,
	    .chunked = chunked,
	    .keep_alive = true};

	if (demo_request_parse(body, &request, &err) != 0)
		fail_msg("%s", err.text);
	json_decref(body);
	demo_answer_init(&answer, &request);
	format->begin(&w, out);
	do {
		demo_answer_next(&answer, &step);
		w.sent += demo_step_is_delta(&step);
		format->put(&w, &step, out);
	} while (step.kind < DEMO_STEP_ERROR);
	demo_answer_finish(&answer);
	demo_request_finish(&request);
	demo_wire_finish(&w);
}

static void finish(struct reader *r)
{
	buf_finish(&r->lines);
	buf_finish(&r->body);
}

static struct reader over_ws(const char *words)
{
	struct reader r = {0};
	struct ws *server = ws_new(true, 100, on_message, &r);
	struct ws *client = ws_new(false, 1 << 20, on_message, &r);
	struct buf wire = {0}, out = {0};

	compose(&demo_format_ws, words, false, server, &wire);
	ws_feed(client, wire.p, wire.len, &out);
	r.status = ws_close_code(client);
	ws_free(server);
	ws_free(client);
	buf_finish(&wire);
	buf_finish(&out);
	return r;
}

/* Over HTTP; the parser must see a whole answer. */
static struct reader over_http(const struct demo_format *format, const char *words, bool chunked)
{
	struct reader r = {0};
	struct http_parser *parser = http_parser_new(false, &parser_callbacks, &r);
	struct sse *sse = sse_new(1 << 20, on_event, &r);
	struct buf wire = {0};
	enum http_result result;
	size_t used;

	compose(format, words, chunked, NULL, &wire);
	result = http_parser_feed(parser, wire.p, wire.len, &used);
	if (result == HTTP_MORE)
		result = http_parser_eof(parser);
	assert_int_equal(result, HTTP_COMPLETE);
	assert_int_equal(used, wire.len);
	if (format == &demo_format_sse)
		assert_int_equal(sse_feed(sse, r.body.p, r.body.len), 0);
	http_parser_free(parser);
	sse_free(sse);
	buf_finish(&wire);
	return r;
}

static void over_websocket_each_step_is_a_message(void **state)
{
	struct reader r = over_ws("demo:think=1 demo:tokens=2 demo:size=3");

	assert_string_equal(buf_cstr(&r.lines),
	    "{\"type\":\"chat.token\",\"request_id\":\"id\",\"reasoning_content\":\"k0 \"}\n"
	    "{\"type\":\"chat.token\",\"request_id\":\"id\",\"content\":\"w0 \"}\n"
	    "{\"type\":\"chat.token\",\"request_id\":\"id\",\"content\":\"w1 \"}\n"
	    "{\"type\":\"chat.done\",\"request_id\":\"id\",\"finish_reason\":\"stop\",\"usage\":{"
	    "\"prompt_tokens\":10,\"completion_tokens\":3,\"total_tokens\":13}}\n");
	finish(&r);
	r = over_ws("demo:tokens=1 demo:token-style demo:nousage");
	assert_string_equal(buf_cstr(&r.lines), "{\"token\":\"w0 \"}\n{\"done\":true,"
						"\"finish_reason\":\"stop\",\"stats\":{}}\n");
	finish(&r);
}

static void a_message_in_fragments_is_the_same_message(void **state)
{
	struct reader whole = over_ws("\xF0\x9F\x98\x80\xC3\xA4 demo:echo"),
		      split = over_ws("\xF0\x9F\x98\x80\xC3\xA4 demo:echo demo:split demo:nousage");

	assert_holds(buf_cstr(&split.lines), "\xF0\x9F\x98\x80");
	/* But for the usage, which the other words change. */
	assert_memory_equal(buf_cstr(&split.lines), buf_cstr(&whole.lines), 60);
	finish(&whole);
	finish(&split);
}

static void over_sse_it_is_chunks_usage_and_done(void **state)
{
#define HEAD "{\"id\":\"id\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\","
	static const char *const words[] = {"demo:tokens=1", "demo:tokens=1 demo:crlf"};

	for (int i = 0; i < 4; i++) {
		struct reader r = over_http(&demo_format_sse, words[i / 2], i % 2);

		assert_int_equal(r.status, 200);
		assert_int_equal(strncmp(buf_cstr(&r.lines),
				     HEAD "\"choices\":[{\"index\":0,\"delta\":{\"role\":"
					  "\"assistant\",\"content\":\"w0 "
					  "\"},\"finish_reason\":null}]}\n" HEAD
					  "\"choices\":[{\"index\":0,\"delta\":{},\"finish_"
					  "reason\":\"stop\"}]}\n" HEAD
					  "\"choices\":[],\"usage\":{\"prompt_tokens\":",
				     320),
		    0);
		assert_string_equal(buf_cstr(&r.lines) + r.lines.len - 7, "[DONE]\n");
		finish(&r);
	}
#undef HEAD
}

static void one_json_body_holds_the_whole_answer(void **state)
{
	struct reader r = over_http(&demo_format_json,
	    "demo:think=2 demo:tokens=2 demo:tool=read demo:args={\"a\":1} demo:calls=2", false);
	const json_t *choice, *message, *call;
	json_t *root = NULL;

	assert_int_equal(r.status, 200);
	assert_int_equal(json_parse(r.body.p, r.body.len, &root, NULL), 0);
	choice = json_array_get(json_object_get(root, "choices"), 0);
	message = json_object_get(choice, "message");
	assert_string_equal(json_cstr(message, "content", ""), "w0 w1 ");
	assert_string_equal(json_cstr(message, "reasoning_content", ""), "k0 k1 ");
	assert_string_equal(json_cstr(choice, "finish_reason", ""), "tool_calls");
	assert_int_equal(json_array_size(json_object_get(message, "tool_calls")), 2);
	call = json_array_get(json_object_get(message, "tool_calls"), 1);
	assert_string_equal(json_cstr(call, "id", ""), "call_7_1");
	assert_string_equal(
	    json_cstr(json_object_get(call, "function"), "arguments", ""), "{\"a\":1}");
	json_decref(root);
	finish(&r);
}

static void failures_look_like_failures_in_each_form(void **state)
{
	struct reader r = over_ws("demo:tokens=3 demo:error=1");

	assert_holds(buf_cstr(&r.lines), "\"content\":\"w0 \"");
	assert_holds(buf_cstr(&r.lines), "{\"type\":\"chat.error\"");
	assert_null(strstr(buf_cstr(&r.lines), "w1 "));
	finish(&r);
	r = over_ws("demo:tokens=3 demo:close=1");
	assert_int_equal(r.status, WS_CLOSE_NORMAL);
	finish(&r);
	r = over_http(&demo_format_sse, "demo:tokens=3 demo:error=1", true);
	assert_holds(buf_cstr(&r.lines), "{\"error\":{\"message\":\"" DEMO_ERROR "\"}}\n");
	assert_null(strstr(buf_cstr(&r.lines), "[DONE]"));
	finish(&r);
	r = over_http(&demo_format_sse, "demo:tokens=3 demo:garbage=1", true);
	assert_holds(buf_cstr(&r.lines), DEMO_GARBAGE);
	finish(&r);
	r = over_http(&demo_format_json, "demo:tokens=3 demo:error=1", false);
	assert_int_equal(r.status, 500);
	assert_string_equal(buf_cstr(&r.body), "{\"error\":{\"message\":\"" DEMO_ERROR "\"}}");
	finish(&r);
}

static void a_huge_line_has_the_size_that_was_asked_for(void **state)
{
	struct reader r = over_http(&demo_format_sse, "demo:huge=5000 demo:nousage", true);
	const char *end, *at = strstr(buf_cstr(&r.body), "xxxxx");

	assert_non_null(at);
	while (at > r.body.p && at[-1] != '\n')
		at--;
	end = strchr(at, '\n');
	assert_non_null(end);
	assert_int_equal(end - at, 5000);
	finish(&r);
	r = over_ws("demo:huge=5000");
	at = strstr(buf_cstr(&r.lines), "xxxxx");
	assert_non_null(at);
	while (at > r.lines.p && at[-1] != '\n')
		at--;
	end = strchr(at, '\n');
	assert_int_equal(end - at, 5000);
	finish(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(over_websocket_each_step_is_a_message),
	    cmocka_unit_test(a_message_in_fragments_is_the_same_message),
	    cmocka_unit_test(over_sse_it_is_chunks_usage_and_done),
	    cmocka_unit_test(one_json_body_holds_the_whole_answer),
	    cmocka_unit_test(failures_look_like_failures_in_each_form),
	    cmocka_unit_test(a_huge_line_has_the_size_that_was_asked_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
