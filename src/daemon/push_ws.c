/*
 * Events and commands over WebSocket: GET /v3/ws. Events leave from cursors;
 * acks, pongs and errors from one small control buffer, between events only.
 */
#include <inttypes.h>
#include <uv.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/ids.h"
#include "base/mem.h"
#include "daemon/api.h"
#include "daemon/conn.h"
#include "daemon/server.h"
#include "daemon/subscriber.h"
#include "net/http_conn.h"
#include "net/stream.h"
#include "protocol/envelope.h"
#include "protocol/http.h"
#include "protocol/requests.h"
#include "protocol/ws.h"
#include "session/core.h"
#include "session/permission.h"
#include "session/roster.h"
#include "session/session.h"
#include "store/segment.h"

enum {
	WS_PING_MS = 30000,
	WS_PING_SPREAD_MS =
	    20000, /* of the first one, so that ten thousand clients are not pinged at once */
	/* Pings leave at whole multiples of this: one wake-up for a hundred of ten thousand
	   clients, and their pongs come together as well. */
	WS_PING_GRID_MS = 250,
	WS_MISSED_PINGS = 2, /* unanswered: the peer is gone */
	/* Bytes of acks, pongs and errors not yet sent; past it the client is not read until it
	   reads: then only what one read of its frames asks for is added. */
	WS_CONTROL_MAX = 4096,
	WS_MAX_MESSAGE = REQUEST_MAX_BODY,
};

struct ws_client {
	struct subscriber subscriber;
	struct conn *conn;  /* NULL once the connection is gone and calls are out */
	struct ws *ws;	    /* owned */
	struct buf control; /* acks, pongs, marks: sent between events */
	char daemon_id[64]; /* the daemon id the client's cursor came from, "" unknown */
	size_t held;	    /* bytes of a half received message, as the server counts them */
	unsigned missed;    /* pings in a row without a sign of life */
	unsigned calls;	    /* commands whose answer is on its way; they hold the memory */
	bool sync;	    /* wants to be told of synced and resync */
	bool closing, paused;
};

/* --- life --- */

static void maybe_free(struct ws_client *client)
{
	if (client->conn || client->calls)
		return;
	ws_free(client->ws);
	buf_finish(&client->control);
	free(client);
}

/* The connection goes: no more events, commands under way are answered to nobody. */
static void detach(struct ws_client *client)
{
	subscriber_finish(&client->subscriber);
	server_release(conn_server(client->conn), client->held);
	client->held = 0;
	client->conn = NULL;
}

/* What waits to be sent besides events, in bytes. */
static size_t waiting(const struct ws_client *client)
{
	return client->control.len + stream_queued(http_conn_stream(conn_http(client->conn)));
}

/*
 * A client that asks for answers and takes none is not read until it does. Asked
 * wherever control bytes come or go: the socket may take the last of them at
 * once, and then nobody is told that it is writable.
 */
static void bound_control(struct ws_client *client)
{
	bool full = waiting(client) > WS_CONTROL_MAX;

	if (client->paused == full)
		return;
	client->paused = full;
	http_conn_read(conn_http(client->conn), !full);
	if (full)
		stream_want_write(http_conn_stream(conn_http(client->conn)));
}

/* Send the control bytes if no event is half sent. */
static void flush_control(void *data)
{
	struct ws_client *client = data;

	if (!client->conn)
		return;
	if (!client->subscriber.cut && client->control.len) {
		http_conn_send(conn_http(client->conn), client->control.p, client->control.len);
		buf_finish(&client->control);
	}
	bound_control(client);
}

/* Say goodbye with code, after what is half sent when the peer takes it at once. */
static void leave(struct ws_client *client, uint16_t code, const char *reason)
{
	struct conn *conn = client->conn;

	if (!conn || client->closing)
		return;
	client->closing = true;
	ws_put_close(client->ws, &client->control, code, reason);
	/* Within a half sent event a close frame would be garbage: then the cut is the message. */
	flush_control(client);
	detach(client);
	conn_finish(conn);
	maybe_free(client);
}

/* --- events out --- */

static void put_mark(
    struct ws_client *client, const char *type, const char *name, const char *session, uint64_t seq)
{
	struct buf json = {0};

	if (!client->sync)
		return;
	buf_addf(&json, "{\"type\":\"%s\",\"sessionId\":\"%s\",\"%s\":%" PRIu64 "}", type, session,
	    name, seq);
	ws_put_text(client->ws, &client->control, json.p, json.len);
	buf_finish(&json);
}

/* The event the client saw last: was it written by the daemon the client saw it from? */
static void check(void *data, struct place *place, const struct segment *s, size_t at)
{
	struct ws_client *client = data;
	struct envelope_view view;
	struct str json;
	bool same = envelope_frame(s->bytes + at, s->len - at, &json) &&
		    envelope_view(json, &view) && str_eq(view.daemon_id, client->daemon_id);

	if (same) {
		cursor_advance(&place->cursor, place->cursor.next + 1, 0);
		return;
	}
	put_mark(client, "resync", "lastSeq", session_id(place->cursor.session),
	    session_last_seq(place->cursor.session));
	cursor_advance(&place->cursor, 1, 0);
}

static void on_end(void *data, struct place *place)
{
	put_mark(data, "synced", "seq", session_id(place->cursor.session), place->cursor.next - 1);
}

static void on_lost(void *data, enum push_result why)
{
	if (why == PUSH_GONE)
		leave(data, WS_CLOSE_NO_SESSION, "the session was deleted");
	else if (why == PUSH_BAD)
		leave(data, WS_CLOSE_INTERNAL, "the session's log cannot be read");
	else
		leave(data, WS_CLOSE_GOING_AWAY, "");
}

static const struct subscriber_ops subscriber_callbacks = {
    .between = flush_control, .on_end = on_end, .check = check, .on_lost = on_lost};

static void on_writable(void *data)
{
	struct ws_client *client = data;

	flush_control(client);
	subscriber_wake(&client->subscriber);
}

/* Events after the one the client saw last. */
static void add_place(struct ws_client *client, struct session *s, uint64_t after)
{
	uint64_t last = session_last_seq(s);
	bool compare = after && after <= last && client->daemon_id[0];

	if (after > last) {
		put_mark(client, "resync", "lastSeq", session_id(s), last);
		after = 0;
	}
	subscriber_add(&client->subscriber, s, compare ? after : after + 1)->checking = compare;
}

/* --- commands in --- */

/* A command under way: holds the client's memory, and the parsed message for its strings. */
struct command {
	struct ws_client *client;
	json_t *message; /* owned */
	struct request_turn turn;
	struct request_cancel cancel;
	struct request_resolve resolve;
	uint64_t after; /* of a hello */
	void (*act)(struct command *command, struct session *s);
};

static void say(struct ws_client *client, const struct buf *json)
{
	if (!client->conn || client->closing)
		return;
	ws_put_text(client->ws, &client->control, json->p, json->len);
	flush_control(client);
}

static void say_error(
    struct ws_client *client, enum api_error error, const char *sentence, const char *details)
{
	struct buf json = {0};

	api_error_put(&json, error, sentence, details);
	say(client, &json);
	buf_finish(&json);
}

static void command_free(struct command *command)
{
	struct ws_client *client = command->client;

	json_decref(command->message);
	free(command);
	client->calls--;
	maybe_free(client);
}

static void on_submitted(void *data, const struct submit_result *r)
{
	struct command *command = data;
	struct buf json = {0};

	if (r->error != API_OK) {
		say_error(command->client, r->error, r->sentence, NULL);
	} else {
		buf_addf(&json,
		    "{\"type\":\"ack\",\"action\":\"turn.submit\",\"turnId\":\"%s\",\"queued\":"
		    "%" PRIu64 "}",
		    r->turn_id, r->queued);
		say(command->client, &json);
		buf_finish(&json);
	}
	command_free(command);
}

static void act_submit(struct command *command, struct session *s)
{
	session_submit(s, &command->turn, on_submitted, command);
}

static void on_cancelled(void *data, const struct cancel_result *r)
{
	struct command *command = data;
	struct buf json = {0};

	if (r->error != API_OK) {
		say_error(command->client, r->error,
		    "the cancel could not be stored; it is tried again", NULL);
	} else {
		buf_addf(&json,
		    "{\"type\":\"ack\",\"action\":\"turn.cancel\",\"cancelled\":{"
		    "\"cancelledQueued\":%" PRIu64 ",\"cancelledActive\":%s}}",
		    r->queued, r->active ? "true" : "false");
		say(command->client, &json);
		buf_finish(&json);
	}
	command_free(command);
}

static void act_cancel(struct command *command, struct session *s)
{
	session_cancel(s, &command->cancel, on_cancelled, command);
}

static void on_resolved(void *data, const struct resolve_result *r)
{
	struct command *command = data;
	struct buf json = {0};

	if (r->error != API_OK && r->error != API_CONFLICT && r->error != API_NOT_FOUND) {
		say_error(command->client, r->error,
		    "the decision could not be stored: nothing was decided", NULL);
	} else {
		buf_adds(&json, "{\"type\":\"ack\",\"action\":\"permission.resolve\",\"result\":");
		resolve_result_put(&json, r);
		buf_addc(&json, '}');
		say(command->client, &json);
		buf_finish(&json);
	}
	command_free(command);
}

static void act_resolve(struct command *command, struct session *s)
{
	permission_resolve(s, command->resolve.request_id, &command->resolve, on_resolved, command);
}

/* A place of the client in this session, or NULL. */
static struct place *find_place(struct ws_client *client, const struct session *s)
{
	list_each (l, &client->subscriber.places) {
		struct place *place = list_entry(l, struct place, link);

		if (place->cursor.session == s)
			return place;
	}
	return NULL;
}

/*
 * A hello names where its client stands in a log. In one that is followed already its place
 * may lie ahead of what was sent by then, or behind: it goes forward, never back, as events
 * sent twice would be drawn twice.
 */
static void act_subscribe(struct command *command, struct session *s)
{
	struct ws_client *client = command->client;
	struct subscriber *subscriber = &client->subscriber;
	struct place *place;

	/* In the middle of an event the place cannot move; the client asks again when it wants to.
	 */
	if (client->conn && !client->closing && !subscriber->cut) {
		place = find_place(client, s);
		if (!place) {
			add_place(client, s, command->after);
		} else if (command->after >= place->cursor.next &&
			   command->after <= session_last_seq(s)) {
			subscriber_drop(place);
			add_place(client, s, command->after);
		}
	}
	command_free(command);
}

static void on_session(void *data, enum api_error error, struct session *s)
{
	struct command *command = data;

	if (error != API_OK) {
		say_error(command->client, error, "there is no such session", NULL);
		command_free(command);
		return;
	}
	command->act(command, s);
}

static void fail_problems(struct ws_client *client, struct problems *p)
{
	say_error(client, API_INVALID_REQUEST, p->first, buf_cstr(&p->details));
	problems_finish(p);
}

/* Check the message and choose what it asks for. False: problems say why not. */
static bool choose(struct command *command, const char *type, struct problems *p)
{
	const json_t *m = command->message;

	if (strcmp(type, "turn.submit") == 0) {
		command->act = act_submit;
		return request_turn(m, &command->turn, p);
	}
	if (strcmp(type, "turn.cancel") == 0) {
		command->act = act_cancel;
		return request_cancel(m, &command->cancel, p);
	}
	if (strcmp(type, "permission.resolve") == 0) {
		command->act = act_resolve;
		if (!request_resolve(m, &command->resolve, p))
			return false;
		if (!command->resolve.request_id)
			problems_add(p, "requestId", "must name a permission request");
		return p->count == 0;
	}
	if (strcmp(type, "hello") == 0) {
		int64_t after = json_int(m, "afterSeq", 0);

		command->act = act_subscribe;
		command->after = after > 0 ? (uint64_t)after : 0;
		return true;
	}
	problems_add(
	    p, "type", "must be hello, ping, turn.submit, turn.cancel or permission.resolve");
	return false;
}

/* A client that cannot send a ping of the protocol asks by a message. */
static void say_heartbeat(struct ws_client *client)
{
	struct buf json = {0};

	buf_adds(&json, "{\"event\":\"heartbeat\"}");
	say(client, &json);
	buf_finish(&json);
}

static void on_message(void *data, const char *p, size_t n)
{
	struct ws_client *client = data;
	struct problems problems = {0};
	struct command *command;
	struct err err = {0};
	json_t *message;
	const char *session, *type;

	if (client->closing)
		return;
	if (json_parse(p, n, &message, &err) != 0) {
		problems_add(&problems, "message", err.text);
		fail_problems(client, &problems);
		return;
	}
	command = mem_zalloc(1, sizeof *command);
	command->client = client;
	command->message = message;
	client->calls++;
	type = json_cstr(message, "type", "");
	session = json_cstr(message, "sessionId", "");
	if (strcmp(type, "ping") == 0) {
		say_heartbeat(client);
		command_free(command);
	} else if (!choose(command, type, &problems)) {
		fail_problems(client, &problems);
		command_free(command);
	} else if (command->act == act_subscribe &&
		   (!session[0] || !json_object_get(message, "afterSeq"))) {
		/* A hello that names no place in a log is only a greeting. */
		command_free(command);
	} else if (!session[0]) {
		problems_add(&problems, "sessionId", "must name a session");
		fail_problems(client, &problems);
		command_free(command);
	} else {
		roster_get(conn_server(client->conn)->core, session, on_session, command);
	}
}

/* What is kept of a half received message counts among all that is. False: too much. */
static bool count_held(struct ws_client *client)
{
	struct server *s = conn_server(client->conn);
	size_t now = ws_held(client->ws);

	server_release(s, client->held);
	client->held = server_hold(s, 0, now) ? now : 0;
	return client->held == now;
}

static void on_raw(void *data, const char *p, size_t n)
{
	struct ws_client *client = data;
	struct conn *conn;
	int rc;

	client->calls++;
	rc = ws_feed(client->ws, p, n, &client->control);
	client->missed = ws_heard(client->ws) ? 0 : client->missed;
	client->calls--;
	if (!client->conn) {
		maybe_free(client);
		return;
	}
	if (rc == 0 && !count_held(client)) {
		leave(client, WS_CLOSE_TRY_AGAIN,
		    "64 MiB of other messages are half received: try again later");
		return;
	}
	flush_control(client);
	if (rc == 0)
		return;
	/* wslay has put the close frame that answers theirs. */
	client->closing = true;
	conn = client->conn;
	detach(client);
	conn_finish(conn);
	maybe_free(client);
}

/* The next ping in about ms. */
static void arm_ping(struct ws_client *client, uint64_t ms)
{
	uint64_t now = uv_now(conn_server(client->conn)->loop), due = now + ms;

	http_conn_timer(conn_http(client->conn), due - due % WS_PING_GRID_MS - now);
}

/* Chance spreads the first pings; the others keep their distance. */
static void arm_first_ping(struct ws_client *client)
{
	unsigned spread;

	ids_random(&spread, sizeof spread);
	arm_ping(client, WS_PING_MS - spread % WS_PING_SPREAD_MS);
}

static void on_timer(void *data)
{
	struct ws_client *client = data;
	struct conn *conn = client->conn;

	if (ws_heard(client->ws))
		client->missed = 0;
	if (client->missed >= WS_MISSED_PINGS) {
		detach(client);
		conn_close(conn);
		maybe_free(client);
		return;
	}
	/*
	 * A client whose socket is full is slow, not gone: a ping it cannot get is none
	 * it missed.
	 */
	if (!subscriber_is_blocked(&client->subscriber)) {
		ws_put_ping(client->ws, &client->control);
		flush_control(client);
		client->missed++;
	}
	arm_ping(client, WS_PING_MS);
}

static void on_gone(void *data)
{
	struct ws_client *client = data;

	detach(client);
	maybe_free(client);
}

static void on_stop(void *data)
{
	struct ws_client *client = data;

	/* What is durable and at hand goes out first: often the end of a turn somebody waits for.
	 */
	if (subscriber_flush(&client->subscriber))
		leave(client, WS_CLOSE_GOING_AWAY, "the daemon stops");
}

static const struct conn_stream_ops stream_ops = {.on_raw = on_raw,
    .on_writable = on_writable,
    .on_timer = on_timer,
    .on_gone = on_gone,
    .on_stop = on_stop};

/* --- opening --- */

static void send_handshake(struct conn *conn, struct str key)
{
	char accept[WS_ACCEPT_SIZE];
	struct buf out = {0};

	ws_accept(key.p, key.n, accept);
	buf_addf(&out,
	    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
	    "Sec-WebSocket-Accept: %s\r\n\r\n",
	    accept);
	http_conn_send(conn_http(conn), out.p, out.len);
	buf_finish(&out);
}

bool websocket_handshake_ok(const struct call *call)
{
	const struct conn *conn = call->conn;

	return conn_chunks(conn) && ws_key_ok(conn_header(conn, "Sec-WebSocket-Key")) &&
	       str_eq(conn_header(conn, "Sec-WebSocket-Version"), "13") &&
	       str_ieq(conn_header(conn, "Upgrade"), "websocket");
}

/* What the handshake says of the client. */
static void read_wishes(struct call *call, struct ws_client *client)
{
	struct buf text = {0};

	client->sync =
	    call_query(call, "sync", &text) && str_eq((struct str){text.p, text.len}, "1");
	if (call_query(call, "daemonId", &text))
		snprintf(client->daemon_id, sizeof client->daemon_id, "%s", buf_cstr(&text));
	buf_finish(&text);
}

/* Upgrade, and send the events of s after `after`; s NULL: those of every session from now on. */
static void open_client(struct call *call, struct session *s, uint64_t after)
{
	struct conn *conn = call->conn;
	struct core *core = call->server->core;
	struct ws_client *client;

	if (!conn || call->server->stopping) {
		call_fail(call, API_SHUTTING_DOWN, "the daemon is stopping", NULL);
		return;
	}
	client = mem_zalloc(1, sizeof *client);
	client->conn = conn;
	client->ws = ws_new(true, WS_MAX_MESSAGE, on_message, client);
	read_wishes(call, client);
	send_handshake(conn, conn_header(conn, "Sec-WebSocket-Key"));
	call_switch(call);
	conn_set_stream(conn, &stream_ops, client);
	client->subscriber =
	    (struct subscriber){.conn = conn, .ops = &subscriber_callbacks, .data = client};
	subscriber_init(&client->subscriber);
	arm_first_ping(client);
	if (s)
		add_place(client, s, after);
	else
		subscriber_follow_all(&client->subscriber, core);
	http_conn_switch(conn_http(conn));
}

/* A handshake whose session is looked for. */
struct opening {
	struct call *call;
	uint64_t after;
};

static void on_first_session(void *data, enum api_error error, struct session *s)
{
	struct opening opening = *(struct opening *)data;

	free(data);
	/* Before the upgrade: clients take one that was accepted for success, and come again. */
	if (error != API_OK)
		call_fail(opening.call, error,
		    error == API_SESSION_NOT_FOUND
			? "there is no such session"
			: "the database could not be read; the log says more",
		    NULL);
	else
		open_client(opening.call, s, opening.after);
}

void api_websocket(struct call *call)
{
	struct opening *opening;
	struct buf id = {0};
	uint64_t after;

	if (!call->upgrade) {
		call_fail(call, API_INVALID_REQUEST,
		    "this route is a WebSocket: connect with Upgrade: websocket", NULL);
		return;
	}
	if (!call_query_u64(call, "afterSeq", 0, INT64_MAX, &after))
		return;
	if (call_query(call, "sessionId", &id)) {
		opening = mem_zalloc(1, sizeof *opening);
		opening->call = call;
		opening->after = after;
		roster_get(call->server->core, buf_cstr(&id), on_first_session, opening);
	} else {
		open_client(call, NULL, 0);
	}
	buf_finish(&id);
}
