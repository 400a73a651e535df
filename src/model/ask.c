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
#include "model/exchange.h"
#include "model/negotiation.h"
#include "model/server.h"
#include "protocol/events.h"
#include "protocol/item.h"

enum ask_state { ASK_PREFLIGHT, ASK_STREAM, ASK_BACKOFF, ASK_ENDED };

enum {
	ASK_MAX_KEEP_ALIVE = 64, /* bytes; the settings allow fewer */
	ASK_LOADING_MS = 1000,	 /* between two looks at a server that loads */
	ASK_MAX_PINGED = 5, /* so many times as long as silence a server may only say it lives */
};

struct model_ask {
	uv_loop_t *loop;
	struct model_ask_opts opts; /* strings point into the copies below */
	struct buf tools;
	char model[256];
	char keep_alive[ASK_MAX_KEEP_ALIVE];
	enum ask_state state;
	const struct dialect *dialect; /* that is spoken, or will be */
	uv_timer_t timer;	       /* silence, or the backoff; carries the free */
	struct preflight_call *preflight;
	struct exchange *exchange; /* of the try that is under way, or NULL */
	struct answer answer;
	uint64_t begun_us;	 /* when it was asked first */
	uint64_t silent_us;	 /* since when nothing of an answer came */
	uint64_t retry_after_ms; /* the server's wish, 0 none */
	unsigned retries, dropped;
	bool ready, paused, said_loading, overflowed, continued,
	    done; /* done: it said that all is there */
	char request_id[128];
};

static void start_stream(struct model_ask *a);
static void ask_preflight(struct model_ask *a);

static void on_closed(uv_handle_t *handle)
{
	struct model_ask *a = handle->data;

	answer_free(&a->answer);
	buf_finish(&a->tools);
	free(a);
}

static const char *request_id(const struct model_ask *a)
{
	return a->answer.request_id[0] ? a->answer.request_id : a->request_id;
}

/* Drop whatever connection there is. */
static void hang_up(struct model_ask *a)
{
	preflight_cancel(a->preflight);
	a->preflight = NULL;
	exchange_drop(a->exchange, request_id(a));
	a->exchange = NULL;
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
	if (!code) {
		exchange_drop(a->exchange, NULL);
		a->exchange = NULL;
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
	static const bool allowed[4][4] = {
	    [ASK_PREFLIGHT] = {[ASK_STREAM] = true, [ASK_BACKOFF] = true},
	    [ASK_STREAM] = {[ASK_STREAM] = true, [ASK_BACKOFF] = true},
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

/* What the server is known to speak; one that shows itself as LMX has a WebSocket. */
static void choose_dialect(struct model_ask *a, bool lmx)
{
	const struct dialect *named = model_server_dialect(a->opts.server);

	if (named && named->framing != FRAMING_WS)
		a->dialect = named;
	else if (!named && !lmx)
		a->dialect = &dialect_openai_chat;
}

static void on_ready(struct model_ask *a, const struct preflight_answer *answer)
{
	if (!a->model[0])
		snprintf(a->model, sizeof a->model, "%s", answer->model);
	choose_dialect(a, answer->lmx);
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
	    !negotiation_find(said, a->dropped | (DROP_ALL & ~a->dialect->can_drop),
		a->tools.len > 0, a->opts.max_tokens > 0, &n))
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

/* The server said no, or that it failed; before the first token there may be another way. */
static void fail(struct model_ask *a, const char *said, bool overflow, const char *message)
{
	if (overflow && asked_shorter(a))
		return;
	if (!overflow && error_passes(said) && go_on(a, said))
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

/* --- one try --- */

static void ask_on_message(void *data, struct str event, struct str text)
{
	struct model_ask *a = data;

	if (a->state == ASK_STREAM)
		take_message(a, event, text.p, text.n);
}

static void on_life(void *data)
{
	watch_life(data);
}

static void fall_back(struct model_ask *a, const char *why)
{
	char message[300];

	a->dialect = a->dialect->fallback;
	snprintf(
	    message, sizeof message, "no WebSocket at the model server (%.200s); using SSE", why);
	a->opts.on_no_ws(a->opts.data);
	a->opts.on_progress(a->opts.data, "lmx.fallback_sse", message);
	if (a->state != ASK_ENDED)
		start_stream(a);
}

/* An HTTP status that is no answer. */
static void on_status(struct model_ask *a, const struct exchange_result *r)
{
	bool overflow;
	char said[400], note[300] = "", message[800];

	delta_error_text(r->body.p, r->body.n, said, sizeof said, &overflow);
	snprintf(message, sizeof message, "the model server %s (HTTP %d): %s",
	    r->status >= 500 ? "failed" : "refused the request", r->status, said);
	a->retry_after_ms = r->retry_after_ms;
	if (r->status == 503 && error_says_loading(said)) {
		wait_for_loading(a, message);
		return;
	}
	if (overflow || negotiation_names(said)) {
		fail(a, said, overflow, message);
		return;
	}
	if (r->status >= 500 || (r->status == 429 && r->retry_after_ms)) {
		retry(a, TURN_ERROR_MODEL, message);
		return;
	}
	if (r->status == 401 || r->status == 403) {
		model_server_key_note(a->opts.server, note, sizeof note);
		model_server_key_refused(a->opts.server);
	}
	snprintf(message, sizeof message, "the model server refused the request (HTTP %d): %s%s",
	    r->status, said, note);
	fail(a, said, false, message);
}

/* It was one text: an answer that was taken already, or somebody's page. */
static void on_no_stream(struct model_ask *a, const struct exchange_result *r)
{
	char said[300], message[500];
	bool overflow;

	if (a->answer.got_delta || a->answer.got_finish) {
		end(a, NULL, NULL);
		return;
	}
	delta_error_text(r->body.p ? r->body.p : "", r->body.n, said, sizeof said, &overflow);
	snprintf(message, sizeof message, "the model server answered with %s where %s: %s",
	    r->type[0] ? r->type : "no event",
	    a->dialect->framing == FRAMING_LINES ? "lines of JSON were expected"
						 : "text/event-stream was expected",
	    said);
	end(a, TURN_ERROR_MODEL, message);
}

/* The connection is gone before the answer said that it is whole. */
static void on_cut(struct model_ask *a, const char *why)
{
	static const char lost[] = "the model server closed the connection within its answer";
	char message[500];

	if (a->dialect->framing == FRAMING_WS) {
		if (!go_on(a, lost))
			end(a, TURN_ERROR_WS_CLOSED, lost);
		return;
	}
	snprintf(message, sizeof message, "the model server closed the connection%s: %.300s",
	    a->answer.got_delta ? " within its answer" : "", why);
	if (!a->answer.got_delta)
		retry(a, TURN_ERROR_UNREACHABLE, message);
	else if (!go_on(a, message))
		end(a, TURN_ERROR_UNREACHABLE, message);
}

static void on_whole(struct model_ask *a, const struct exchange_result *r)
{
	a->done |= r->said_end;
	/* A stream that ended in order without its mark has said all it had to say. */
	if (a->done || a->answer.got_finish || (r->framed && a->answer.got_delta))
		end(a, NULL, NULL);
	else
		on_cut(a, "no answer");
}

static void on_exchange_end(void *data, const struct exchange_result *r)
{
	struct model_ask *a = data;

	a->exchange = NULL;
	if (a->state != ASK_STREAM)
		return;
	if (a->dialect->fallback && !a->answer.got_delta) {
		fall_back(a, r->why ? r->why : "it was closed");
		return;
	}
	switch (r->end) {
	case EXCHANGE_WHOLE:
		on_whole(a, r);
		break;
	case EXCHANGE_CUT:
		on_cut(a, r->why);
		break;
	case EXCHANGE_TOO_LARGE:
		end(a, TURN_ERROR_MODEL, "the model server sent a message that is too large");
		break;
	case EXCHANGE_STATUS:
		on_status(a, r);
		break;
	case EXCHANGE_NO_STREAM:
		on_no_stream(a, r);
		break;
	case EXCHANGE_UNUSABLE:
		end(a, TURN_ERROR_MODEL, r->why);
		break;
	}
}

/* The body of a request, as things are now. Owned by the caller. */
static void put_request(struct model_ask *a, struct buf *out)
{
	struct put put = {.model = a->model,
	    .request_id = a->request_id,
	    .tools = a->tools.len ? buf_cstr(&a->tools) : NULL,
	    .max_tokens = a->opts.max_tokens,
	    .context_tokens = a->opts.context_tokens,
	    .keep_alive = a->keep_alive,
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

static void start_stream(struct model_ask *a)
{
	struct buf request = {0};
	struct err err = {0};

	move(a, ASK_STREAM);
	put_request(a, &request);
	a->retry_after_ms = 0;
	a->exchange = exchange_start(&(struct exchange_opts){.loop = a->loop,
					 .server = a->opts.server,
					 .dialect = a->dialect,
					 .request = {request.p, request.len},
					 .on_message = ask_on_message,
					 .on_life = on_life,
					 .on_end = on_exchange_end,
					 .data = a},
	    &err);
	buf_finish(&request);
	if (a->exchange)
		watch(a);
	else
		end(a, TURN_ERROR_UNREACHABLE, err.text);
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
	if (opts->keep_alive)
		snprintf(a->keep_alive, sizeof a->keep_alive, "%s", opts->keep_alive);
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
	if (a->exchange)
		exchange_read(a->exchange, on);
	if (on)
		watch(a);
}
