/* One request to the model server and its answer's messages. */
#include "model/exchange.h"

#include <string.h>
#include <uv.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "model/dialect.h"
#include "model/server.h"
#include "net/http_client.h"
#include "net/ws_client.h"
#include "protocol/http.h"
#include "protocol/sse.h"

struct exchange {
	struct exchange_opts opts;
	struct buf request; /* owned */
	struct ws_call *ws; /* one of the two, until it is over */
	struct http_call *http;
	struct sse *sse;  /* owned; server-sent events */
	struct buf line;  /* lines: the one that is not whole */
	struct buf body;  /* the beginning of what is no stream so far */
	size_t blanks;	  /* at its front, as far as it was looked at */
	size_t body_max;  /* bytes of it that are kept */
	unsigned running; /* callbacks that are under way: it is freed after the last */
	bool messages;	  /* one was told */
	bool said_end, framed, over;
	int status;
	uint64_t retry_after_ms;
	char type[80]; /* of an answer that is no stream; "" when it is one */
};

/* --- its life --- */

static void enter(struct exchange *x)
{
	x->running++;
}

static void exchange_leave(struct exchange *x)
{
	if (--x->running || !x->over)
		return;
	sse_free(x->sse);
	buf_finish(&x->request);
	buf_finish(&x->line);
	buf_finish(&x->body);
	free(x);
}

void exchange_drop(struct exchange *x, const char *request_id)
{
	struct buf cancel = {0};

	if (!x || x->over)
		return;
	enter(x);
	x->over = true;
	if (x->ws) {
		/* Closing alone would do; some builds stop sooner when told (they ignore what they
		 * do not know). */
		if (request_id && x->opts.dialect->put_cancel) {
			x->opts.dialect->put_cancel(&cancel, request_id);
			ws_call_send(x->ws, cancel.p, cancel.len);
		}
		buf_finish(&cancel);
		ws_call_close(x->ws, 1000);
	}
	http_call_cancel(x->http);
	exchange_leave(x);
}

/* It is over: told once. */
static void exchange_finish(struct exchange *x, enum exchange_end end, const char *why)
{
	if (x->over)
		return;
	enter(x);
	x->opts.on_end(x->opts.data, &(struct exchange_result){.end = end,
					 .status = x->status,
					 .retry_after_ms = x->retry_after_ms,
					 .said_end = x->said_end,
					 .framed = x->framed,
					 .body = {x->body.p, x->body.len},
					 .type = x->type,
					 .why = why});
	exchange_drop(x, NULL);
	exchange_leave(x);
}

static void exchange_tell(struct exchange *x, struct str event, struct str text)
{
	x->messages = true;
	x->opts.on_message(x->opts.data, event, text);
}

/* --- WebSocket --- */

static void on_ws_open(void *data)
{
	struct exchange *x = data;

	ws_call_send(x->ws, x->request.p, x->request.len);
	buf_finish(&x->request);
}

static void on_ws_message(void *data, const char *p, size_t n)
{
	struct exchange *x = data;

	enter(x);
	x->opts.on_life(x->opts.data);
	if (!x->over)
		exchange_tell(x, (struct str){NULL, 0}, (struct str){p, n});
	exchange_leave(x);
}

static void on_ws_closed(void *data, bool opened, uint16_t code, int status, const struct err *err)
{
	struct exchange *x = data;

	x->ws = NULL;
	x->said_end = code == 1000;
	if (code == 1000)
		exchange_finish(x, EXCHANGE_WHOLE, NULL);
	else if (code == 1009 || err->code == ERR_LIMIT)
		exchange_finish(x, EXCHANGE_TOO_LARGE, NULL);
	else
		exchange_finish(x, EXCHANGE_CUT, err->text);
}

static void start_ws(
    struct exchange *x, const struct target *t, const char *path, struct filter *filter)
{
	x->ws = ws_call_start(x->opts.loop, &(struct ws_call_opts){.host = t->host,
						.port = t->port,
						.target = path,
						.headers = model_server_headers(x->opts.server),
						.connect_ms = SERVER_CONNECT_MS,
						.max_message = x->opts.dialect->max_message,
						.filter = filter,
						.on_open = on_ws_open,
						.on_message = on_ws_message,
						.on_closed = on_ws_closed,
						.data = x});
}

/* --- the head of an answer over HTTP --- */

/* A stream names its type, or none; anything else with a 200 may be somebody's page. */
static void take_type(struct exchange *x, struct str type)
{
	struct str head;

	str_cut(type, ';', &head);
	if (type.n && !str_ieq(str_trim(head), "text/event-stream"))
		snprintf(x->type, sizeof x->type, "%.*s", (int)type.n, type.p);
}

/* Retry-After in seconds (RFC 9110, 10.2.3); a date is not asked for by any model server. */
static uint64_t take_retry_after(struct str value)
{
	struct str whole;
	uint64_t seconds;

	str_cut(str_trim(value), '.', &whole);
	return value.p && str_parse_u64(whole, 86400, &seconds) ? seconds * 1000 : 0;
}

/* Why an answer with that head cannot be read, into out. False: it can. */
static bool is_unusable(int status, const struct http_parser *parser, char *out, size_t size)
{
	struct str location = http_header(parser, "Location", NULL),
		   encoding = http_header(parser, "Content-Encoding", NULL);

	if (status >= 300 && status < 400 && location.p) {
		snprintf(out, size,
		    "the model server sends its questions on to %.*s (HTTP %d): set that as "
		    "connection.host",
		    (int)(location.n < 400 ? location.n : 400), location.p, status);
		return true;
	}
	if (!encoding.n || str_ieq(str_trim(encoding), "identity"))
		return false;
	snprintf(out, size,
	    "the model server compressed its answer (%.*s), which it was not asked to: switch that "
	    "off there, or in the proxy before it",
	    (int)(encoding.n < 40 ? encoding.n : 40), encoding.p);
	return true;
}

static bool take_head(struct exchange *x, int status, const struct http_parser *parser)
{
	char why[600];

	x->status = status;
	x->framed = http_header_has(parser, "Transfer-Encoding", "chunked") ||
		    http_header(parser, "Content-Length", NULL).p;
	x->retry_after_ms = take_retry_after(http_header(parser, "Retry-After", NULL));
	take_type(x, http_header(parser, "Content-Type", NULL));
	x->body_max = status == 200 ? x->opts.dialect->max_message : EXCHANGE_MAX_ERROR;
	if (is_unusable(status, parser, why, sizeof why)) {
		exchange_finish(x, EXCHANGE_UNUSABLE, why);
		return false;
	}
	return status != 101;
}

static bool exchange_on_head(void *data, int status, const struct http_parser *parser)
{
	struct exchange *x = data;
	bool go_on;

	enter(x);
	go_on = take_head(x, status, parser);
	exchange_leave(x);
	return go_on;
}

/* --- its body --- */

static int exchange_on_event(void *data, const struct sse_event *event)
{
	struct exchange *x = data;

	if (str_eq(str_trim(event->text), "[DONE]")) {
		x->said_end = true;
		exchange_finish(x, EXCHANGE_WHOLE, NULL);
	} else {
		exchange_tell(x, event->name, event->text);
	}
	return x->over ? ERR_CLOSED : 0;
}

/* Each whole line is a message; some proxies make an event of it. */
static int take_lines(struct exchange *x, const char *p, size_t n)
{
	static const char mark[] = "data:";
	const char *end;

	while (n && (end = memchr(p, '\n', n))) {
		size_t len = (size_t)(end - p);
		struct str line;

		buf_add(&x->line, p, len);
		line = str_trim((struct str){x->line.p, x->line.len});
		if (str_starts(line, mark))
			line = (struct str){line.p + sizeof mark - 1, line.n - (sizeof mark - 1)};
		if (line.n)
			exchange_tell(x, (struct str){NULL, 0}, line);
		if (x->over)
			return ERR_CLOSED;
		buf_clear(&x->line);
		p = end + 1;
		n -= len + 1;
	}
	buf_add(&x->line, p, n);
	return x->line.len > x->opts.dialect->max_message ? ERR_LIMIT : 0;
}

static int take_stream(struct exchange *x, const char *p, size_t n)
{
	return x->opts.dialect->framing == FRAMING_LINES ? take_lines(x, p, n)
							 : sse_feed(x->sse, p, n);
}

/* No more comes: what is not ended is a message, too. */
static int end_stream(struct exchange *x)
{
	return x->opts.dialect->framing == FRAMING_LINES ? take_lines(x, "\n", 1) : sse_end(x->sse);
}

/* Does it look like a stream so far, and not like one answer or a page? */
static bool looks_like_stream(struct exchange *x)
{
	static const char mark[] = "\xEF\xBB\xBF";
	const char *others = x->opts.dialect->framing == FRAMING_LINES ? "<" : "{[<";

	if (!x->blanks && str_starts((struct str){x->body.p, x->body.len}, mark))
		x->blanks = sizeof mark - 1;
	/* Blanks are looked at once, however many bits they come in. */
	while (x->blanks < x->body.len && strchr(" \t\r\n", x->body.p[x->blanks]))
		x->blanks++;
	return x->messages || x->blanks == x->body.len || !strchr(others, x->body.p[x->blanks]);
}

/* Keep the beginning of what is no stream so far. False: that was enough of it. */
static bool keep_body(struct exchange *x, const char *p, size_t n)
{
	size_t room = x->body_max - x->body.len;

	buf_add(&x->body, p, n < room ? n : room);
	return n < room;
}

/* A 200 that was no stream: one whole answer, an error in JSON, or a page. */
static void end_no_stream(struct exchange *x)
{
	struct str text = str_trim((struct str){x->body.p, x->body.len});
	const char *mark = text.n ? memmem(text.p, text.n, "\ndata:", 6) : NULL;

	/* The mark of a stream may follow the answer. */
	if (mark)
		text.n = (size_t)(mark - text.p);
	if (text.n && (text.p[0] == '{' || text.p[0] == '['))
		exchange_tell(x, (struct str){NULL, 0}, text);
	exchange_finish(x, EXCHANGE_NO_STREAM, NULL);
}

static void take_body(struct exchange *x, const char *p, size_t n)
{
	if (x->status != 200) {
		if (!keep_body(x, p, n))
			exchange_finish(x, EXCHANGE_STATUS, NULL);
		return;
	}
	x->opts.on_life(x->opts.data);
	if (x->over)
		return;
	/* Some call a stream something else, and an answer a stream: believe what it is. */
	if (!x->messages && !keep_body(x, p, n) && !looks_like_stream(x)) {
		end_no_stream(x);
		return;
	}
	if (looks_like_stream(x) && take_stream(x, p, n) == ERR_LIMIT)
		exchange_finish(x, EXCHANGE_TOO_LARGE, NULL);
}

static void exchange_on_body(void *data, const char *p, size_t n)
{
	struct exchange *x = data;

	enter(x);
	take_body(x, p, n);
	exchange_leave(x);
}

static void take_end(struct exchange *x, const struct err *err)
{
	if (x->status && x->status != 200) {
		exchange_finish(x, EXCHANGE_STATUS, NULL);
	} else if (err->code != 0) {
		exchange_finish(x, EXCHANGE_CUT, err->text);
	} else if (!looks_like_stream(x)) {
		end_no_stream(x);
	} else {
		end_stream(x);
		exchange_finish(x, EXCHANGE_WHOLE, NULL);
	}
}

static void exchange_on_done(void *data, const struct err *err, bool sent)
{
	struct exchange *x = data;

	x->http = NULL;
	enter(x);
	take_end(x, err);
	exchange_leave(x);
}

static void start_http(
    struct exchange *x, const struct target *t, const char *path, struct filter *filter)
{
	struct buf headers = {0};

	buf_addf(&headers,
	    "Content-Type: application/json\r\nAccept: %s\r\nAccept-Encoding: identity\r\n",
	    x->opts.dialect->framing == FRAMING_LINES ? "application/x-ndjson"
						      : "text/event-stream");
	buf_adds(&headers, model_server_headers(x->opts.server));
	x->sse = sse_new(x->opts.dialect->max_message, exchange_on_event, x);
	sse_set_lenient(x->sse);
	x->http = http_call_start(x->opts.loop, &(struct http_call_opts){.host = t->host,
						    .port = t->port,
						    .method = "POST",
						    .target = path,
						    .headers = buf_cstr(&headers),
						    .body = x->request.p,
						    .body_len = x->request.len,
						    .connect_ms = SERVER_CONNECT_MS,
						    .filter = filter,
						    .on_head = exchange_on_head,
						    .on_body = exchange_on_body,
						    .on_done = exchange_on_done,
						    .data = x});
	buf_finish(&headers);
	buf_finish(&x->request);
}

/* --- outside --- */

struct exchange *exchange_start(const struct exchange_opts *opts, struct err *reterr)
{
	const struct target *t = model_server_target(opts->server);
	struct filter *filter;
	char path[TARGET_MAX_PATH];
	struct exchange *x;

	/* The settings may have changed since the preflight. */
	if (!t) {
		err_set(reterr, ERR_UNKNOWN, "no model server is configured any more");
		return NULL;
	}
	filter = target_filter(t, reterr);
	if (t->tls && !filter)
		return NULL;
	x = mem_zalloc(1, sizeof *x);
	x->opts = *opts;
	buf_add(&x->request, opts->request.p, opts->request.n);
	target_path(t, opts->dialect->path, path, sizeof path);
	if (opts->dialect->framing == FRAMING_WS)
		start_ws(x, t, path, filter);
	else
		start_http(x, t, path, filter);
	return x;
}

void exchange_read(struct exchange *x, bool on)
{
	if (x->ws)
		ws_call_read(x->ws, on);
	if (x->http)
		http_call_read(x->http, on);
}
