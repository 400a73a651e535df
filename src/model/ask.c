/* One question to the model server. See the drawing in ask.h. */
#include "model/ask.h"

#include <assert.h>
#include <uv.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/ids.h"
#include "base/json.h"
#include "base/mem.h"
#include "model/delta.h"
#include "model/server.h"
#include "model/text.h"
#include "net/filter.h"
#include "net/http_client.h"
#include "net/ws_client.h"
#include "protocol/events.h"
#include "protocol/http.h"
#include "protocol/sse.h"

enum ask_state {
	ASK_PREFLIGHT, /* is the server there, what has it loaded */
	ASK_WS,	       /* streaming, or trying to, over WebSocket */
	ASK_SSE,       /* the same over server-sent events */
	ASK_BACKOFF,   /* waiting before the next try */
	ASK_ENDED,     /* on_end was called, or cancelled */
};

struct ask_tool {
	struct buf id, name, arguments;
};

struct model_ask {
	uv_loop_t *loop;
	struct model_ask_opts opts; /* strings point into the copies below */
	struct buf messages, tools;
	char model[256];
	enum ask_state state;
	uv_timer_t timer; /* silence, or the backoff; carries the free */
	struct preflight_call *preflight;
	struct ws_call *ws;
	struct http_call *http;
	struct sse *sse;
	struct model_text *text;
	struct buf error_body;	    /* of an HTTP answer that is no stream */
	struct ask_tool *tools_out; /* owned, tool_count */
	size_t tool_count, answer_bytes, deltas;
	int status, retries;
	bool framed; /* SSE: the body's end is told apart from a cut connection */
	bool ready, got_delta, got_finish, no_ws, paused;
	bool has_usage;
	uint64_t prompt_tokens, completion_tokens;
	char finish_reason[32], request_id[128];
	char other_type[80]; /* of an answer that is no stream; "" when it is one */
};

static void start_stream(struct model_ask *a);

static void on_closed(uv_handle_t *handle)
{
	struct model_ask *a = handle->data;

	for (size_t i = 0; i < a->tool_count; i++) {
		buf_finish(&a->tools_out[i].id);
		buf_finish(&a->tools_out[i].name);
		buf_finish(&a->tools_out[i].arguments);
	}
	free(a->tools_out);
	model_text_free(a->text);
	sse_free(a->sse);
	buf_finish(&a->messages);
	buf_finish(&a->tools);
	buf_finish(&a->error_body);
	free(a);
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
		buf_adds(&cancel, "{\"type\":\"chat.cancel\",\"request_id\":");
		json_put_cstr(&cancel, a->request_id);
		buf_addc(&cancel, '}');
		ws_call_send(a->ws, cancel.p, cancel.len);
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

static void end(struct model_ask *a, const char *code, const char *message)
{
	struct model_result result = {.code = code, .message = message};
	struct model_tool_call *calls = NULL;

	if (a->state == ASK_ENDED)
		return;
	result.dialect = a->state == ASK_WS ? "lmx_ws" : "openai_chat";
	/* The peer is done with us when all went well: nothing to cancel. */
	if (!code && a->ws) {
		ws_call_close(a->ws, 1000);
		a->ws = NULL;
	}
	if (code)
		model_server_distrust(a->opts.server);
	model_text_end(a->text);
	if (a->state == ASK_ENDED)
		return;
	model_ask_cancel(a);
	if (a->tool_count)
		calls = mem_zalloc(a->tool_count, sizeof *calls);
	for (size_t i = 0; i < a->tool_count; i++)
		calls[i] =
		    (struct model_tool_call){.id = (char *)(uintptr_t)buf_cstr(&a->tools_out[i].id),
			.name = (char *)(uintptr_t)buf_cstr(&a->tools_out[i].name),
			.arguments = (char *)(uintptr_t)buf_cstr(&a->tools_out[i].arguments)};
	result.finish_reason = a->finish_reason[0] ? a->finish_reason : "stop";
	result.has_usage = a->has_usage;
	result.prompt_tokens = a->prompt_tokens;
	result.completion_tokens = a->completion_tokens;
	result.calls = calls;
	result.call_count = a->tool_count;
	a->opts.on_end(a->opts.data, &result);
	free(calls);
}

static void on_silence(uv_timer_t *timer)
{
	struct model_ask *a = timer->data;
	char message[128];

	if (a->state == ASK_ENDED || a->paused)
		return;
	snprintf(message, sizeof message, "the model server said nothing for %.1f s",
	    (double)(a->got_delta ? a->opts.idle_ms : a->opts.first_token_ms) / 1000.0);
	end(a, TURN_ERROR_TIMEOUT, message);
}

static void watch(struct model_ask *a)
{
	uv_timer_start(
	    &a->timer, on_silence, a->got_delta ? a->opts.idle_ms : a->opts.first_token_ms, 0);
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

/* --- preflight and retries --- */

static void on_preflight(void *data, const struct preflight_answer *answer)
{
	struct model_ask *a = data;
	char message[700];

	a->preflight = NULL;
	switch (answer->result) {
	case PREFLIGHT_READY:
		if (!a->model[0])
			snprintf(a->model, sizeof a->model, "%s", answer->model);
		if (!a->ready) {
			a->ready = true;
			if (!a->opts.on_ready(
				a->opts.data, a->model, answer->context_tokens, &a->messages)) {
				end(a, TURN_ERROR_CONTEXT,
				    "this message alone is larger than the model's context");
				return;
			}
		}
		if (a->state != ASK_ENDED)
			start_stream(a);
		return;
	case PREFLIGHT_NO_MODEL:
		a->opts.on_preflight_failed(a->opts.data, answer->why->text);
		end(a, TURN_ERROR_NO_MODEL, answer->why->text);
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

static void on_backoff_over(uv_timer_t *timer)
{
	struct model_ask *a = timer->data;

	if (a->state != ASK_BACKOFF)
		return;
	move(a, ASK_PREFLIGHT);
	ask_preflight(a);
}

/* A try failed before the first token: again, or give up with code. */
static void retry(struct model_ask *a, const char *code, const char *why)
{
	static const unsigned wait_ms[ASK_MAX_RETRIES] = {500, 1000, 2000};
	char message[600];

	model_server_distrust(a->opts.server);
	hang_up(a);
	if (a->retries == ASK_MAX_RETRIES) {
		end(a, code, why);
		return;
	}
	snprintf(message, sizeof message, "%.400s; trying again in %.1f s (%d of %d)", why,
	    wait_ms[a->retries] / 1000.0, a->retries + 1, ASK_MAX_RETRIES);
	move(a, ASK_BACKOFF);
	uv_timer_start(&a->timer, on_backoff_over, wait_ms[a->retries], 0);
	a->retries++;
	a->opts.on_progress(a->opts.data, "lmx.retry", message);
}

/* --- deltas --- */

static void on_text(void *data, bool thinking, const char *p, size_t n)
{
	struct model_ask *a = data;

	if (a->state == ASK_ENDED)
		return;
	a->opts.on_text(a->opts.data, thinking, p, n);
}

/* Which call of the answer this is a fragment of. Some servers give no index: then a new id, or a
 * name without one, begins the next call. */
static uint64_t place_of(const struct model_ask *a, const struct delta_tool *from)
{
	if (from->has_index)
		return from->index;
	for (size_t i = 0; from->id.n && i < a->tool_count; i++)
		if (str_eq(from->id, buf_cstr(&a->tools_out[i].id)))
			return i;
	return from->id.n || from->name.n || !a->tool_count ? a->tool_count : a->tool_count - 1;
}

static bool take_tools(struct model_ask *a, const struct delta *d)
{
	for (size_t i = 0; i < d->tool_count; i++) {
		const struct delta_tool *from = &d->tools[i];
		uint64_t place = place_of(a, from);
		struct ask_tool *to;

		if (place >= DELTA_MAX_TOOL_CALLS)
			return false;
		if (place >= a->tool_count) {
			size_t want = place + 1;

			a->tools_out = mem_realloc(a->tools_out, want * sizeof *a->tools_out);
			memset(a->tools_out + a->tool_count, 0,
			    (want - a->tool_count) * sizeof *a->tools_out);
			a->tool_count = want;
		}
		to = &a->tools_out[place];
		if (to->arguments.len + from->arguments.n > DELTA_MAX_ARGUMENTS ||
		    to->id.len + from->id.n > 256 || to->name.len + from->name.n > 256)
			return false;
		/* Some servers repeat id and name in each fragment. */
		if (!to->id.len)
			buf_add(&to->id, from->id.p, from->id.n);
		if (!to->name.len)
			buf_add(&to->name, from->name.p, from->name.n);
		buf_add(&to->arguments, from->arguments.p, from->arguments.n);
		a->answer_bytes += from->arguments.n;
	}
	return true;
}

/* One message of the stream. The ask may have ended when this returns. */
static void take_message(struct model_ask *a, const char *p, size_t n)
{
	struct delta d;

	if (delta_parse(p, n, &d) != 0) {
		end(a, TURN_ERROR_MODEL,
		    "the model server sent something that is not its protocol");
		return;
	}
	if (d.error[0]) {
		end(a, d.context_overflow ? TURN_ERROR_CONTEXT : TURN_ERROR_MODEL, d.error);
		delta_finish(&d);
		return;
	}
	a->answer_bytes += d.text.n + d.thinking.n;
	if (!take_tools(a, &d) || a->answer_bytes > ASK_MAX_ANSWER ||
	    ++a->deltas > ASK_MAX_DELTAS) {
		end(a, TURN_ERROR_MODEL, "the model's answer is too large");
		delta_finish(&d);
		return;
	}
	if (d.text.n || d.thinking.n || d.tool_count)
		a->got_delta = true;
	if (d.request_id[0] && strcmp(d.request_id, a->request_id) != 0)
		snprintf(a->request_id, sizeof a->request_id, "%s", d.request_id);
	if (d.finish_reason[0]) {
		snprintf(a->finish_reason, sizeof a->finish_reason, "%s", d.finish_reason);
		a->got_finish = true;
	}
	if (d.has_usage) {
		a->has_usage = true;
		a->prompt_tokens = d.prompt_tokens;
		a->completion_tokens = d.completion_tokens;
	}
	watch(a);
	if (d.thinking.n)
		model_text_feed(a->text, true, d.thinking.p, d.thinking.n);
	if (d.text.n && a->state != ASK_ENDED)
		model_text_feed(a->text, false, d.text.p, d.text.n);
	if (d.done && a->state != ASK_ENDED)
		end(a, NULL, NULL);
	delta_finish(&d);
}

/* --- the request --- */

static void put_common(struct model_ask *a, struct buf *b)
{
	buf_adds(b, "\"stream\":true,\"model\":");
	json_put_cstr(b, a->model);
	buf_adds(b, ",\"messages\":");
	buf_add(b, a->messages.p, a->messages.len);
	if (a->tools.len) {
		buf_adds(b, ",\"tools\":");
		buf_add(b, a->tools.p, a->tools.len);
		buf_adds(b, ",\"tool_choice\":\"auto\"");
	}
	if (a->opts.max_tokens) {
		buf_adds(b, ",\"max_tokens\":");
		buf_addu(b, a->opts.max_tokens);
	}
}

/* --- WebSocket --- */

static void fall_back(struct model_ask *a, const char *why)
{
	char message[300];

	a->ws = NULL;
	a->no_ws = true;
	snprintf(
	    message, sizeof message, "no WebSocket at the model server (%.200s); using SSE", why);
	move(a, ASK_SSE);
	a->opts.on_no_ws(a->opts.data);
	a->opts.on_progress(a->opts.data, "lmx.fallback_sse", message);
	if (a->state != ASK_ENDED)
		start_stream(a);
}

static void on_ws_open(void *data)
{
	struct model_ask *a = data;
	struct buf b = {0};

	buf_adds(&b, "{\"type\":\"chat.request\",\"request_id\":");
	json_put_cstr(&b, a->request_id);
	buf_addc(&b, ',');
	put_common(a, &b);
	buf_addc(&b, '}');
	ws_call_send(a->ws, b.p, b.len);
	buf_finish(&b);
}

static void on_ws_message(void *data, const char *p, size_t n)
{
	struct model_ask *a = data;

	if (a->state == ASK_WS)
		take_message(a, p, n);
}

static void on_ws_closed(void *data, bool opened, uint16_t code, int status, const struct err *err)
{
	struct model_ask *a = data;

	a->ws = NULL;
	if (a->state != ASK_WS)
		return;
	if (a->got_delta) {
		if (code == 1000)
			end(a, NULL, NULL);
		else if (code == 1009 || err->code == ERR_LIMIT)
			end(a, TURN_ERROR_MODEL,
			    "the model server sent a message that is too large");
		else
			end(a, TURN_ERROR_WS_CLOSED,
			    "the model server closed the connection within its answer");
		return;
	}
	fall_back(a, err->text);
}

static void start_ws(struct model_ask *a, const struct target *t, struct filter *filter)
{
	char path[600];

	snprintf(path, sizeof path, "%s/v1/chat/stream", t->prefix);
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

static int on_sse_event(void *data, struct str text, struct str id)
{
	struct model_ask *a = data;

	if (str_eq(str_trim(text), "[DONE]"))
		end(a, NULL, NULL);
	else
		take_message(a, text.p, text.n);
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

static bool on_sse_head(void *data, int status, const struct http_parser *parser)
{
	struct model_ask *a = data;

	a->status = status;
	a->framed = http_header_has(parser, "Transfer-Encoding", "chunked") ||
		    http_header(parser, "Content-Length", NULL).p;
	take_type(a, http_header(parser, "Content-Type", NULL));
	return status != 101;
}

static void on_http_error(struct model_ask *a)
{
	bool overflow;
	char said[400], note[300] = "", message[800];

	delta_error_text(a->error_body.p, a->error_body.len, said, sizeof said, &overflow);
	if (a->status >= 500) {
		snprintf(message, sizeof message, "the model server failed (HTTP %d): %s",
		    a->status, said);
		retry(a, TURN_ERROR_MODEL, message);
		return;
	}
	if (a->status == 401 || a->status == 403)
		model_server_key_note(a->opts.server, note, sizeof note);
	snprintf(message, sizeof message, "the model server refused the request (HTTP %d): %s%s",
	    a->status, said, note);
	end(a, overflow ? TURN_ERROR_CONTEXT : TURN_ERROR_MODEL, message);
}

static void on_other_type(struct model_ask *a)
{
	bool overflow;
	char said[300], message[500];

	delta_error_text(a->error_body.p, a->error_body.len, said, sizeof said, &overflow);
	snprintf(message, sizeof message,
	    "the model server answered with %s where text/event-stream was expected: %s",
	    a->other_type, said);
	end(a, TURN_ERROR_MODEL, message);
}

static void on_no_stream(struct model_ask *a)
{
	if (a->status == 200)
		on_other_type(a);
	else
		on_http_error(a);
}

/* Keep the beginning of what is no stream. False: that was enough of it. */
static bool keep_error(struct model_ask *a, const char *p, size_t n)
{
	size_t room = ASK_MAX_ERROR_BODY - a->error_body.len;

	buf_add(&a->error_body, p, n < room ? n : room);
	return n < room;
}

static void on_sse_body(void *data, const char *p, size_t n)
{
	struct model_ask *a = data;

	if (a->status != 200) {
		if (!keep_error(a, p, n))
			on_no_stream(a);
		return;
	}
	if (sse_feed(a->sse, p, n) == ERR_LIMIT && a->state == ASK_SSE)
		end(a, TURN_ERROR_MODEL, "the model server sent a line that is too large");
	/* Some call a stream something else: believe what it is. */
	if (a->state == ASK_SSE && a->other_type[0] && !a->got_delta && !keep_error(a, p, n))
		on_no_stream(a);
}

static void on_sse_done(void *data, const struct err *err, bool sent)
{
	struct model_ask *a = data;
	char message[500];

	a->http = NULL;
	if (a->state != ASK_SSE)
		return;
	if (a->status && (a->status != 200 || (a->other_type[0] && !a->got_delta))) {
		on_no_stream(a);
		return;
	}
	/* A stream that ended in order without [DONE] has said all it had to say. */
	if (err->code == 0 && (a->got_finish || (a->framed && a->got_delta))) {
		end(a, NULL, NULL);
		return;
	}
	snprintf(message, sizeof message, "the model server closed the connection%s: %.300s",
	    a->got_delta ? " within its answer" : "", err->code ? err->text : "no answer");
	if (a->got_delta)
		end(a, TURN_ERROR_UNREACHABLE, message);
	else
		retry(a, TURN_ERROR_UNREACHABLE, message);
}

static void start_sse(struct model_ask *a, const struct target *t, struct filter *filter)
{
	struct buf headers = {0}, body = {0};
	char path[600];

	buf_adds(&headers, "Content-Type: application/json\r\nAccept: text/event-stream\r\n");
	buf_adds(&headers, model_server_headers(a->opts.server));
	buf_addc(&body, '{');
	put_common(a, &body);
	buf_adds(&body, ",\"stream_options\":{\"include_usage\":true}}");
	snprintf(path, sizeof path, "%s/v1/chat/completions", t->prefix);
	a->status = 0;
	buf_clear(&a->error_body);
	sse_free(a->sse);
	a->sse = sse_new(DELTA_MAX_MESSAGE, on_sse_event, a);
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
		move(a, a->no_ws ? ASK_SSE : ASK_WS);
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
	a->no_ws = opts->no_ws;
	snprintf(a->model, sizeof a->model, "%s", opts->model);
	if (opts->tools)
		buf_adds(&a->tools, opts->tools);
	ids_make("req_", 8, a->request_id, sizeof a->request_id);
	a->text = model_text_new(on_text, a);
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
