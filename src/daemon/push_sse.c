/* Events as server-sent events: GET /v3/sse/events. */
#include "base/buf.h"
#include "base/mem.h"
#include "daemon/api.h"
#include "daemon/conn.h"
#include "daemon/server.h"
#include "daemon/subscriber.h"
#include "net/http_conn.h"
#include "protocol/http.h"
#include "protocol/requests.h"
#include "session/roster.h"
#include "session/session.h"

/* The comment that keeps proxies and clients from giving up. */
enum { SSE_PING_MS = 15000 };

struct sse_client {
	struct subscriber subscriber;
	struct conn *conn;
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

static void on_gone(void *data)
{
	struct sse_client *client = data;

	subscriber_finish(&client->subscriber);
	free(client);
}

static void leave(struct sse_client *client)
{
	struct conn *conn = client->conn;

	on_gone(client);
	conn_finish(conn);
}

static void on_lost(void *data, enum push_result why)
{
	leave(data);
}

static const struct subscriber_ops subscriber_callbacks = {.on_lost = on_lost};

static void on_writable(void *data)
{
	struct sse_client *client = data;

	subscriber_wake(&client->subscriber);
}

static void on_timer(void *data)
{
	struct sse_client *client = data;

	/* Not into the middle of an event, nor on top of what the client does not read. */
	if (!subscriber_is_blocked(&client->subscriber))
		http_conn_send(conn_http(client->conn), ": ping\n\n", 8);
	http_conn_timer(conn_http(client->conn), SSE_PING_MS);
}

static void on_stop(void *data)
{
	struct sse_client *client = data;

	if (subscriber_flush(&client->subscriber))
		leave(client);
}

static const struct conn_stream_ops stream_ops = {
    .on_writable = on_writable, .on_timer = on_timer, .on_gone = on_gone, .on_stop = on_stop};

/* Answer the head; the connection is a stream from now on. */
static struct sse_client *open_stream(struct call *call)
{
	struct sse_client *client = mem_zalloc(1, sizeof *client);
	struct http_reply head = {
	    .status = 200, .type = "text/event-stream", .length = -1, .close = true};
	struct buf out = {0};

	client->conn = call_stream(call);
	head.origin = conn_origin(client->conn);
	http_put_reply_head(&out, &head);
	/* Something at once, so that proxies and clients see the stream is open. */
	buf_adds(&out, ": opta\n\n");
	conn_set_stream(client->conn, &stream_ops, client);
	client->subscriber = (struct subscriber){.conn = client->conn,
	    .ops = &subscriber_callbacks,
	    .encoding = &encoding,
	    .data = client};
	subscriber_init(&client->subscriber);
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
	subscriber_add(&open_stream(call)->subscriber, s, after + 1);
}

void api_sse(struct call *call)
{
	struct sse_request *r;
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

		subscriber_follow_all(&open_stream(call)->subscriber, core);
	} else {
		r = mem_zalloc(1, sizeof *r);
		r->call = call;
		r->after = after;
		roster_get(call->server->core, buf_cstr(&id), on_session, r);
	}
	buf_finish(&id);
}
