/* Events as one JSON answer, with long poll: GET /v3/sessions/:id/events. */
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
#include "session/feed.h"
#include "session/roster.h"
#include "session/session.h"

struct events_answer {
	struct conn *conn;
	struct cursor cursor;
	uint64_t first, until; /* the events it holds; until 0: still waiting for some */
	uint64_t limit;	       /* 0: none */
	bool chunked;
	struct push_encoding encoding;
};

static void put_chunked(
    struct events_answer *a, struct buf *out, const char *comma, struct str json)
{
	size_t n = strlen(comma) + json.n;

	if (a->chunked)
		buf_addf(out, "%zx\r\n", n);
	buf_adds(out, comma);
	buf_add(out, json.p, json.n);
	if (a->chunked)
		buf_adds(out, "\r\n");
}

static void put_event(void *data, struct buf *out, uint64_t seq, struct str json)
{
	struct events_answer *a = data;

	put_chunked(a, out, seq == a->first ? "" : ",", json);
}

static void free_answer(struct events_answer *a)
{
	cursor_detach(&a->cursor);
	free(a);
}

static void put_tail(struct events_answer *a, struct buf *out)
{
	struct buf tail = {0};

	buf_adds(&tail, "],\"lastSeq\":");
	buf_addu(&tail, session_last_seq(a->cursor.session));
	buf_addc(&tail, '}');
	put_chunked(a, out, "", (struct str){tail.p, tail.len});
	if (a->chunked)
		buf_adds(out, "0\r\n\r\n");
	buf_finish(&tail);
}

static void finish(struct events_answer *a)
{
	struct conn *conn = a->conn;
	struct buf out = {0};

	put_tail(a, &out);
	http_conn_send(conn_http(conn), out.p, out.len);
	buf_finish(&out);
	free_answer(a);
	conn_stream_done(conn);
}

/* The head, and the beginning of the body. */
static void begin(struct events_answer *a, uint64_t until)
{
	struct http_reply head = {.status = 200,
	    .type = "application/json",
	    .length = -1,
	    .chunked = a->chunked,
	    .close = !a->chunked || !http_conn_keep_alive(conn_http(a->conn)),
	    .origin = conn_origin(a->conn)};
	struct buf out = {0};

	a->until = until;
	/* From now on there is an end; a poller that closed its side is gone while it waits. */
	http_conn_streaming(conn_http(a->conn), true);
	http_put_reply_head(&out, &head);
	put_chunked(a, &out, "", str_of("{\"events\":["));
	http_conn_send(conn_http(a->conn), out.p, out.len);
	buf_finish(&out);
}

static uint64_t last_wanted(const struct events_answer *a)
{
	uint64_t last = session_last_seq(a->cursor.session);

	if (a->limit && last - (a->first - 1) > a->limit)
		return a->first - 1 + a->limit;
	return last;
}

static void run(struct events_answer *a)
{
	struct conn *conn = a->conn;

	switch (push_send(&a->cursor, http_conn_stream(conn_http(conn)), &a->encoding, a->until)) {
	case PUSH_END:
		finish(a);
		return;
	case PUSH_BLOCKED:
		http_conn_timer(conn_http(conn), HTTP_CONN_STALL_MS);
		return;
	case PUSH_WAIT:
	case PUSH_MORE:
		return;
	case PUSH_GONE:
	case PUSH_BAD:
	case PUSH_LOST:
		/* The answer has begun: cutting it short is the only way left to say no. */
		free_answer(a);
		conn_close(conn);
		return;
	}
}

/* Nothing came in time, or the session is gone: an empty list. */
static void finish_empty(struct events_answer *a)
{
	begin(a, 0);
	finish(a);
}

static void on_ready(struct cursor *cursor)
{
	struct events_answer *a = list_entry(cursor, struct events_answer, cursor);

	if (!a->until) {
		struct segment *segment;
		size_t at;

		/* Polling: is there something now? */
		switch (cursor_next(cursor, &segment, &at)) {
		case CURSOR_END:
			return;
		case CURSOR_DATA:
		case CURSOR_WAIT:
			begin(a, last_wanted(a));
			break;
		case CURSOR_GONE:
		case CURSOR_BAD:
			finish_empty(a);
			return;
		}
	}
	run(a);
}

static void on_writable(void *data)
{
	struct events_answer *a = data;

	if (a->until) {
		http_conn_timer(conn_http(a->conn), 0);
		cursor_wake(&a->cursor);
	}
}

static void on_timer(void *data)
{
	struct events_answer *a = data;
	struct conn *conn = a->conn;

	if (!a->until) {
		finish_empty(a);
		return;
	}
	/* Nobody reads the answer. */
	free_answer(a);
	conn_close(conn);
}

static void on_gone(void *data)
{
	free_answer(data);
}

static void on_stop(void *data)
{
	struct events_answer *a = data;

	if (!a->until)
		finish_empty(a);
}

static const struct conn_stream_ops stream_ops = {
    .on_writable = on_writable, .on_timer = on_timer, .on_gone = on_gone, .on_stop = on_stop};

struct events_request {
	struct call *call;
	uint64_t after, limit, timeout;
};

static void on_session(void *data, enum api_error error, struct session *s)
{
	struct events_request r = *(struct events_request *)data;
	struct events_answer *a;
	uint64_t last;

	free(data);
	if (error != API_OK) {
		call_fail(r.call, error, "there is no such session", NULL);
		return;
	}
	if (!r.call->conn) {
		call_reply(r.call, 200, "", 0);
		return;
	}
	last = session_last_seq(s);
	a = mem_zalloc(1, sizeof *a);
	a->conn = call_stream(r.call);
	a->chunked = conn_chunks(a->conn);
	a->limit = r.limit;
	a->first = r.after + 1;
	a->encoding = (struct push_encoding){put_event, a};
	a->cursor.on_ready = on_ready;
	conn_set_stream(a->conn, &stream_ops, a);
	/* A cursor beyond the log is told the log's end, and nothing is waited for. */
	cursor_attach(&a->cursor, s, r.after < last ? a->first : last + 1);
	if (r.after < last)
		begin(a, last_wanted(a));
	else if (r.timeout && r.after == last)
		http_conn_timer(conn_http(a->conn), r.timeout);
	else
		finish_empty(a);
}

void api_events(struct call *call)
{
	struct events_request r = {.call = call}, *kept;

	if (!call_query_u64(call, "afterSeq", 0, INT64_MAX, &r.after) ||
	    !call_query_u64(call, "limit", 0, INT64_MAX, &r.limit) ||
	    !call_query_u64(call, "timeout", 0, REQUEST_MAX_POLL_MS, &r.timeout))
		return;
	kept = mem_zalloc(1, sizeof *kept);
	*kept = r;
	roster_get(call->server->core, call->id, on_session, kept);
}
