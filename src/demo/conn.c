/* Life of a connection, and what its two kinds share. */
#include "demo/conn.h"

#include "base/clock.h"
#include "base/mem.h"
#include "demo/journal.h"
#include "demo/options.h"
#include "demo/server.h"
#include "net/http_conn.h"
#include "protocol/ws.h"

void demo_conn_enter(struct demo_conn *c)
{
	c->depth++;
}

void demo_conn_leave(struct demo_conn *c)
{
	if (--c->depth || c->http)
		return;
	list_remove(&c->link);
	ws_free(c->ws);
	buf_finish(&c->body);
	free(c);
}

void demo_conn_end(struct demo_conn *c, bool cut)
{
	if (!c->http)
		return;
	demo_chat_free(c->chat);
	c->chat = NULL;
	if (cut)
		http_conn_close(c->http);
	else
		http_conn_finish(c->http);
	c->http = NULL;
}

void demo_conn_next(struct demo_conn *c)
{
	/* http_conn_next would finish the connection as well, but without telling us. */
	if (http_conn_keep_alive(c->http))
		http_conn_next(c->http);
	else
		demo_conn_end(c, false);
}

void demo_conn_cancel(struct demo_conn *c)
{
	if (!c->chat)
		return;
	demo_journal_cancelled(c->server->journal, demo_chat_transport(c->chat));
	demo_chat_free(c->chat);
	c->chat = NULL;
}

static void on_chat_end(void *data, enum demo_end how)
{
	struct demo_conn *c = data;
	/* Without chunks the end of the connection is the end of the body. */
	bool last = how == DEMO_END_CLOSE || (!c->ws && c->head.minor == 0);

	demo_chat_free(c->chat);
	c->chat = NULL;
	if (how == DEMO_END_CUT || last)
		demo_conn_end(c, how == DEMO_END_CUT);
	else if (!c->ws)
		demo_conn_next(c);
}

void demo_conn_answer(struct demo_conn *c, struct demo_request *request, struct demo_wire *wire)
{
	struct buf id = {0};

	if (request->id)
		buf_adds(&id, request->id);
	else
		buf_addf(&id, "demo-%llu", (unsigned long long)c->server->requests);
	wire->id = buf_steal(&id);
	wire->number = c->server->requests;
	wire->model = mem_strdup(request->model ? request->model : c->server->options->model);
	wire->created = clock_wall_ms() / 1000;
	wire->keep_alive = http_conn_keep_alive(c->http);
	wire->ws = c->ws;
	c->chat = demo_chat_new(c->http, request, wire, on_chat_end, c);
	if (!c->ws)
		http_conn_streaming(c->http, false); /* a peer that has left is soon found out */
	if (c->chat)
		demo_chat_start(c->chat);
}

static enum http_verdict on_head(void *data, const struct http_head *head)
{
	struct demo_conn *c = data;
	enum http_verdict verdict;

	demo_conn_enter(c);
	verdict = demo_conn_http_head(c, head);
	demo_conn_leave(c);
	return verdict;
}

static bool on_body(void *data, const char *p, size_t n)
{
	struct demo_conn *c = data;
	bool more;

	demo_conn_enter(c);
	more = demo_conn_http_body(c, p, n);
	demo_conn_leave(c);
	return more;
}

static void on_request(void *data)
{
	struct demo_conn *c = data;

	demo_conn_enter(c);
	demo_conn_http_request(c);
	demo_conn_leave(c);
}

static void on_bad(void *data, const char *reason, bool too_large)
{
	struct demo_conn *c = data;

	demo_conn_enter(c);
	if (c->server->options->hang) {
		http_conn_streaming(c->http, false);
	} else {
		demo_conn_http_refuse(c, too_large ? 431 : 400, reason, true);
		demo_conn_end(c, false);
	}
	demo_conn_leave(c);
}

static void on_raw(void *data, const char *p, size_t n)
{
	struct demo_conn *c = data;

	demo_conn_enter(c);
	demo_conn_ws_bytes(c, p, n);
	demo_conn_leave(c);
}

static void on_writable(void *data)
{
	struct demo_conn *c = data;

	demo_conn_enter(c);
	if (c->chat)
		demo_chat_on_writable(c->chat);
	demo_conn_leave(c);
}

static void on_timer(void *data)
{
	struct demo_conn *c = data;

	demo_conn_enter(c);
	if (c->chat)
		demo_chat_on_timer(c->chat);
	demo_conn_leave(c);
}

static void on_gone(void *data)
{
	struct demo_conn *c = data;

	demo_conn_enter(c);
	demo_conn_cancel(c);
	demo_conn_end(c, true);
	demo_conn_leave(c);
}

static const struct http_conn_ops http_ops = {
    .on_head = on_head,
    .on_body = on_body,
    .on_request = on_request,
    .on_bad = on_bad,
    .on_raw = on_raw,
    .on_writable = on_writable,
    .on_timer = on_timer,
    .on_gone = on_gone,
};

void demo_conn_start(struct demo_server *server, int fd)
{
	struct demo_conn *c = mem_zalloc(1, sizeof *c);

	c->server = server;
	c->http = http_conn_new(server->loop, fd, &http_ops, c);
	if (!c->http) {
		free(c);
		return;
	}
	list_append(&server->conns, &c->link);
}

void demo_conn_stop(struct list *link)
{
	struct demo_conn *c = list_entry(link, struct demo_conn, link);

	demo_conn_enter(c);
	demo_conn_end(c, true);
	demo_conn_leave(c);
}
