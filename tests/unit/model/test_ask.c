/* model/ask: one question, over both transports, and all it can end with. */
#include "model/fake_server.h"

#include "model/ask.h"
#include "model/dialect.h"
#include "model/server.h"
#include "protocol/events.h"
#include "protocol/item.h"

struct asked {
	struct fake fake;
	struct model_server *server;
	struct model_ask *ask;
	struct buf text, thinking, progress, calls;
	unsigned pieces, ends, no_ws, preflights_failed, readies;
	char code[64], message[600], finish[32];
	uint64_t context, prompt_tokens, completion_tokens;
	bool has_usage, do_not_fit, cancel_in_text, pause_in_text, cancel_in_progress, shorter;
	struct item words;
	const struct item *items[1];
};

static bool on_ready(void *data, const char *model, uint64_t context)
{
	struct asked *q = data;

	q->readies++;
	q->context = context;
	buf_clear(&q->words.text);
	buf_addf(&q->words.text, "for %s", model);
	return !q->do_not_fit;
}

static void on_prompt(void *data, struct put *put)
{
	struct asked *q = data;

	q->items[0] = &q->words;
	put->items = q->items;
	put->count = 1;
}

static bool on_overflow(void *data)
{
	return ((struct asked *)data)->shorter;
}

static void on_text(void *data, bool thinking, const char *p, size_t n)
{
	struct asked *q = data;

	q->pieces++;
	buf_add(thinking ? &q->thinking : &q->text, p, n);
	if (q->cancel_in_text)
		model_ask_cancel(q->ask);
	if (q->pause_in_text && q->pieces == 1)
		model_ask_read(q->ask, false);
}

static void on_progress(void *data, const char *phase, const char *message)
{
	struct asked *q = data;

	buf_addf(&q->progress, "%s: %s\n", phase, message);
	if (q->cancel_in_progress)
		model_ask_cancel(q->ask);
}

static void on_no_ws(void *data)
{
	((struct asked *)data)->no_ws++;
}

static void on_preflight_failed(void *data, const char *why)
{
	((struct asked *)data)->preflights_failed++;
}

static void on_end(void *data, const struct model_result *r)
{
	struct asked *q = data;

	q->ends++;
	snprintf(q->code, sizeof q->code, "%s", r->code ? r->code : "");
	snprintf(q->message, sizeof q->message, "%s", r->message ? r->message : "");
	snprintf(q->finish, sizeof q->finish, "%s", r->finish_reason);
	q->has_usage = r->has_usage;
	q->prompt_tokens = r->prompt_tokens;
	q->completion_tokens = r->completion_tokens;
	for (size_t i = 0; i < r->call_count; i++)
		buf_addf(&q->calls, "%s %s %s\n", r->calls[i].id, r->calls[i].name,
		    r->calls[i].arguments);
}

/* Answers every server of these tests has; put after those of the test. */
static void serve(struct asked *q)
{
	struct fake_answer ready = {"/readyz", 200, "{\"ready\":true,\"model\":\"m-1\"}", 0};
	size_t i = 0;

	while (q->fake.answers[i].path)
		i++;
	q->fake.answers[i] = ready;
	fake_start(&q->fake);
}

static void ask_on(struct asked *q, bool no_ws)
{
	q->ask = model_ask_start(&loop, &(struct model_ask_opts){.server = q->server,
					    .model = "",
					    .tools = "[{\"type\":\"function\"}]",
					    .max_tokens = 77,
					    .first_token_ms = 10000,
					    .idle_ms = 10000,
					    .no_ws = no_ws,
					    .on_ready = on_ready,
					    .on_prompt = on_prompt,
					    .on_overflow = on_overflow,
					    .on_text = on_text,
					    .on_progress = on_progress,
					    .on_no_ws = on_no_ws,
					    .on_preflight_failed = on_preflight_failed,
					    .on_end = on_end,
					    .data = q});
	assert_int_equal(q->ends, 0);
}

static void start(struct asked *q, bool no_ws)
{
	struct server_opts o = {
	    .hosts = {q->fake.host}, .host_count = 1, .port = 1, .api_key = "key"};

	q->server = model_server_new(&loop, &o);
	ask_on(q, no_ws);
}

static void end_of(struct asked *q, const char *code)
{
	turn_until(q->ends);
	if (strcmp(q->code, code) != 0)
		fail_msg("ended as \"%s\" (%s), not \"%s\"", q->code, q->message, code);
	turn_a_while();
	assert_int_equal(q->ends, 1);
}

static void finish(struct asked *q)
{
	model_server_free(q->server);
	fake_stop(&q->fake);
	buf_finish(&q->text);
	buf_finish(&q->thinking);
	buf_finish(&q->progress);
	buf_finish(&q->calls);
	item_finish(&q->words);
}

#define DELTA(json) "data: {\"choices\":[{\"delta\":{" json "}}]}\n\n"
#define FINISH "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"length\"}]}\n\n"
#define USAGE "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":2}}\n\n"
#define DONE "data: [DONE]\n\n"

static const char chat[] = "/v1/chat/completions";

static void an_answer_over_sse_is_told_piece_by_piece(void **state)
{
	struct asked q = {.fake.answers = {{chat, 200,
			      DELTA("\"reasoning_content\":\"hm\"") DELTA("\"content\":\"Hel\"")
				  DELTA("\"content\":\"lo\"") FINISH USAGE DONE,
			      0}}};

	serve(&q);
	start(&q, true);
	end_of(&q, "");
	assert_string_equal(buf_cstr(&q.text), "Hello");
	assert_string_equal(buf_cstr(&q.thinking), "hm");
	assert_int_equal(q.pieces, 3);
	assert_string_equal(q.finish, "length");
	assert_true(q.has_usage);
	assert_int_equal(q.prompt_tokens, 5);
	assert_int_equal(q.completion_tokens, 2);
	assert_int_equal(q.readies, 1);
	assert_int_equal(q.no_ws, 0);
	assert_string_equal(buf_cstr(&q.fake.auth), "Bearer key");
	assert_holds(buf_cstr(&q.fake.asked), "POST /v1/chat/completions\n{\"stream\":true,"
					      "\"model\":\"m-1\",\"messages\":[{\"role\":\"user\","
					      "\"content\":\"for m-1\"}],"
					      "\"tools\":[{\"type\":\"function\"}]");
	assert_holds(buf_cstr(&q.fake.asked), "\"max_tokens\":77");
	finish(&q);
}

static void an_answer_over_websocket_is_told_piece_by_piece(void **state)
{
	struct asked q = {.fake.ws_says = {"{\"type\":\"chat.thinking\",\"content\":\"hm\"}",
			      "{\"type\":\"chat.token\",\"content\":\"Hel\"}",
			      "{\"type\":\"chat.token\",\"content\":\"lo\"}",
			      "{\"type\":\"chat.done\",\"finish_reason\":\"length\",\"usage\":{"
			      "\"prompt_tokens\":5,\"completion_tokens\":2}}"}};

	serve(&q);
	start(&q, false);
	end_of(&q, "");
	assert_string_equal(buf_cstr(&q.text), "Hello");
	assert_string_equal(buf_cstr(&q.thinking), "hm");
	assert_string_equal(q.finish, "length");
	assert_int_equal(q.completion_tokens, 2);
	assert_holds(buf_cstr(&q.fake.asked), "GET /v1/chat/stream\n{\"type\":\"chat.request\"");
	assert_holds(buf_cstr(&q.fake.asked), "\"max_tokens\":77}");
	/* All went well: nothing is cancelled, the close is a normal one. */
	turn_until(fake_count(&q.fake, "closed 1000"));
	assert_int_equal(fake_count(&q.fake, "chat.cancel"), 0);
	assert_int_equal(fake_count(&q.fake, "POST"), 0);
	finish(&q);
}

static void tool_calls_are_put_together_from_their_pieces(void **state)
{
	struct asked q = {
	    .fake.answers = {{chat, 200,
		DELTA("\"tool_calls\":[{\"index\":0,\"id\":\"a\",\"function\":{\"name\":\"read\","
		      "\"arguments\":\"{\\\"x\\\"\"}}]")
		    DELTA("\"tool_calls\":[{\"index\":1,\"id\":\"b\",\"function\":{\"name\":"
			  "\"list\",\"arguments\":\"{}\"}}]")
			DELTA("\"tool_calls\":[{\"index\":0,\"id\":\"a\",\"function\":{\"name\":"
			      "\"read\",\"arguments\":\":1}\"}}]") DONE,
		0}}};

	serve(&q);
	start(&q, true);
	end_of(&q, "");
	assert_string_equal(buf_cstr(&q.calls), "a read {\"x\":1}\nb list {}\n");
	finish(&q);
}

static void without_a_websocket_the_answer_comes_over_sse(void **state)
{
	struct asked q = {.fake.answers = {{chat, 200, DELTA("\"content\":\"x\"") DONE, 0}}};

	serve(&q);
	start(&q, false);
	end_of(&q, "");
	assert_string_equal(buf_cstr(&q.text), "x");
	assert_int_equal(q.no_ws, 1);
	assert_holds(buf_cstr(&q.progress), "lmx.fallback_sse: ");
	assert_holds(buf_cstr(&q.progress), "HTTP 404");
	finish(&q);
}

static void a_websocket_lost_before_the_first_token_is_made_good_over_sse(void **state)
{
	struct asked q = {.fake.ws_says = {"{\"type\":\"chat.status\"}"},
	    .fake.ws_close = -1,
	    .fake.answers = {{chat, 200, DELTA("\"content\":\"x\"") DONE, 0}}};

	serve(&q);
	start(&q, false);
	end_of(&q, "");
	assert_string_equal(buf_cstr(&q.text), "x");
	finish(&q);
}

static void an_answer_that_is_lost_within_goes_on_once(void **state)
{
	struct asked q = {
	    .fake.ws_says = {"{\"type\":\"chat.token\",\"content\":\"x\"}"}, .fake.ws_close = -1};

	serve(&q);
	start(&q, false);
	end_of(&q, TURN_ERROR_WS_CLOSED);
	assert_string_equal(buf_cstr(&q.text), "xx");
	assert_holds(buf_cstr(&q.progress), "lmx.continued: ");
	assert_holds(buf_cstr(&q.fake.asked), "Go on exactly where");
	assert_int_equal(fake_count(&q.fake, "POST"), 0);
	finish(&q);
}

static void a_message_that_is_too_large_is_the_models_error_over_both(void **state)
{
	struct buf ws = {0}, sse = {0};

	buf_adds(&ws, "{\"type\":\"chat.token\",\"content\":\"");
	buf_adds(&sse, DELTA("\"content\":\"x\"") "data: ");
	for (int i = 0; i < 1024 * 1024; i++) {
		buf_addc(&ws, 'y');
		buf_addc(&sse, 'y');
	}
	buf_adds(&ws, "\"}");
	buf_adds(&sse, "\n\n");
	for (int i = 0; i < 2; i++) {
		struct asked q = {.fake.answers = {{chat, 200, buf_cstr(&sse), 0}}};

		if (i) {
			q.fake.ws_says[0] = "{\"type\":\"chat.token\",\"content\":\"x\"}";
			q.fake.ws_says[1] = buf_cstr(&ws);
		}
		serve(&q);
		start(&q, i == 0);
		end_of(&q, TURN_ERROR_MODEL);
		assert_holds(q.message, "too large");
		assert_string_equal(buf_cstr(&q.text), "x");
		finish(&q);
	}
	buf_finish(&ws);
	buf_finish(&sse);
}

static void a_server_that_fails_is_asked_again(void **state)
{
	struct asked q = {.fake.answers = {
			      {chat, 500, "{\"error\":{\"message\":\"too busy\"}}", 1},
			      {chat, 200, DELTA("\"content\":\"x\"") DONE, 0},
			  }};

	serve(&q);
	start(&q, true);
	end_of(&q, "");
	assert_string_equal(buf_cstr(&q.text), "x");
	assert_holds(buf_cstr(&q.progress), "lmx.retry: ");
	assert_holds(buf_cstr(&q.progress), "too busy; trying again in 0.5 s (1 of 3)");
	/* What it has loaded is asked anew, what is to be said is not. */
	assert_int_equal(fake_count(&q.fake, "/readyz"), 2);
	assert_int_equal(q.readies, 1);
	finish(&q);
}

static void a_server_that_goes_on_failing_is_given_up(void **state)
{
	struct asked q = {.fake.answers = {{chat, 500, "down", 0}}};

	serve(&q);
	start(&q, true);
	end_of(&q, TURN_ERROR_MODEL);
	assert_holds(q.message, "HTTP 500");
	assert_int_equal(fake_count(&q.fake, "POST"), 1 + ASK_MAX_RETRIES);
	finish(&q);
}

static void a_refused_request_is_not_tried_again(void **state)
{
	static const struct {
		const char *body, *code, *says;
	} cases[] = {
	    {"{\"error\":{\"message\":\"no such model\"}}", TURN_ERROR_MODEL, "no such model"},
	    {"{\"error\":{\"message\":\"m\",\"code\":\"context_length_exceeded\"}}",
		TURN_ERROR_CONTEXT, "HTTP 400"},
	    {"plain words", TURN_ERROR_MODEL, "plain words"},
	};

	for (size_t i = 0; i < 3; i++) {
		struct asked q = {.fake.answers = {{chat, 400, cases[i].body, 0}}};

		serve(&q);
		start(&q, true);
		end_of(&q, cases[i].code);
		assert_holds(q.message, cases[i].says);
		assert_int_equal(fake_count(&q.fake, "POST"), 1);
		finish(&q);
	}
}

static void what_is_whole_without_done_and_what_is_cut_are_told_apart(void **state)
{
#define HEAD "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
	static const struct {
		const char *raw, *code;
	} cases[] = {
	    /* To the end of the connection, with a finish reason and without. */
	    {HEAD "\r\n" DELTA("\"content\":\"x\"") FINISH, ""},
	    {HEAD "\r\n" DELTA("\"content\":\"x\""), TURN_ERROR_UNREACHABLE},
	    /* A framed body says itself where it ends. */
	    {HEAD "Content-Length: 47\r\n\r\n" DELTA("\"content\":\"x\""), ""},
	    {HEAD "Content-Length: 99\r\n\r\n" DELTA("\"content\":\"x\""), TURN_ERROR_UNREACHABLE},
	};
#undef HEAD

	assert_int_equal(strlen(DELTA("\"content\":\"x\"")), 47);
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct asked q = {.fake.answers = {{chat, -1, cases[i].raw, 0}}};

		serve(&q);
		start(&q, true);
		end_of(&q, cases[i].code);
		/* One that was cut was asked to go on. */
		assert_string_equal(buf_cstr(&q.text), cases[i].code[0] ? "xx" : "x");
		finish(&q);
	}
}

static void what_is_not_the_protocol_and_what_says_error_end_it(void **state)
{
	static const struct {
		const char *body, *code, *says;
	} cases[] = {
	    {"data: this is no JSON\n\n", TURN_ERROR_MODEL, "not its protocol"},
	    {"data: {\"error\":{\"message\":\"oh no\"}}\n\n", TURN_ERROR_MODEL, "oh no"},
	    {"data: {\"error\":\"the context size is exceeded\"}\n\n", TURN_ERROR_CONTEXT, "size"},
	};

	for (size_t i = 0; i < 3; i++) {
		struct asked q = {.fake.answers = {{chat, 200, cases[i].body, 0}}};

		serve(&q);
		start(&q, true);
		end_of(&q, cases[i].code);
		assert_holds(q.message, cases[i].says);
		finish(&q);
	}
}

/* Start with short patience. */
static void start_impatient(struct asked *q, bool no_ws, uint64_t first_ms, uint64_t idle_ms)
{
	struct server_opts o = {.hosts = {q->fake.host}, .host_count = 1, .port = 1, .api_key = ""};

	q->server = model_server_new(&loop, &o);
	q->ask = model_ask_start(&loop, &(struct model_ask_opts){.server = q->server,
					    .model = "m",
					    .first_token_ms = first_ms,
					    .idle_ms = idle_ms,
					    .no_ws = no_ws,
					    .on_ready = on_ready,
					    .on_prompt = on_prompt,
					    .on_overflow = on_overflow,
					    .on_text = on_text,
					    .on_progress = on_progress,
					    .on_no_ws = on_no_ws,
					    .on_preflight_failed = on_preflight_failed,
					    .on_end = on_end,
					    .data = q});
}

static void silence_is_a_timeout_before_and_within_the_answer(void **state)
{
	struct asked q = {.fake.answers = {{chat, 0, NULL, 0}}};
	struct asked w = {.fake.ws_says = {"{\"type\":\"chat.token\",\"content\":\"x\"}"}};
	struct asked r = {.fake.answers = {{"/readyz", 0, NULL, 0}}};

	serve(&q);
	start_impatient(&q, true, 100, 10000);
	end_of(&q, TURN_ERROR_TIMEOUT);
	assert_holds(q.message, "0.1 s");
	finish(&q);
	serve(&w);
	start_impatient(&w, false, 10000, 100);
	end_of(&w, TURN_ERROR_TIMEOUT);
	assert_string_equal(buf_cstr(&w.text), "x");
	turn_until(fake_count(&w.fake, "chat.cancel"));
	finish(&w);
	/* The preflight is no exception. */
	serve(&r);
	start_impatient(&r, true, 100, 10000);
	end_of(&r, TURN_ERROR_TIMEOUT);
	finish(&r);
}

static void while_it_is_paused_nothing_is_read_and_nothing_is_late(void **state)
{
	struct asked q = {.pause_in_text = true}, late = {.pause_in_text = true};
	struct buf body = {0};
	uint64_t over;
	size_t before;

	/* Far more than is read at once. */
	while (body.len < 1024 * 1024)
		buf_adds(&body, DELTA("\"content\":\"0123456789\""));
	buf_adds(&body, DONE);
	q.fake.answers[0] = (struct fake_answer){chat, 200, buf_cstr(&body), 0};
	serve(&q);
	start(&q, true);
	turn_until(q.pieces);
	before = q.text.len;
	turn_a_while();
	assert_int_equal(q.text.len, before);
	model_ask_read(q.ask, true);
	end_of(&q, "");
	assert_true(q.text.len > before);
	finish(&q);
	/* The patience with a server does not run while it is not listened to. */
	late.fake.answers[0] = (struct fake_answer){chat, 200, buf_cstr(&body), 0};
	serve(&late);
	start_impatient(&late, true, 10000, 50);
	turn_until(late.pieces);
	over = uv_hrtime() + 200000000;
	turn_until(uv_hrtime() > over);
	assert_int_equal(late.ends, 0);
	model_ask_cancel(late.ask);
	finish(&late);
	buf_finish(&body);
}

static void a_server_that_cannot_be_asked_ends_it_with_the_reason(void **state)
{
	static const struct {
		struct fake_answer first;
		const char *code;
	} cases[] = {
	    {{"/readyz", 503, "{\"error\":\"no-model-loaded\"}", 0}, TURN_ERROR_NO_MODEL},
	    {{"/v1/models", 401, "{}", 0}, TURN_ERROR_MODEL},
	};
	struct asked gone = {0};

	for (size_t i = 0; i < 2; i++) {
		struct asked q = {.fake.answers = {cases[i].first}};

		if (i == 1) {
			q.fake.answers[1] = (struct fake_answer){"/readyz", 404, "{}", 0};
			fake_start(&q.fake);
		} else {
			serve(&q);
		}
		start(&q, true);
		end_of(&q, cases[i].code);
		assert_int_equal(q.preflights_failed, 1);
		assert_int_equal(q.readies, 0);
		finish(&q);
	}
	snprintf(gone.fake.host, sizeof gone.fake.host, "%s", fake_dead_host());
	start(&gone, true);
	end_of(&gone, TURN_ERROR_UNREACHABLE);
	assert_holds(gone.message, "cannot be reached: ECONNREFUSED 127.0.0.1:");
	finish(&gone);
}

static void a_failure_is_not_built_on_and_the_last_text_may_still_cancel(void **state)
{
	struct asked q = {.fake.answers = {{chat, 400, "{}", 1},
			      /* Held back to the end: it might become "<think>". */
			      {chat, 200, DELTA("\"content\":\"<th\"") DONE, 0}}};

	serve(&q);
	start(&q, true);
	end_of(&q, TURN_ERROR_MODEL);
	/* The server is asked anew after a failure, and not after a good answer. */
	q.ends = 0;
	ask_on(&q, true);
	end_of(&q, "");
	assert_int_equal(fake_count(&q.fake, "/readyz"), 2);
	q.ends = 0;
	q.cancel_in_text = true;
	ask_on(&q, true);
	turn_until(q.pieces == 2);
	assert_int_equal(fake_count(&q.fake, "/readyz"), 2);
	turn_a_while();
	assert_int_equal(q.ends, 0);
	assert_string_equal(buf_cstr(&q.text), "<th<th");
	finish(&q);
}

static void words_that_do_not_fit_are_not_sent(void **state)
{
	struct asked q = {.do_not_fit = true,
	    .fake.answers = {
		{"/props", 200, "{\"default_generation_settings\":{\"n_ctx\":512}}", 0}}};

	serve(&q);
	start(&q, false);
	end_of(&q, TURN_ERROR_CONTEXT);
	assert_int_equal(q.context, 512);
	assert_int_equal(fake_count(&q.fake, "/v1/chat"), 0);
	finish(&q);
}

static void a_cancelled_ask_calls_nobody_and_tells_the_server(void **state)
{
	struct asked at_once = {0};
	struct asked sse = {.cancel_in_text = true,
	    .fake.answers = {
		{chat, 200, DELTA("\"content\":\"x\"") DELTA("\"content\":\"y\""), 0}}};
	struct asked silent = {.fake.answers = {{chat, 0, NULL, 0}}};
	struct asked ws = {.cancel_in_text = true,
	    .fake.ws_says = {"{\"type\":\"chat.token\",\"request_id\":\"r-7\",\"content\":\"x\"}",
		"{\"type\":\"chat.token\",\"content\":\"y\"}"}};
	struct asked later = {.cancel_in_progress = true, .fake.answers = {{chat, 500, "", 0}}};

	serve(&at_once);
	start(&at_once, false);
	model_ask_cancel(at_once.ask);
	turn_a_while();
	serve(&sse);
	start(&sse, true);
	turn_until(sse.pieces);
	serve(&silent);
	start(&silent, true);
	turn_until(fake_count(&silent.fake, "\"stream\""));
	model_ask_cancel(silent.ask);
	turn_until(fake_count(&silent.fake, "gone"));
	serve(&ws);
	start(&ws, false);
	turn_until(fake_count(&ws.fake, "{\"type\":\"chat.cancel\",\"request_id\":\"r-7\"}"));
	turn_until(fake_count(&ws.fake, "closed 1000"));
	serve(&later);
	start(&later, true);
	turn_until(later.progress.len);
	turn_a_while();
	assert_string_equal(buf_cstr(&sse.text), "x");
	assert_string_equal(buf_cstr(&ws.text), "x");
	assert_int_equal(at_once.ends + sse.ends + silent.ends + ws.ends + later.ends, 0);
	model_ask_cancel(NULL);
	finish(&at_once);
	finish(&sse);
	finish(&silent);
	finish(&ws);
	finish(&later);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    on_loop(an_answer_over_sse_is_told_piece_by_piece),
	    on_loop(an_answer_over_websocket_is_told_piece_by_piece),
	    on_loop(tool_calls_are_put_together_from_their_pieces),
	    on_loop(without_a_websocket_the_answer_comes_over_sse),
	    on_loop(a_websocket_lost_before_the_first_token_is_made_good_over_sse),
	    on_loop(an_answer_that_is_lost_within_goes_on_once),
	    on_loop(a_message_that_is_too_large_is_the_models_error_over_both),
	    on_loop(a_server_that_fails_is_asked_again),
	    on_loop(a_server_that_goes_on_failing_is_given_up),
	    on_loop(a_refused_request_is_not_tried_again),
	    on_loop(what_is_whole_without_done_and_what_is_cut_are_told_apart),
	    on_loop(what_is_not_the_protocol_and_what_says_error_end_it),
	    on_loop(silence_is_a_timeout_before_and_within_the_answer),
	    on_loop(while_it_is_paused_nothing_is_read_and_nothing_is_late),
	    on_loop(a_server_that_cannot_be_asked_ends_it_with_the_reason),
	    on_loop(a_failure_is_not_built_on_and_the_last_text_may_still_cancel),
	    on_loop(words_that_do_not_fit_are_not_sent),
	    on_loop(a_cancelled_ask_calls_nobody_and_tells_the_server),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
