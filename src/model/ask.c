/*
 * One question to the model server. States are in ask.h; every path out of one
 * goes through end(), which tells on_end once.
 */
#include "model/ask.h"

#include <assert.h>
#include <uv.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/ids.h"
#include "base/json.h"
#include "base/mem.h"
#include "model/answer.h"
#include "model/delta.h"
#include "model/dialect.h"
#include "model/error.h"
#include "model/negotiation.h"
#include "model/server.h"
#include "net/http_client.h"
#include "net/ws_client.h"
#include "protocol/events.h"
#include "protocol/http.h"
#include "protocol/item.h"
#include "protocol/sse.h"

enum ask_state { ASK_PREFLIGHT, ASK_WS, ASK_SSE, ASK_BACKOFF, ASK_ENDED };

enum {
	ASK_LOADING_MS = 1000, /* between two looks at a server that loads */
	ASK_MAX_PINGED = 5,    /* so many times as long as silence a server may only say it lives */
};

struct model_ask {
	uv_loop_t *loop;
	struct model_ask_opts opts; /* strings point into the copies below */
	struct buf tools;
	char model[256];
	enum ask_state state;
	const struct dialect *dialect; /* that is spoken, or will be */
	uv_timer_t timer;	       /* silence, or the backoff; carries the free */
	struct preflight_call *preflight;
	struct ws_call *ws;
	struct http_call *http;
	struct sse *sse;
	struct answer answer;
	struct buf body;	 /* the beginning of an HTTP answer that is no stream so far */
	size_t blanks;		 /* at its front, as far as it was looked at */
	size_t body_max;	 /* bytes of it that are kept */
	uint64_t begun_us;	 /* when it was asked first */
	uint64_t silent_us;	 /* since when nothing of an answer came */
	uint64_t retry_after_ms; /* the server's wish, 0 none */
	unsigned retries, dropped, events;
	int status;
	bool framed; /* SSE: the body's end is told apart from a cut connection */
	bool ready, paused, said_loading, overflowed, continued,
	    done; /* done: it said that all is there */
	char request_id[128];
	char other_type[80]; /* of an answer that is no stream; "" when it is one */
};

static void start_stream(struct model_ask *a);
static void ask_preflight(struct model_ask *a);

static void on_closed(uv_handle_t *handle)
{
	struct model_ask *a = handle->data;

	answer_free(&a->answer);
	sse_free(a->sse);
	buf_finish(&a->tools);
	buf_finish(&a->body);
	free(a);
}

static const char *request_id(const struct model_ask *a)
{
	return a->answer.request_id[0] ? a->answer.request_id : a->request_id;
}

/* Drop whatever connection there is. */
static void hang_up(struct model_ask *a)
{
	struct buf cancel = {0};

	preflight_cancel(a->preflight);
	a->preflight = NULL;
	if (a->ws) {
		/* Closing alone would do; some builds stop sooner when told (they ignore what they
		 * do not know). */
		if (a->dialect->put_cancel) {
			a->dialect->put_cancel(&cancel, request_id(a));
			ws_call_send(a->ws, cancel.p, cancel.len);
		}
		buf_finish(&cancel);
		ws_call_close(a->ws, 1000);
		a->ws = NULL;
	}
	http_call_cancel(a->http);
	a->http = NULL;
}

void model_ask_cancel(struct model_ask *a)
{
	if (!a || a->state == ASK_ENDED)
		return;
	a->state = ASK_ENDED;
	hang_up(a);
	uv_close((uv_handle_t *)&a->timer, on_closed);
}

/* --- the end --- */

/* Why the answer ended, as turn.done says it. */
static const char *finish_reason(const struct model_ask *a)
{
	if (a->answer.refused)
		return "refusal";
	if (a->answer.finish_reason[0])
		return a->answer.finish_reason;
	return a->done ? "stop" : "unknown";
}

/* What a person should know of an answer that is good and yet not what they expect. */
static void tell_oddities(struct model_ask *a)
{
	const struct answer *r = &a->answer;
	const char *reason = finish_reason(a), *message = NULL;
	bool nothing = !r->texts && !r->assembly.count;

	if (strcmp(reason, "length") == 0 || strcmp(reason, "max_tokens") == 0)
		message = nothing
			      ? "the answer was cut by the token limit before it said anything: "
				"raise model.maxTokens, or the server's own limit"
			      : "the answer was cut by the token limit: say \"go on\", or raise "
				"model.maxTokens or the server's own limit";
	else if (strcmp(reason, "content_filter") == 0)
		message = "the model server's content filter ended the answer";
	else if (strcmp(reason, "refusal") == 0)
		message = "the model refused to answer";
	else if (nothing)
		message = r->deltas && r->server_thinks
			      ? "the model thought and then said nothing: ask again"
			      : "the model's answer was empty: ask again";
	else if (strcmp(reason, "unknown") == 0)
		message = "the model server did not say that its answer is whole: it may be cut";
	if (message)
		a->opts.on_progress(a->opts.data, "model.notice", message);
}

static void tell_end(struct model_ask *a, const char *code, const char *message)
{
	struct answer *r = &a->answer;
	struct buf parts = {0};
	struct model_tool_call *calls =
	    r->assembly.count ? mem_zalloc(r->assembly.count, sizeof *calls) : NULL;

	for (size_t i = 0; i < r->assembly.count; i++) {
		struct assembly_call *c = &r->assembly.calls[i];

		calls[i] = (struct model_tool_call){.id = buf_cstr(&c->id),
		    .name = buf_cstr(&c->name),
		    .arguments = buf_cstr(&c->arguments),
		    .spoken = c->spoken,
		    .more = c->more.len ? buf_cstr(&c->more) : NULL};
	}
	answer_put_parts(r, &parts);
	a->opts.on_end(a->opts.data, &(struct model_result){.code = code,
					 .message = message,
					 .finish_reason = finish_reason(a),
					 .dialect = a->dialect->name,
					 .dropped = a->dropped,
					 .has_usage = r->has_usage || a->continued,
					 .continued = a->continued,
					 .prompt_tokens = answer_prompt_tokens(r),
					 .completion_tokens = answer_completion_tokens(r),
					 .parts = parts.len ? buf_cstr(&parts) : NULL,
					 .calls = calls,
					 .call_count = r->assembly.count});
	buf_finish(&parts);
	free(calls);
}

/* Is each line of written in text? Tools put numbers and marks before the lines they show. */
static bool has_lines(struct str text, struct str written)
{
	struct str line;

	while (written.n) {
		written = str_cut(written, '\n', &line);
		line = str_trim(line);
		if (line.n && !(text.n && memmem(text.p, text.n, line.p, line.n)))
			return false;
	}
	return true;
}

/* Does what is held stand in what the model was given? Then it may only have read it aloud. */
static bool was_read(struct model_ask *a)
{
	struct str written =
	    str_trim((struct str){a->answer.marks.held.p, a->answer.marks.held.len});
	struct put put = {0};

	a->opts.on_prompt(a->opts.data, &put);
	for (size_t i = 0; i < put.count && written.n; i++) {
		const struct item *item = put.items[i];

		if (item->kind != ITEM_ASSISTANT &&
		    has_lines((struct str){item->text.p, item->text.len}, written))
			return true;
	}
	return false;
}

/* Was a tool of that name offered? Then a call of it may be written as text. */
static bool is_offered(void *data, const char *name)
{
	struct model_ask *a = data;
	json_t *tools = NULL;
	const json_t *one;
	bool found = false;
	size_t i;

	/* A server that refused them was offered none. */
	if (a->dropped & DROP_TOOLS)
		return false;
	if (a->tools.len && json_parse(a->tools.p, a->tools.len, &tools, NULL) == 0)
		json_array_foreach (tools, i, one)
			found |= strcmp(json_cstr(json_object_get(one, "function"), "name", ""),
				     name) == 0;
	json_decref(tools);
	return found && !was_read(a);
}

static void tell_spoken(struct model_ask *a)
{
	if (a->answer.marks.count)
		a->opts.on_progress(a->opts.data, "model.spoken_call",
		    "the model wrote its call as text, as its server did not take it out "
		    "(llama-server: --jinja; vLLM: --enable-auto-tool-choice with "
		    "--tool-call-parser)");
}

static void end(struct model_ask *a, const char *code, const char *message)
{
	if (a->state == ASK_ENDED)
		return;
	/* The peer is done with us when all went well: nothing to cancel. */
	if (!code && a->ws) {
		ws_call_close(a->ws, 1000);
		a->ws = NULL;
	}
	if (code)
		model_server_distrust(a->opts.server);
	else
		model_server_answered(a->opts.server);
	answer_end(&a->answer, is_offered);
	if (!code && a->state != ASK_ENDED) {
		tell_spoken(a);
		tell_oddities(a);
	}
	if (a->state == ASK_ENDED)
		return;
	model_ask_cancel(a);
	tell_end(a, code, message);
}

/* --- silence --- */

static void on_silence(uv_timer_t *timer)
{
	struct model_ask *a = timer->data;
	char message[128];

	if (a->state == ASK_ENDED || a->paused)
		return;
	snprintf(message, sizeof message, "the model server said nothing for %.1f s",
	    (double)(clock_mono_us() - a->silent_us) / 1000000.0);
	end(a, TURN_ERROR_TIMEOUT, message);
}

static uint64_t silence_ms(const struct model_ask *a)
{
	return a->answer.got_delta ? a->opts.idle_ms : a->opts.first_token_ms;
}

/* Something of the answer came, or the question went out. */
static void watch(struct model_ask *a)
{
	a->silent_us = clock_mono_us();
	uv_timer_start(&a->timer, on_silence, silence_ms(a), 0);
}

/* It lives: comments and pings come while it reads a long prompt. Not for ever. */
static void watch_life(struct model_ask *a)
{
	uint64_t silent_ms = (clock_mono_us() - a->silent_us) / 1000;

	if (a->answer.got_delta || silent_ms > ASK_MAX_PINGED * silence_ms(a))
		return;
	uv_timer_start(&a->timer, on_silence, silence_ms(a), 0);
}

static void move(struct model_ask *a, enum ask_state to)
{
	static const bool allowed[5][5] = {
	    [ASK_PREFLIGHT] = {[ASK_WS] = true, [ASK_SSE] = true, [ASK_BACKOFF] = true},
	    [ASK_WS] = {[ASK_SSE] = true, [ASK_BACKOFF] = true},
	    [ASK_SSE] = {[ASK_BACKOFF] = true},
	    [ASK_BACKOFF] = {[ASK_PREFLIGHT] = true},
	};

	assert(allowed[a->state][to]);
	a->state = to;
}

/* --- trying again --- */

static void on_backoff_over(uv_timer_t *timer)
{
	struct model_ask *a = timer->data;

	if (a->state != ASK_BACKOFF)
		return;
	move(a, ASK_PREFLIGHT);
	ask_preflight(a);
}

/* Ask again in ms, from the beginning. Never at once: what called us still reads the answer. */
static void ask_again(struct model_ask *a, uint64_t ms)
{
	hang_up(a);
	move(a, ASK_BACKOFF);
	uv_timer_start(&a->timer, on_backoff_over, ms, 0);
}

/* A try failed before the first token: again, or give up with code. */
static void retry(struct model_ask *a, const char *code, const char *why)
{
	static const unsigned wait_ms[ASK_MAX_RETRIES] = {500, 1000, 2000};
	char message[600];
	uint64_t ms;

	if (a->retries == ASK_MAX_RETRIES) {
		end(a, code, why);
		return;
	}
	ms = a->retry_after_ms ? a->retry_after_ms : wait_ms[a->retries];
	if (a->retry_after_ms > a->opts.first_token_ms) {
		snprintf(message, sizeof message,
		    "%.300s; it asks to come back in %.0f s, which is longer than "
		    "model.firstTokenTimeoutMs allows",
		    why, (double)a->retry_after_ms / 1000.0);
		end(a, code, message);
		return;
	}
	a->retries++;
	model_server_distrust(a->opts.server);
	snprintf(message, sizeof message, "%.400s; trying again in %.1f s (%u of %d)", why,
	    (double)ms / 1000.0, a->retries, ASK_MAX_RETRIES);
	ask_again(a, ms);
	a->opts.on_progress(a->opts.data, "lmx.retry", message);
}

/* It loads a model, which may take minutes: as long as a first token may take. */
static void wait_for_loading(struct model_ask *a, const char *why)
{
	uint64_t waited_ms = (clock_mono_us() - a->begun_us) / 1000;
	char message[600];

	if (waited_ms + ASK_LOADING_MS > a->opts.first_token_ms) {
		snprintf(message, sizeof message,
		    "the model server still loads after %.0f s: %.400s", (double)waited_ms / 1000.0,
		    why);
		end(a, TURN_ERROR_TIMEOUT, message);
		return;
	}
	model_server_distrust(a->opts.server);
	ask_again(a, a->retry_after_ms && a->retry_after_ms < a->opts.first_token_ms
			 ? a->retry_after_ms
			 : ASK_LOADING_MS);
	if (a->said_loading)
		return;
	a->said_loading = true;
	snprintf(
	    message, sizeof message, "the model server is not ready yet, waiting: %.400s", why);
	a->opts.on_progress(a->opts.data, "model.loading", message);
}

/*
 * The answer was cut within: once the model is asked to go on where it stopped. False: it was
 * before, and what there is ends as it is.
 */
static bool go_on(struct model_ask *a, const char *why)
{
	char message[400];

	if (a->continued || !a->answer.got_delta)
		return false;
	a->continued = true;
	answer_cut(&a->answer);
	if (a->state == ASK_ENDED)
		return true;
	model_server_distrust(a->opts.server);
	ask_again(a, 0);
	snprintf(message, sizeof message, "%.250s: the model is asked to go on", why);
	a->opts.on_progress(a->opts.data, "lmx.continued", message);
	return true;
}

/* --- preflight --- */

static void on_ready(struct model_ask *a, const struct preflight_answer *answer)
{
	if (!a->model[0])
		snprintf(a->model, sizeof a->model, "%s", answer->model);
	if (!answer->lmx)
		a->dialect = &dialect_openai_chat;
	a->dropped |= model_server_dropped(a->opts.server, a->model);
	if (!a->ready) {
		a->ready = true;
		if (!a->opts.on_ready(
			a->opts.data, a->model, model_server_context(a->opts.server, a->model))) {
			end(a, TURN_ERROR_CONTEXT,
			    "this message alone is larger than the model's context");
			return;
		}
	}
	if (a->state != ASK_ENDED)
		start_stream(a);
}

static void on_no_model(struct model_ask *a, const struct preflight_answer *answer)
{
	a->opts.on_preflight_failed(a->opts.data, answer->why->text);
	end(a, TURN_ERROR_NO_MODEL, answer->why->text);
}

static void on_preflight(void *data, const struct preflight_answer *answer)
{
	struct model_ask *a = data;
	char message[700];

	a->preflight = NULL;
	switch (answer->result) {
	case PREFLIGHT_READY:
		on_ready(a, answer);
		return;
	case PREFLIGHT_LOADING:
		wait_for_loading(a, answer->why->text);
		return;
	case PREFLIGHT_UNNAMED:
		/* A list is a hint: who was named is asked. */
		if (a->model[0])
			on_ready(a, answer);
		else
			on_no_model(a, answer);
		return;
	case PREFLIGHT_NO_MODEL:
		on_no_model(a, answer);
		return;
	case PREFLIGHT_REFUSED:
		a->opts.on_preflight_failed(a->opts.data, answer->why->text);
		end(a, TURN_ERROR_MODEL, answer->why->text);
		return;
	case PREFLIGHT_UNREACHABLE:
		snprintf(message, sizeof message, "the model server cannot be reached: %s",
		    answer->why->text);
		a->opts.on_preflight_failed(a->opts.data, answer->why->text);
		end(a, TURN_ERROR_UNREACHABLE, message);
		return;
	}
}

static void ask_preflight(struct model_ask *a)
{
	a->preflight = model_server_preflight(a->opts.server, on_preflight, a);
	watch(a);
}

/* --- refusals --- */

/* Asked again at once, without what was refused. False: nothing of it can be left out. */
static bool asked_without(struct model_ask *a, const char *said)
{
	struct negotiation n;
	char message[700];

	if (a->answer.got_delta ||
	    !negotiation_find(said, a->dropped, a->tools.len > 0, a->opts.max_tokens > 0, &n))
		return false;
	a->dropped |= n.drop;
	model_server_note_drop(a->opts.server, a->model, n.drop);
	snprintf(message, sizeof message, "%s: asked again %s (the server says: %.300s)", n.refused,
	    n.instead, said);
	ask_again(a, 0);
	a->opts.on_progress(
	    a->opts.data, n.drop == DROP_TOOLS ? "lmx.no_tools" : "lmx.negotiated", message);
	return true;
}

/* The prompt is larger than the context: a shorter one, once. */
static bool asked_shorter(struct model_ask *a)
{
	if (a->answer.got_delta || a->overflowed || !a->opts.on_overflow(a->opts.data))
		return false;
	a->overflowed = true;
	ask_again(a, 0);
	return true;
}

/* Is it a failure that another try may not meet? */
static bool passes(const char *said)
{
	static const char *const words[] = {
	    "overloaded", "temporar", "try again", "service unavailable", "connection reset"};

	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
		if (strcasestr(said, words[i]))
			return true;
	return false;
}

/* The server said no, or that it failed; before the first token there may be another way. */
static void fail(struct model_ask *a, const char *said, bool overflow, const char *message)
{
	if (overflow && asked_shorter(a))
		return;
	if (!overflow && passes(said) && go_on(a, said))
		return;
	if (!overflow && asked_without(a, said))
		return;
	end(a, overflow ? TURN_ERROR_CONTEXT : TURN_ERROR_MODEL, message);
}

/* --- messages --- */

static void on_text(void *data, bool thinking, const char *p, size_t n)
{
	struct model_ask *a = data;

	if (a->state != ASK_ENDED)
		a->opts.on_text(a->opts.data, thinking, p, n);
}

static void on_thought(void *data)
{
	struct model_ask *a = data;

	if (a->state != ASK_ENDED)
		a->opts.on_progress(a->opts.data, "model.thought",
		    "the words so far were the model's thoughts: its server did not say so");
}

static void on_bad_message(struct model_ask *a, const char *p, size_t n)
{
	char said[300], message[400];
	bool overflow;

	error_of_text((struct str){p, n}, said, sizeof said, &overflow);
	snprintf(message, sizeof message,
	    "the model server sent something that is not its protocol: %.200s", said);
	end(a, TURN_ERROR_MODEL, message);
}

/* Is it more than a sign of life? Those are not waited for for ever. */
static bool says_something(const struct delta *d)
{
	return d->text.n || d->thinking.n || d->tool_count || d->finish_reason[0] || d->has_usage;
}

/* One message of the stream. The ask may have ended when this returns. */
static void take_message(struct model_ask *a, struct str event, const char *p, size_t n)
{
	struct delta d;
	bool done;

	if (a->dialect->take(event, p, n, &d) != 0) {
		on_bad_message(a, p, n);
		return;
	}
	a->events++;
	if (d.error[0]) {
		fail(a, d.error, d.context_overflow, d.error);
	} else if (answer_take(&a->answer, &d) != 0) {
		end(a, TURN_ERROR_MODEL, "the model's answer is too large");
	} else {
		done = d.done;
		a->done |= done;
		if (a->state != ASK_ENDED && says_something(&d))
			watch(a);
		if (done)
			end(a, NULL, NULL);
	}
	delta_finish(&d);
}

/* --- WebSocket --- */

static void fall_back(struct model_ask *a, const char *why)
{
	char message[300];

	a->ws = NULL;
	a->dialect = a->dialect->fallback;
	snprintf(
	    message, sizeof message, "no WebSocket at the model server (%.200s); using SSE", why);
	move(a, ASK_SSE);
	a->opts.on_no_ws(a->opts.data);
	a->opts.on_progress(a->opts.data, "lmx.fallback_sse", message);
	if (a->state != ASK_ENDED)
		start_stream(a);
}

/* The body of a request, as things are now. Owned by the caller. */
static void put_request(struct model_ask *a, struct buf *out)
{
	struct put put = {.model = a->model,
	    .request_id = a->request_id,
	    .tools = a->tools.len ? buf_cstr(&a->tools) : NULL,
	    .max_tokens = a->opts.max_tokens,
	    .dropped = a->dropped,
	    .go_on = a->continued && a->answer.texts};
	char server[300];

	/* What it said already is not said again. */
	if (put.max_tokens > a->answer.cut_completion_tokens)
		put.max_tokens -= a->answer.cut_completion_tokens;
	else if (put.max_tokens)
		put.max_tokens = 1;
	model_server_name(a->opts.server, server, sizeof server);
	put.server = server;
	a->opts.on_prompt(a->opts.data, &put);
	a->dialect->put_request(out, &put);
}

static void on_ws_open(void *data)
{
	struct model_ask *a = data;
	struct buf b = {0};

	put_request(a, &b);
	ws_call_send(a->ws, b.p, b.len);
	buf_finish(&b);
}

static void on_ws_message(void *data, const char *p, size_t n)
{
	struct model_ask *a = data;

	if (a->state != ASK_WS)
		return;
	watch_life(a);
	take_message(a, (struct str){NULL, 0}, p, n);
}

static void on_ws_closed(void *data, bool opened, uint16_t code, int status, const struct err *err)
{
	static const char lost[] = "the model server closed the connection within its answer";
	struct model_ask *a = data;

	a->ws = NULL;
	if (a->state != ASK_WS)
		return;
	if (a->answer.got_delta) {
		if (code == 1000) {
			a->done = true;
			end(a, NULL, NULL);
		} else if (code == 1009 || err->code == ERR_LIMIT) {
			end(a, TURN_ERROR_MODEL,
			    "the model server sent a message that is too large");
		} else if (!go_on(a, lost)) {
			end(a, TURN_ERROR_WS_CLOSED, lost);
		}
		return;
	}
	fall_back(a, err->text);
}

static void start_ws(struct model_ask *a, const struct target *t, struct filter *filter)
{
	char path[TARGET_MAX_PATH];

	target_path(t, a->dialect->path, path, sizeof path);
	a->ws = ws_call_start(a->loop, &(struct ws_call_opts){.host = t->host,
					   .port = t->port,
					   .target = path,
					   .headers = model_server_headers(a->opts.server),
					   .connect_ms = SERVER_CONNECT_MS,
					   .max_message = DELTA_MAX_MESSAGE,
					   .filter = filter,
					   .on_open = on_ws_open,
					   .on_message = on_ws_message,
					   .on_closed = on_ws_closed,
					   .data = a});
}

/* --- server-sent events --- */

static int on_sse_event(void *data, const struct sse_event *event)
{
	struct model_ask *a = data;

	if (str_eq(str_trim(event->text), "[DONE]")) {
		a->done = true;
		end(a, NULL, NULL);
	} else {
		take_message(a, event->name, event->text.p, event->text.n);
	}
	return a->state == ASK_SSE ? 0 : ERR_CLOSED;
}

/* A stream names its type, or none; anything else with a 200 may be somebody's page. */
static void take_type(struct model_ask *a, struct str type)
{
	struct str head;

	str_cut(type, ';', &head);
	a->other_type[0] = '\0';
	if (type.n && !str_ieq(str_trim(head), "text/event-stream"))
		snprintf(a->other_type, sizeof a->other_type, "%.*s", (int)type.n, type.p);
}

/* Retry-After in seconds (RFC 9110, 10.2.3); a date is not asked for by any model server. */
static uint64_t take_retry_after(struct str value)
{
	struct str whole;
	uint64_t seconds;

	str_cut(str_trim(value), '.', &whole);
	return value.p && str_parse_u64(whole, 86400, &seconds) ? seconds * 1000 : 0;
}

static bool on_sse_head(void *data, int status, const struct http_parser *parser)
{
	struct model_ask *a = data;
	struct str location = http_header(parser, "Location", NULL),
		   encoding = http_header(parser, "Content-Encoding", NULL);
	char message[600];

	a->status = status;
	a->framed = http_header_has(parser, "Transfer-Encoding", "chunked") ||
		    http_header(parser, "Content-Length", NULL).p;
	a->retry_after_ms = take_retry_after(http_header(parser, "Retry-After", NULL));
	take_type(a, http_header(parser, "Content-Type", NULL));
	a->body_max = status == 200 ? DELTA_MAX_MESSAGE : ASK_MAX_ERROR_BODY;
	if (status >= 300 && status < 400 && location.p) {
		snprintf(message, sizeof message,
		    "the model server sends its questions on to %.*s (HTTP %d): set that as "
		    "connection.host",
		    (int)(location.n < 400 ? location.n : 400), location.p, status);
		end(a, TURN_ERROR_MODEL, message);
		return false;
	}
	if (encoding.n && !str_ieq(str_trim(encoding), "identity")) {
		snprintf(message, sizeof message,
		    "the model server compressed its answer (%.*s), which it was not asked to: "
		    "switch that off there, or in the proxy before it",
		    (int)(encoding.n < 40 ? encoding.n : 40), encoding.p);
		end(a, TURN_ERROR_MODEL, message);
		return false;
	}
	return status != 101;
}

static bool says_loading(const char *said)
{
	static const char *const words[] = {
	    "load", "not ready", "starting", "warming", "initializ"};

	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
		if (strcasestr(said, words[i]))
			return true;
	return false;
}

static void on_http_error(struct model_ask *a)
{
	bool overflow;
	char said[400], note[300] = "", message[800];

	delta_error_text(a->body.p, a->body.len, said, sizeof said, &overflow);
	snprintf(message, sizeof message, "the model server %s (HTTP %d): %s",
	    a->status >= 500 ? "failed" : "refused the request", a->status, said);
	if (a->status == 503 && says_loading(said)) {
		wait_for_loading(a, message);
		return;
	}
	if (overflow || negotiation_names(said)) {
		fail(a, said, overflow, message);
		return;
	}
	if (a->status >= 500 || (a->status == 429 && a->retry_after_ms)) {
		retry(a, TURN_ERROR_MODEL, message);
		return;
	}
	if (a->status == 401 || a->status == 403)
		model_server_key_note(a->opts.server, note, sizeof note);
	snprintf(message, sizeof message, "the model server refused the request (HTTP %d): %s%s",
	    a->status, said, note);
	fail(a, said, false, message);
}

/* A 200 that was no stream: one whole answer, an error in JSON, or a page. */
static void on_one_answer(struct model_ask *a)
{
	struct str json = str_trim((struct str){a->body.p, a->body.len});
	const char *mark = json.n ? memmem(json.p, json.n, "\ndata:", 6) : NULL;
	char said[300], message[500];
	bool overflow;

	/* The mark of a stream may follow the answer. */
	if (mark)
		json.n = (size_t)(mark - json.p);
	if (json.n && (json.p[0] == '{' || json.p[0] == '[')) {
		take_message(a, (struct str){NULL, 0}, json.p, json.n);
		if (a->state != ASK_SSE)
			return;
		if (a->answer.got_delta || a->answer.got_finish) {
			end(a, NULL, NULL);
			return;
		}
	}
	delta_error_text(json.p ? json.p : "", json.n, said, sizeof said, &overflow);
	snprintf(message, sizeof message,
	    "the model server answered with %s where text/event-stream was expected: %s",
	    a->other_type[0] ? a->other_type : "no event", said);
	end(a, TURN_ERROR_MODEL, message);
}

/* Does it look like events so far, and not like one answer or a page? */
static bool looks_like_stream(struct model_ask *a)
{
	static const char mark[] = "\xEF\xBB\xBF";

	if (!a->blanks && str_starts((struct str){a->body.p, a->body.len}, mark))
		a->blanks = sizeof mark - 1;
	/* Blanks are looked at once, however many bits they come in. */
	while (a->blanks < a->body.len && strchr(" \t\r\n", a->body.p[a->blanks]))
		a->blanks++;
	return a->events || a->blanks == a->body.len || !strchr("{[<", a->body.p[a->blanks]);
}

/* Keep the beginning of what is no stream so far. False: that was enough of it. */
static bool keep_body(struct model_ask *a, const char *p, size_t n)
{
	size_t room = a->body_max - a->body.len;

	buf_add(&a->body, p, n < room ? n : room);
	return n < room;
}

static void on_sse_body(void *data, const char *p, size_t n)
{
	struct model_ask *a = data;
	int rc;

	if (a->status != 200) {
		if (!keep_body(a, p, n))
			on_http_error(a);
		return;
	}
	watch_life(a);
	/* Some call a stream something else, and an answer a stream: believe what it is. */
	if (!a->events && !keep_body(a, p, n) && !looks_like_stream(a)) {
		on_one_answer(a);
		return;
	}
	if (!looks_like_stream(a))
		return;
	rc = sse_feed(a->sse, p, n);
	if (rc == ERR_LIMIT && a->state == ASK_SSE)
		end(a, TURN_ERROR_MODEL, "the model server sent a line that is too large");
}

/* It ended: in order, or not. */
static void on_stream_end(struct model_ask *a, const struct err *err)
{
	char message[500];

	if (err->code == 0 && !looks_like_stream(a)) {
		on_one_answer(a);
		return;
	}
	if (err->code == 0) {
		if (sse_end(a->sse) == ERR_CLOSED || a->state != ASK_SSE)
			return;
		/* A stream that ended in order without [DONE] has said all it had to say. */
		if (a->answer.got_finish || (a->framed && a->answer.got_delta)) {
			end(a, NULL, NULL);
			return;
		}
	}
	snprintf(message, sizeof message, "the model server closed the connection%s: %.300s",
	    a->answer.got_delta ? " within its answer" : "", err->code ? err->text : "no answer");
	if (!a->answer.got_delta)
		retry(a, TURN_ERROR_UNREACHABLE, message);
	else if (!go_on(a, message))
		end(a, TURN_ERROR_UNREACHABLE, message);
}

static void on_sse_done(void *data, const struct err *err, bool sent)
{
	struct model_ask *a = data;

	a->http = NULL;
	if (a->state != ASK_SSE)
		return;
	if (a->status && a->status != 200)
		on_http_error(a);
	else
		on_stream_end(a, err);
}

static void start_sse(struct model_ask *a, const struct target *t, struct filter *filter)
{
	struct buf headers = {0}, body = {0};
	char path[TARGET_MAX_PATH];

	buf_adds(&headers, "Content-Type: application/json\r\nAccept: text/event-stream\r\n"
			   "Accept-Encoding: identity\r\n");
	buf_adds(&headers, model_server_headers(a->opts.server));
	put_request(a, &body);
	target_path(t, a->dialect->path, path, sizeof path);
	a->status = 0;
	a->events = 0;
	a->retry_after_ms = 0;
	buf_clear(&a->body);
	a->blanks = 0;
	sse_free(a->sse);
	a->sse = sse_new(DELTA_MAX_MESSAGE, on_sse_event, a);
	sse_set_lenient(a->sse);
	a->http = http_call_start(a->loop, &(struct http_call_opts){.host = t->host,
					       .port = t->port,
					       .method = "POST",
					       .target = path,
					       .headers = buf_cstr(&headers),
					       .body = body.p,
					       .body_len = body.len,
					       .connect_ms = SERVER_CONNECT_MS,
					       .filter = filter,
					       .on_head = on_sse_head,
					       .on_body = on_sse_body,
					       .on_done = on_sse_done,
					       .data = a});
	buf_finish(&headers);
	buf_finish(&body);
}

static void start_stream(struct model_ask *a)
{
	const struct target *t = model_server_target(a->opts.server);
	struct filter *filter;
	struct err err = {0};

	/* The settings may have changed since the preflight. */
	if (!t) {
		end(a, TURN_ERROR_UNREACHABLE, "no model server is configured any more");
		return;
	}
	filter = target_filter(t, &err);
	if (t->tls && !filter) {
		end(a, TURN_ERROR_UNREACHABLE, err.text);
		return;
	}
	if (a->state == ASK_PREFLIGHT)
		move(a, a->dialect->framing == FRAMING_WS ? ASK_WS : ASK_SSE);
	if (a->state == ASK_WS)
		start_ws(a, t, filter);
	else
		start_sse(a, t, filter);
	watch(a);
}

struct model_ask *model_ask_start(uv_loop_t *loop, const struct model_ask_opts *opts)
{
	struct model_ask *a = mem_zalloc(1, sizeof *a);

	a->loop = loop;
	a->opts = *opts;
	a->dialect = opts->no_ws ? &dialect_openai_chat : &dialect_lmx_ws;
	a->dropped = opts->dropped;
	a->begun_us = clock_mono_us();
	snprintf(a->model, sizeof a->model, "%s", opts->model);
	if (opts->tools)
		buf_adds(&a->tools, opts->tools);
	ids_make("req_", 8, a->request_id, sizeof a->request_id);
	answer_init(&a->answer, on_text, on_thought, a);
	uv_timer_init(loop, &a->timer);
	a->timer.data = a;
	ask_preflight(a);
	return a;
}

void model_ask_read(struct model_ask *a, bool on)
{
	if (a->state == ASK_ENDED)
		return;
	a->paused = !on;
	if (a->ws)
		ws_call_read(a->ws, on);
	if (a->http)
		http_call_read(a->http, on);
	if (on)
		watch(a);
}
