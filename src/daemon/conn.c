/* One client connection: gates, dispatch, answers. */
#include "daemon/conn.h"

#include <assert.h>

#include "base/err.h"
#include "base/mem.h"
#include "daemon/api.h"
#include "daemon/route.h"
#include "daemon/server.h"
#include "net/http_conn.h"
#include "protocol/http.h"
#include "protocol/requests.h"
#include "session/core.h"

struct conn {
	struct list link;		      /* in server->conns */
	struct server *server;		      /* borrowed */
	struct http_conn *http;		      /* owned; NULL once closed */
	struct call *call;		      /* the request under way, or NULL */
	const struct conn_stream_ops *stream; /* set while a push has the connection */
	void *stream_data;
	struct buf origin; /* allowed Origin of the request, "" for none */
	bool known;	   /* has shown the token */
	bool dispatched;   /* call is with a handler */
	bool delayed;	   /* a wrong token waits for its answer */
	bool chunks, switching;
};

static void call_free(struct call *call);

static void conn_free(struct conn *c)
{
	/* A handler still answers its call, to nobody; one that no handler has yet ends here. */
	if (c->call && c->dispatched)
		c->call->conn = NULL;
	else if (c->call)
		call_free(c->call);
	if (c->delayed)
		c->server->auth.delayed--;
	c->server->conn_count--;
	if (!c->known)
		c->server->stranger_count--;
	list_remove(&c->link);
	buf_finish(&c->origin);
	free(c);
}

void conn_close(struct conn *c)
{
	http_conn_close(c->http);
	conn_free(c);
}

void conn_finish(struct conn *c)
{
	http_conn_finish(c->http);
	conn_free(c);
}

/* --- answers --- */

static void drop_body_text(struct call *call)
{
	server_release(call->server, call->body_text.len);
	buf_finish(&call->body_text);
}

static void call_free(struct call *call)
{
	if (call->conn) {
		call->conn->call = NULL;
		call->conn->dispatched = false;
	}
	drop_body_text(call);
	json_decref(call->body);
	free(call);
}

static void reply(
    struct conn *c, int status, const char *type, const char *text, size_t n, const char *extra)
{
	struct http_reply head = {.status = status,
	    .type = type,
	    .extra = extra,
	    .origin = c->origin.len ? buf_cstr(&c->origin) : NULL,
	    .close = c->server->stopping};

	http_conn_reply(c->http, &head, text, n);
}

/* extra: more header lines, or NULL. Frees call. */
static void answer(
    struct call *call, int status, const char *type, const char *text, size_t n, const char *extra)
{
	struct conn *c = call->conn;

	call_free(call);
	if (!c)
		return;
	reply(c, status, type, text, n, extra);
	if (!http_conn_keep_alive(c->http))
		conn_finish(c);
	else
		http_conn_next(c->http);
}

void call_reply_as(struct call *call, int status, const char *type, const char *text, size_t n)
{
	answer(call, status, type, text, n, NULL);
}

void call_reply(struct call *call, int status, const char *json, size_t n)
{
	call_reply_as(call, status, "application/json", json, n);
}

void call_fail(struct call *call, enum api_error error, const char *sentence, const char *details)
{
	struct buf body = {0};

	api_error_put(&body, error, sentence, details);
	call_reply(call, api_error_status(error), body.p, body.len);
	buf_finish(&body);
}

void call_fail_problems(struct call *call, struct problems *p)
{
	struct buf details = p->details;
	char first[256];

	snprintf(first, sizeof first, "%s", p->first);
	p->details = (struct buf){0};
	call_fail(call, API_INVALID_REQUEST, first, buf_cstr(&details));
	buf_finish(&details);
}

/* Refuse at the head and close: the rest of the request is not worth reading. */
static enum http_verdict reject(struct conn *c, enum api_error error, const char *sentence)
{
	struct buf body = {0};
	struct http_reply head = {.status = api_error_status(error),
	    .type = "application/json",
	    .close = true,
	    .origin = c->origin.len ? buf_cstr(&c->origin) : NULL,
	    .extra = error == API_UNAUTHORIZED ? "WWW-Authenticate: Bearer\r\n" : NULL};

	api_error_put(&body, error, sentence, NULL);
	http_conn_reply(c->http, &head, body.p, body.len);
	buf_finish(&body);
	conn_finish(c);
	return HTTP_STOP;
}

/* --- the gates --- */

static enum http_verdict preflight(struct conn *c)
{
	struct http_reply head = {.status = 204,
	    .origin = buf_cstr(&c->origin),
	    .extra = "Access-Control-Allow-Methods: GET,POST,PUT,PATCH,DELETE,OPTIONS\r\n"
		     "Access-Control-Allow-Headers: Authorization,Content-Type\r\n"
		     "Access-Control-Max-Age: 600\r\n",
	    .length = -1,
	    .close = true};
	struct buf out = {0};

	http_put_reply_head(&out, &head);
	http_conn_send(c->http, out.p, out.len);
	buf_finish(&out);
	conn_finish(c);
	return HTTP_STOP;
}

/* What token does the request show? p NULL: none. Decoded into scratch when it came by query. */
static struct str shown_token(
    struct conn *c, struct str query, bool query_counts, struct buf *scratch)
{
	struct str header = conn_header(c, "Authorization");
	const char bearer[] = "Bearer ";

	if (header.p) {
		struct str scheme = {header.p, header.n < 7 ? header.n : 7};

		if (!str_ieq(scheme, bearer))
			return (struct str){"", 0};
		return str_trim((struct str){header.p + 7, header.n - 7});
	}
	if (query_counts && http_query(query, "token", scratch))
		return (struct str){scratch->p ? scratch->p : "", scratch->len};
	return (struct str){NULL, 0};
}

static void make_known(struct conn *c)
{
	if (c->known)
		return;
	c->known = true;
	c->server->stranger_count--;
	list_remove(&c->link);
	list_append(&c->server->conns, &c->link);
}

/* A wrong token: its answer may have to wait; it then waits as a request without a body. */
static enum http_verdict refuse_guess(struct conn *c)
{
	static const char sentence[] =
	    "wrong token: the current one is in state.json (it changes at each daemon start)";

	if (auth_guess(&c->server->auth))
		return reject(c, API_UNAUTHORIZED, sentence);
	if (c->server->auth.delayed >= AUTH_MAX_DELAYED) {
		conn_close(c);
		return HTTP_STOP;
	}
	c->server->auth.delayed++;
	c->delayed = true;
	return HTTP_NO_BODY;
}

static enum http_verdict check_body_head(struct conn *c, const struct http_head *head)
{
	struct str type = conn_header(c, "Content-Type"), kind;

	if (head->has_length && head->length > REQUEST_MAX_BODY)
		return reject(c, API_PAYLOAD_TOO_LARGE, "the body is larger than 10 MiB");
	/* What a web form can send without asking first is never a command. */
	str_cut(type, ';', &kind);
	kind = str_trim(kind);
	if (type.p && (!head->has_length || head->length > 0) &&
	    !str_ieq(kind, "application/json") && c->call->route &&
	    c->call->route->flags & ROUTE_BODY)
		return reject(c, API_INVALID_REQUEST, "the Content-Type must be application/json");
	if (head->minor >= 1 && str_ieq(conn_header(c, "Expect"), "100-continue"))
		http_conn_send(c->http, "HTTP/1.1 100 Continue\r\n\r\n", 25);
	return HTTP_GO_ON;
}

static enum http_verdict on_head(void *data, const struct http_head *head)
{
	struct conn *c = data;
	struct auth *auth = &c->server->auth;
	struct str host, origin, query, path = http_path(head->target, &query), token;
	struct buf scratch = {0};
	size_t hosts, origins;
	struct call *call;
	bool right, open;

	buf_clear(&c->origin);
	c->chunks = head->minor >= 1;
	host = http_header(http_conn_parser(c->http), "Host", &hosts);
	if (hosts != 1 || !auth_host_ok(auth, host) || head->target.n == 0 ||
	    head->target.p[0] != '/')
		return reject(c, API_FORBIDDEN_HOST,
		    "the Host header names neither a loopback address nor the configured host");
	origin = http_header(http_conn_parser(c->http), "Origin", &origins);
	if (origins > 1 || (origin.p && !auth_origin_ok(auth, origin)) ||
	    (!origin.p && str_ieq(conn_header(c, "Sec-Fetch-Site"), "cross-site")))
		return reject(c, API_FORBIDDEN_ORIGIN,
		    "this web origin may not use the daemon (daemon.allowedOrigins lists those "
		    "that may, daemon.allowTauri is for desktop apps)");
	buf_add(&c->origin, origin.p, origin.n);
	if (origin.p && str_eq(head->method, "OPTIONS") &&
	    conn_header(c, "Access-Control-Request-Method").p)
		return preflight(c);

	call = mem_zalloc(1, sizeof *call + head->target.n);
	call->conn = c;
	call->server = c->server;
	c->call = call;
	memcpy(call->target, head->target.p, head->target.n);
	call->target_len = head->target.n;
	call->route = route_find(head->method, path, call->id, call->rid);
	open = call->route && call->route->flags & ROUTE_OPEN;
	token =
	    shown_token(c, query, call->route && call->route->flags & ROUTE_QUERY_TOKEN, &scratch);
	right = token.p && auth_token_ok(auth, token);
	if (!right && (token.p || !open)) {
		bool guess = token.p && token.n;

		buf_finish(&scratch);
		call_free(call);
		if (guess)
			return refuse_guess(c);
		return reject(c, API_UNAUTHORIZED,
		    "a token is needed: Authorization: Bearer <the token in state.json>");
	}
	buf_finish(&scratch);
	if (right)
		make_known(c);
	c->server->requests++;
	call->upgrade = call->route && call->route->flags & ROUTE_WEBSOCKET && head->upgrade;
	if (call->upgrade && !websocket_handshake_ok(call)) {
		call_free(call);
		return reject(c, API_INVALID_REQUEST,
		    "not a WebSocket handshake: GET by HTTP/1.1, Sec-WebSocket-Version 13 and "
		    "a Sec-WebSocket-Key of 16 bytes in base64 are needed");
	}
	return check_body_head(c, head);
}

static bool on_body(void *data, const char *p, size_t n)
{
	struct conn *c = data;

	/* An open route takes no body from strangers, however small. */
	if (!c->known) {
		reject(c, API_UNAUTHORIZED,
		    "a token is needed: Authorization: Bearer <the token in state.json>");
		return false;
	}
	if (c->call->body_text.len + n > REQUEST_MAX_BODY) {
		reject(c, API_PAYLOAD_TOO_LARGE, "the body is larger than 10 MiB");
		return false;
	}
	if (!server_hold(c->server, c->call->body_text.len, n)) {
		reject(c, API_TOO_MANY,
		    "other requests are being received, 64 MiB of bodies in all: try again later");
		return false;
	}
	buf_add(&c->call->body_text, p, n);
	return true;
}

static bool parse_body(struct call *call)
{
	struct str text = str_trim((struct str){call->body_text.p, call->body_text.len});
	struct problems p = {0};
	struct err err = {0};

	if (text.n == 0) {
		call->body = json_object();
		return true;
	}
	if (json_parse(text.p, text.n, &call->body, &err) == 0)
		return true;
	problems_add(&p, "body", err.text);
	call_fail_problems(call, &p);
	return false;
}

/* No route: 404, or 405, which has to say what is allowed (RFC 9110, 15.5.6). */
static void refuse_route(struct call *call)
{
	struct str query, path = http_path((struct str){call->target, call->target_len}, &query);
	struct buf methods = {0}, body = {0};
	char details[100], header[100];

	if (!route_methods(path, &methods)) {
		call_fail(call, API_NOT_FOUND,
		    "there is no such route; /v3/openapi.json lists them", NULL);
		return;
	}
	snprintf(details, sizeof details, "\"this route takes %s\"", buf_cstr(&methods));
	snprintf(header, sizeof header, "Allow: %s\r\n", buf_cstr(&methods));
	api_error_put(
	    &body, API_METHOD_NOT_ALLOWED, "this route does not take that method", details);
	answer(call, api_error_status(API_METHOD_NOT_ALLOWED), "application/json", body.p, body.len,
	    header);
	buf_finish(&body);
	buf_finish(&methods);
}

static void on_request(void *data)
{
	struct conn *c = data;
	struct call *call = c->call;

	if (c->delayed) {
		http_conn_streaming(c->http, false);
		http_conn_timer(c->http, AUTH_DELAY_MS);
		return;
	}
	if (!call->route) {
		refuse_route(call);
		return;
	}
	if (call->route->flags & ROUTE_BODY && !parse_body(call))
		return;
	/* What no handler reads is not kept until it answers. */
	drop_body_text(call);
	c->dispatched = true;
	call->route->handle(call);
}

/* The token of a request that was refused, where it would have counted in a good one. */
static struct str refused_token(struct conn *c, struct buf *scratch)
{
	struct str target = http_parser_target(http_conn_parser(c->http)), path, query = {NULL, 0};
	char id[ROUTE_ID_SIZE], rid[ROUTE_ID_SIZE];
	const struct route *route = NULL;

	/* What was no HTTP from its first byte on has none. */
	if (target.n) {
		path = http_path(target, &query);
		route = route_find(str_of("GET"), path, id, rid);
	}
	return shown_token(c, query, route && route->flags & ROUTE_QUERY_TOKEN, scratch);
}

static void on_bad(void *data, const char *reason, bool too_large)
{
	struct conn *c = data;
	struct buf scratch = {0};
	char sentence[200];
	struct str token;
	bool right;

	if (c->call)
		call_free(c->call);
	/* Who has not shown the token learns nothing of what we made of their bytes, nor more
	 * about a token than by a good request. */
	token = refused_token(c, &scratch);
	right = token.n && auth_token_ok(&c->server->auth, token);
	buf_finish(&scratch);
	if (!c->known && right) {
		make_known(c);
	} else if (!c->known && token.n && !auth_guess(&c->server->auth)) {
		conn_close(c);
		return;
	}
	if (!c->known) {
		reject(c, API_UNAUTHORIZED,
		    "a token is needed: Authorization: Bearer <the token in state.json>");
		return;
	}
	snprintf(
	    sentence, sizeof sentence, "this is not an HTTP request opta accepts: %.120s", reason);
	reject(c, too_large ? API_HEADER_TOO_LARGE : API_INVALID_REQUEST, sentence);
}

static void on_raw(void *data, const char *p, size_t n)
{
	struct conn *c = data;

	if (c->stream && c->stream->on_raw)
		c->stream->on_raw(c->stream_data, p, n);
}

static void on_writable(void *data)
{
	struct conn *c = data;

	if (c->stream)
		c->stream->on_writable(c->stream_data);
}

static void on_timer(void *data)
{
	struct conn *c = data;

	if (c->delayed)
		reject(c, API_UNAUTHORIZED, "wrong token");
	else if (c->stream)
		c->stream->on_timer(c->stream_data);
}

static void on_gone(void *data)
{
	struct conn *c = data;

	if (c->stream)
		c->stream->on_gone(c->stream_data);
	conn_close(c);
}

static const struct http_conn_ops ops = {.on_head = on_head,
    .on_body = on_body,
    .on_request = on_request,
    .on_bad = on_bad,
    .on_raw = on_raw,
    .on_writable = on_writable,
    .on_timer = on_timer,
    .on_gone = on_gone};

void conn_new(struct server *s, int fd)
{
	struct conn *c = mem_zalloc(1, sizeof *c);

	c->server = s;
	list_append(&s->strangers, &c->link);
	s->conn_count++;
	s->stranger_count++;
	c->http = http_conn_new(s->loop, fd, &ops, c);
	if (!c->http)
		conn_free(c);
}

void conn_stop(struct conn *c)
{
	if (c->stream)
		c->stream->on_stop(c->stream_data);
	else if (!c->call)
		conn_finish(c);
	/* A request under way gets its answer, which closes. */
}

struct conn *conn_of_link(struct list *l)
{
	return list_entry(l, struct conn, link);
}

/* --- for handlers --- */

bool call_query(struct call *call, const char *name, struct buf *out)
{
	struct str query;

	buf_clear(out);
	http_path((struct str){call->target, call->target_len}, &query);
	return http_query(query, name, out);
}

bool call_query_u64(
    struct call *call, const char *name, uint64_t fallback, uint64_t max, uint64_t *ret)
{
	struct problems p = {0};
	struct buf text = {0};
	char reason[80];
	bool ok = true;

	*ret = fallback;
	if (call_query(call, name, &text) &&
	    !str_parse_u64((struct str){text.p, text.len}, max, ret)) {
		snprintf(reason, sizeof reason, "must be a whole number from 0 to %llu",
		    (unsigned long long)max);
		problems_add(&p, name, reason);
		call_fail_problems(call, &p);
		ok = false;
	}
	buf_finish(&text);
	return ok;
}

struct conn *call_stream(struct call *call)
{
	struct conn *c = call->conn;

	call_free(call);
	return c;
}

struct conn *call_switch(struct call *call)
{
	if (call->conn)
		call->conn->switching = true;
	return call_stream(call);
}

struct str conn_header(const struct conn *c, const char *name)
{
	return http_header(http_conn_parser(c->http), name, NULL);
}

struct server *conn_server(const struct conn *c)
{
	return c->server;
}

struct http_conn *conn_http(const struct conn *c)
{
	return c->http;
}

const char *conn_origin(const struct conn *c)
{
	return c->origin.len ? buf_cstr((struct buf *)(uintptr_t)&c->origin) : NULL;
}

bool conn_chunks(const struct conn *c)
{
	return c->chunks;
}

void conn_set_stream(struct conn *c, const struct conn_stream_ops *stream, void *data)
{
	assert(!c->stream);
	c->stream = stream;
	c->stream_data = data;
	if (!c->switching)
		http_conn_streaming(c->http, false);
}

void conn_stream_done(struct conn *c)
{
	c->stream = NULL;
	if (!http_conn_keep_alive(c->http) || c->server->stopping)
		conn_finish(c);
	else
		http_conn_next(c->http);
}
