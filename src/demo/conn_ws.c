/* A connection that became a WebSocket: chat.request and chat.cancel. */
#include "demo/conn.h"

#include <assert.h>

#include "base/err.h"
#include "base/json.h"
#include "demo/options.h"
#include "demo/server.h"
#include "net/http_conn.h"
#include "protocol/ws.h"

/* Send bytes without tearing a message that the chat is sending. */
static void send_bytes(struct demo_conn *c, const struct buf *bytes)
{
	if (!bytes->len)
		return;
	if (c->chat)
		demo_chat_append(c->chat, bytes->p, bytes->len);
	else
		http_conn_send(c->http, bytes->p, bytes->len);
}

/* id: of the request the error belongs to, or NULL. */
static void send_error(struct demo_conn *c, const char *id, const char *sentence)
{
	struct buf message = {0}, frame = {0};

	buf_adds(&message, "{\"type\":\"chat.error\",\"request_id\":");
	json_put_cstr(&message, id);
	buf_adds(&message, ",\"error\":");
	json_put_cstr(&message, sentence);
	buf_addc(&message, '}');
	ws_put_text(c->ws, &frame, message.p, message.len);
	send_bytes(c, &frame);
	buf_finish(&message);
	buf_finish(&frame);
}

/* demo:status as a WebSocket can tell it: the client's fault in words, ours by closing. */
static void fail_with_status(struct demo_conn *c, const char *id, int status)
{
	struct buf frame = {0};
	char sentence[40];

	snprintf(sentence, sizeof sentence, "demo status %d", status);
	if (status < 500) {
		send_error(c, id, sentence);
		return;
	}
	ws_put_close(c->ws, &frame, WS_CLOSE_INTERNAL, sentence);
	send_bytes(c, &frame);
	buf_finish(&frame);
	demo_conn_end(c, false);
}

static void take_request(struct demo_conn *c, const json_t *message)
{
	const char *id = json_cstr(message, "request_id", NULL);
	struct demo_wire wire = {.format = &demo_format_ws};
	struct demo_request request = {0};
	struct err err = {0};

	if (c->server->options->no_model) {
		send_error(c, id, "no-model-loaded");
		return;
	}
	if (c->chat) {
		send_error(c, id, "a request is being answered; one at a time on a connection");
		return;
	}
	if (demo_server_take(c->server, wire.format, message, &request, &err) != 0) {
		send_error(c, id, err.text);
		return;
	}
	if (request.prompt.status.set) {
		fail_with_status(c, id, (int)request.prompt.status.n);
		demo_request_finish(&request);
		return;
	}
	demo_conn_answer(c, &request, &wire);
}

static void take_message(struct demo_conn *c, const json_t *message)
{
	const char *type = json_cstr(message, "type", "");

	if (strcmp(type, "chat.request") == 0) {
		take_request(c, message);
	} else if (strcmp(type, "chat.cancel") == 0) {
		/* One request at a time: whatever the cancel names, it can only mean this one. */
		if (c->chat)
			demo_chat_flush(c->chat);
		demo_conn_cancel(c);
	} else {
		send_error(c, NULL, "type must be chat.request or chat.cancel");
	}
}

static void on_message(void *data, const char *p, size_t n)
{
	struct demo_conn *c = data;
	struct err err = {0};
	json_t *message;

	if (!c->http)
		return;
	if (json_parse(p, n, &message, &err) != 0) {
		send_error(c, NULL, err.text);
		return;
	}
	take_message(c, message);
	json_decref(message);
}

void demo_conn_ws_open(struct demo_conn *c, struct str key)
{
	struct http_reply head = {.status = 101, .length = -1};
	char accept[WS_ACCEPT_SIZE], extra[128];
	struct buf out = {0};

	assert(!c->ws);
	ws_accept(key.p, key.n, accept);
	snprintf(extra, sizeof extra,
	    "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n", accept);
	head.extra = extra;
	http_put_reply_head(&out, &head);
	http_conn_send(c->http, out.p, out.len);
	buf_finish(&out);
	c->ws = ws_new(true, DEMO_REQUEST_MAX, on_message, c);
}

void demo_conn_ws_bytes(struct demo_conn *c, const char *p, size_t n)
{
	struct buf out = {0};
	int rc = ws_feed(c->ws, p, n, &out);

	if (c->http) {
		send_bytes(c, &out);
		if (rc != 0) {
			/* The peer closed, or broke the protocol. */
			if (c->chat)
				demo_chat_flush(c->chat);
			demo_conn_cancel(c);
			demo_conn_end(c, false);
		}
	}
	buf_finish(&out);
}
