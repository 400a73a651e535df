/* HTTP requests of a connection: authority, limits, routes, chat completions. */
#include "demo/conn.h"

#include "base/err.h"
#include "base/json.h"
#include "demo/options.h"
#include "demo/routes.h"
#include "demo/server.h"
#include "net/http_conn.h"
#include "protocol/ws.h"

#define PATH_HEALTH "/healthz"
#define PATH_STREAM "/v1/chat/stream"

static const struct demo_format *const formats[] = {
    &demo_format_sse, &demo_format_ollama, &demo_format_anthropic, &demo_format_responses};

static struct str path_of(const struct http_head *head)
{
	struct str query;

	return http_path(head->target, &query);
}

/* Does the request carry the key, where one is asked for? */
static bool may_enter(const struct demo_conn *c)
{
	static const char scheme[] = "Bearer ";
	const char *key = c->server->options->api_key;
	struct str given = http_header(http_conn_parser(c->http), "Authorization", NULL);

	if (!key || str_eq(path_of(&c->head), PATH_HEALTH))
		return true;
	if (!given.n)
		return str_secret_eq(
		    http_header(http_conn_parser(c->http), "X-Api-Key", NULL), str_of(key));
	if (!str_starts(given, scheme))
		return false;
	given.p += sizeof scheme - 1;
	given.n -= sizeof scheme - 1;
	return str_secret_eq(given, str_of(key));
}

void demo_conn_http_refuse(struct demo_conn *c, int status, const char *sentence, bool close)
{
	struct http_reply reply = {.status = status, .type = "application/json", .close = close};
	struct buf body = {0};

	demo_put_error(sentence, &body);
	http_conn_reply(c->http, &reply, body.p, body.len);
	buf_finish(&body);
}

/* Is this an upgrade we take? The key must be there: it is what the 101 answers. */
static bool wants_ws(const struct demo_conn *c, struct str *ret_key)
{
	const struct demo_options *o = c->server->options;
	const struct http_parser *parser = http_conn_parser(c->http);

	if (o->no_ws || o->hang || !c->head.upgrade || !may_enter(c))
		return false;
	if (!str_eq(c->head.method, "GET") || !str_eq(path_of(&c->head), PATH_STREAM))
		return false;
	*ret_key = http_header(parser, "Sec-WebSocket-Key", NULL);
	return ret_key->n == WS_KEY_SIZE - 1 && http_header_has(parser, "Upgrade", "websocket") &&
	       str_eq(http_header(parser, "Sec-WebSocket-Version", NULL), "13");
}

enum http_verdict demo_conn_http_head(struct demo_conn *c, const struct http_head *head)
{
	static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
	struct str key;

	c->head = *head;
	buf_clear(&c->body);
	if (wants_ws(c, &key)) {
		demo_conn_ws_open(c, key);
		return HTTP_SWITCH;
	}
	if (c->server->options->hang)
		return HTTP_GO_ON;
	if (head->has_length && head->length > DEMO_REQUEST_MAX) {
		demo_conn_http_refuse(c, 413, "the body is larger than 64 MiB", true);
		demo_conn_end(c, false);
		return HTTP_STOP;
	}
	/* A client with a large body may wait for this (RFC 9110 10.1.1). */
	if (http_header_has(http_conn_parser(c->http), "Expect", "100-continue"))
		http_conn_send(c->http, go_on, sizeof go_on - 1);
	return HTTP_GO_ON;
}

bool demo_conn_http_body(struct demo_conn *c, const char *p, size_t n)
{
	if (c->server->options->hang)
		return true;
	if (c->body.len + n > DEMO_REQUEST_MAX) {
		demo_conn_http_refuse(c, 413, "the body is larger than 64 MiB", true);
		demo_conn_end(c, false);
		return false;
	}
	buf_add(&c->body, p, n);
	return true;
}

/* demo:status, or an answer. */
static void answer_chat(
    struct demo_conn *c, const struct demo_format *format, struct demo_request *request)
{
	struct demo_wire wire = {.chunked = c->head.minor > 0};
	char sentence[40];

	if (request->prompt.status.set) {
		int status = (int)request->prompt.status.n;

		snprintf(sentence, sizeof sentence, "demo status %d", status);
		demo_conn_http_refuse(c, status, sentence, false);
		demo_request_finish(request);
		demo_conn_next(c);
		return;
	}
	wire.format = request->stream ? format : &demo_format_json;
	wire.as_own = format->as_own;
	demo_conn_answer(c, request, &wire);
}

static void http_take_chat(struct demo_conn *c, const struct demo_format *format)
{
	struct demo_request request = {0};
	struct err err = {0};
	json_t *body = NULL;
	int rc = json_parse(c->body.p, c->body.len, &body, &err);

	buf_finish(&c->body);
	if (rc == 0)
		rc = demo_server_take(c->server, format, body, &request, &err);
	json_decref(body);
	if (rc != 0) {
		demo_conn_http_refuse(c, 400, err.text, false);
		demo_conn_next(c);
		return;
	}
	answer_chat(c, format, &request);
}

/* The form that is asked for at this path, or NULL. */
static const struct demo_format *format_of(struct str path)
{
	for (size_t i = 0; i < sizeof formats / sizeof formats[0]; i++)
		if (str_eq(path, formats[i]->path))
			return formats[i];
	return NULL;
}

/* The routes of chats. False when it answers like a route that is not there. */
static bool dispatch_chat(struct demo_conn *c)
{
	const struct demo_options *o = c->server->options;
	const struct demo_format *format = format_of(path_of(&c->head));

	if (!format || (o->no_sse && format == &demo_format_sse))
		return false;
	if (str_eq(c->head.method, "POST") && !o->no_model) {
		http_take_chat(c, format);
		return true;
	}
	if (o->no_model)
		demo_conn_http_refuse(c, 503, "no-model-loaded", false);
	else
		demo_conn_http_refuse(c, 405, "only POST is allowed here", false);
	demo_conn_next(c);
	return true;
}

void demo_conn_http_request(struct demo_conn *c)
{
	struct http_reply reply = {.type = "application/json"};
	struct buf body = {0};

	if (c->server->options->hang) {
		http_conn_streaming(
		    c->http, false); /* no deadline: silence until the peer leaves */
		return;
	}
	if (!may_enter(c)) {
		demo_conn_http_refuse(c, 401, "this server asks for its API key", false);
		demo_conn_next(c);
		return;
	}
	if (dispatch_chat(c))
		return;
	reply.status =
	    demo_routes_answer(c->server->options, c->head.method, path_of(&c->head), &body);
	http_conn_reply(c->http, &reply, body.p, body.len);
	buf_finish(&body);
	demo_conn_next(c);
}
