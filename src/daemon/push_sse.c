/* Events as server-sent events: GET /v3/sse/events. */
#include "base/buf.h"
#include "base/mem.h"
#include "daemon/api.h"
#include "daemon/conn.h"
#include "daemon/push.h"
#include "daemon/server.h"
#include "net/http_conn.h"
#include "net/stream.h"
#include "protocol/http.h"
#include "protocol/requests.h"
#include "session/core.h"
#include "session/feed.h"
#include "session/roster.h"
#include "session/session.h"

/* The comment that keeps proxies and clients from giving up. */
enum { SSE_PING_MS = 15000 };

struct sse_client {
	struct follower follower; /* of all sessions, when none was named */
	struct conn *conn;
	struct list cursors;	/* struct sse_cursor, owned */
	struct sse_cursor *cut; /* the one whose event is half sent, or NULL */
	bool all;
};

struct sse_cursor {
	struct list link;
	struct cursor cursor;
	struct sse_client *client;
};

static void put_event(void *data, struct buf *out, uint64_t seq, struct str json)
{
	buf_adds(out, "id: ");
	buf_addu(out, seq);
	buf_adds(out, "\ndata: ");
	buf_add(out, json.p, json.n);
	buf_adds(out, "\n\n");
}

static const struct push_encoding encoding = {.put = put_event};

static void drop_cursor(struct sse_cursor *sc)
{
	if (sc->client->cut == sc)
		sc->client->cut = NULL;
	cursor_detach(&sc->cursor);
	list_remove(&sc->link);
	free(sc);
}

static void free_client(struct sse_client *client)
{
	struct server *server = conn_server(client->conn);

	while (!list_empty(&client->cursors))
		drop_cursor(list_entry(client->cursors.next, struct sse_cursor, link));
	if (client->all)
		list_remove(&client->follower.link);
	server->subscribers--;
	free(client);
}

static void leave(struct sse_client *client)
{
	struct conn *conn = client->conn;

	free_client(client);
	conn_finish(conn);
}

/* The half sent event is whole now: those who waited behind it go on. */
static void wake_all(struct sse_client *client)
{
	list_each (l, &client->cursors) {
		cursor_wake(&list_entry(l, struct sse_cursor, link)->cursor);
	}
}

static void on_ready(struct cursor *cursor)
{
	struct sse_cursor *sc = list_entry(cursor, struct sse_cursor, cursor);
	struct sse_client *client = sc->client;
	bool was_cut;

	/* An event of another session is half sent: this one comes after it. */
	if (client->cut && client->cut != sc)
		return;
	was_cut = client->cut == sc;
	switch (push_send(cursor, http_conn_stream(conn_http(client->conn)), &encoding, 0)) {
	case PUSH_END:
		client->cut = NULL;
		/* A follower's cursor is made anew when the session says more. */
		if (client->all)
			drop_cursor(sc);
		break;
	case PUSH_BLOCKED:
	case PUSH_WAIT:
	case PUSH_MORE:
		client->cut = cursor->offset ? sc : NULL;
		break;
	case PUSH_GONE:
		if (client->all)
			drop_cursor(sc);
		else
			leave(client);
		return;
	case PUSH_BAD:
	case PUSH_LOST:
		leave(client);
		return;
	}
	if (was_cut && !client->cut)
		wake_all(client);
}

static void on_writable(void *data)
{
	struct sse_client *client = data;

	if (client->cut)
		cursor_wake(&client->cut->cursor);
	else
		wake_all(client);
}

static void on_timer(void *data)
{
	struct sse_client *client = data;

	/* Not into the middle of an event, nor on top of what the client does not read. */
	if (!client->cut && !stream_queued(http_conn_stream(conn_http(client->conn))))
		http_conn_send(conn_http(client->conn), ": ping\n\n", 8);
	http_conn_timer(conn_http(client->conn), SSE_PING_MS);
}

static void on_gone(void *data)
{
	free_client(data);
}

static void on_stop(void *data)
{
	leave(data);
}

static const struct conn_stream_ops stream_ops = {
    .on_writable = on_writable, .on_timer = on_timer, .on_gone = on_gone, .on_stop = on_stop};

static void add_cursor(struct sse_client *client, struct session *s, uint64_t next)
{
	struct sse_cursor *sc = mem_zalloc(1, sizeof *sc);

	sc->client = client;
	sc->cursor.on_ready = on_ready;
	list_append(&client->cursors, &sc->link);
	cursor_attach(&sc->cursor, s, next);
}

static void on_activity(struct follower *f, struct session *s, uint64_t from)
{
	struct sse_client *client = list_entry(f, struct sse_client, follower);

	list_each (l, &client->cursors) {
		if (list_entry(l, struct sse_cursor, link)->cursor.session == s)
			return;
	}
	add_cursor(client, s, from);
}

/* Answer the head; the connection is a stream from now on. */
static struct sse_client *open_stream(struct call *call)
{
	struct sse_client *client = mem_zalloc(1, sizeof *client);
	struct http_reply head = {
	    .status = 200, .type = "text/event-stream", .length = -1, .close = true};
	struct buf out = {0};

	client->conn = call_stream(call);
	list_init(&client->cursors);
	head.origin = conn_origin(client->conn);
	http_put_reply_head(&out, &head);
	/* Something at once, so that proxies and clients see the stream is open. */
	buf_adds(&out, ": opta\n\n");
	conn_set_stream(client->conn, &stream_ops, client);
	conn_server(client->conn)->subscribers++;
	stream_bound_kernel(http_conn_stream(conn_http(client->conn)), PUSH_KERNEL_BYTES);
	http_conn_send(conn_http(client->conn), out.p, out.len);
	http_conn_timer(conn_http(client->conn), SSE_PING_MS);
	buf_finish(&out);
	return client;
}

struct sse_request {
	struct call *call;
	uint64_t after;
};

static void on_session(void *data, enum api_error error, struct session *s)
{
	struct sse_request *r = data;
	uint64_t after = r->after;
	struct call *call = r->call;

	free(r);
	if (error != API_OK) {
		call_fail(call, error, "there is no such session", NULL);
		return;
	}
	if (!call->conn) {
		call_reply(call, 200, "", 0);
		return;
	}
	/* Numbers beyond the log are of a log that is gone: all of this one. */
	if (after > session_last_seq(s))
		after = 0;
	add_cursor(open_stream(call), s, after + 1);
}

void api_sse(struct call *call)
{
	struct sse_request *r;
	struct sse_client *client;
	struct buf id = {0};
	struct str last;
	uint64_t after;

	if (!call_query_u64(call, "afterSeq", 0, INT64_MAX, &after))
		return;
	last = conn_header(call->conn, "Last-Event-ID");
	if (last.p && last.n && !str_parse_u64(last, INT64_MAX, &after)) {
		call_fail(call, API_INVALID_REQUEST, "Last-Event-ID must be a whole number", NULL);
		return;
	}
	if (!call_query(call, "sessionId", &id)) {
		struct core *core = call->server->core;

		client = open_stream(call);
		client->all = true;
		client->follower.on_activity = on_activity;
		list_append(&core->followers, &client->follower.link);
	} else {
		r = mem_zalloc(1, sizeof *r);
		r->call = call;
		r->after = after;
		roster_get(call->server->core, buf_cstr(&id), on_session, r);
	}
	buf_finish(&id);
}
