#ifndef UNIT_MODEL_FAKE_SERVER_H
#define UNIT_MODEL_FAKE_SERVER_H

/*
 * A model server of a few lines, on the loop of the test: a table of answers by
 * path, and what its WebSocket says. What it was asked is kept as text.
 */

#include "loop.h"

#include "base/err.h"
#include "base/mem.h"
#include "net/http_conn.h"
#include "net/listener.h"
#include "protocol/ws.h"

enum { FAKE_MAX_ANSWERS = 12, FAKE_MAX_CONNS = 64 };

struct fake_answer {
	const char *path;
	int status; /* 0: silence; -1: body is all that is sent, then the connection ends */
	const char *body;
	unsigned times; /* used so often, then the next row counts; 0: for ever */
};

struct fake_conn {
	struct fake *fake;
	struct http_conn *http; /* NULL once closed */
	struct ws *ws;
	char path[200];
};

struct fake {
	struct listener *listener;
	int port;
	char host[32]; /* "127.0.0.1:PORT" */
	struct fake_answer answers[FAKE_MAX_ANSWERS];
	const char *ws_says[8]; /* messages after the first one; NULL[0]: there is no WebSocket */
	int ws_close;		/* code of the close after them; 0: silence; -1: cut */
	struct buf asked;	/* "METHOD path\n", bodies and messages; "gone\n" at an end */
	struct buf auth;	/* the Authorization of the last request */
	struct fake_conn conns[FAKE_MAX_CONNS];
	size_t conn_count;
};

__attribute__((unused)) static unsigned fake_count(struct fake *f, const char *part)
{
	unsigned n = 0;

	for (const char *p = buf_cstr(&f->asked); (p = strstr(p, part)); p++)
		n++;
	return n;
}

static void fake_drop(struct fake_conn *c)
{
	http_conn_close(c->http);
	c->http = NULL;
}

static void fake_on_message(void *data, const char *p, size_t n)
{
	struct fake_conn *c = data;
	struct fake *f = c->fake;
	struct buf out = {0};

	buf_add(&f->asked, p, n);
	buf_addc(&f->asked, '\n');
	if (memmem(p, n, "chat.cancel", 11))
		return;
	for (size_t i = 0; i < 8 && f->ws_says[i]; i++)
		ws_put_text(c->ws, &out, f->ws_says[i], strlen(f->ws_says[i]));
	if (f->ws_close > 0)
		ws_put_close(c->ws, &out, (uint16_t)f->ws_close, "");
	http_conn_send(c->http, out.p, out.len);
	if (f->ws_close < 0) {
		http_conn_finish(c->http);
		c->http = NULL; /* it frees itself */
	}
	buf_finish(&out);
}

static enum http_verdict fake_on_head(void *data, const struct http_head *head)
{
	struct fake_conn *c = data;
	struct fake *f = c->fake;
	struct str key = http_header(http_conn_parser(c->http), "Sec-WebSocket-Key", NULL);
	struct str auth = http_header(http_conn_parser(c->http), "Authorization", NULL);
	char accept[WS_ACCEPT_SIZE];
	struct buf out = {0};

	snprintf(c->path, sizeof c->path, "%.*s", (int)head->target.n, head->target.p);
	buf_addf(&f->asked, "%.*s %s\n", (int)head->method.n, head->method.p, c->path);
	buf_clear(&f->auth);
	buf_add(&f->auth, auth.p, auth.n);
	if (!key.p || !f->ws_says[0])
		return HTTP_GO_ON;
	ws_accept(key.p, key.n, accept);
	buf_addf(&out,
	    "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
	    "Sec-WebSocket-Accept: %s\r\n\r\n",
	    accept);
	http_conn_send(c->http, out.p, out.len);
	buf_finish(&out);
	c->ws = ws_new(true, 1024 * 1024, fake_on_message, c);
	return HTTP_SWITCH;
}

static bool fake_on_body(void *data, const char *p, size_t n)
{
	buf_add(&((struct fake_conn *)data)->fake->asked, p, n);
	return true;
}

static void fake_on_request(void *data)
{
	struct fake_conn *c = data;
	struct http_reply reply = {.status = 404, .type = "application/json"};
	const char *body = "{}";

	buf_addc(&c->fake->asked, '\n');
	for (size_t i = 0; i < FAKE_MAX_ANSWERS; i++) {
		struct fake_answer *a = &c->fake->answers[i];

		if (!a->path || strcmp(a->path, c->path) != 0)
			continue;
		if (a->times && --a->times == 0)
			a->path = NULL;
		if (a->status == 0)
			return;
		if (a->status < 0) {
			http_conn_send(c->http, a->body, strlen(a->body));
			http_conn_finish(c->http);
			c->http = NULL;
			return;
		}
		reply.status = a->status;
		body = a->body;
		break;
	}
	http_conn_reply(c->http, &reply, body, strlen(body));
	if (http_conn_keep_alive(c->http)) {
		http_conn_next(c->http);
	} else {
		http_conn_finish(c->http);
		c->http = NULL;
	}
}

static void fake_on_bad(void *data, const char *reason, bool too_large)
{
	struct fake_conn *c = data;

	buf_addf(&c->fake->asked, "BAD %s\n", reason);
	fake_drop(c);
}

static void fake_on_raw(void *data, const char *p, size_t n)
{
	struct fake_conn *c = data;
	struct buf out = {0};
	int rc = ws_feed(c->ws, p, n, &out);

	if (rc != 0) {
		buf_addf(&c->fake->asked, "closed %d\n", ws_close_code(c->ws));
		fake_drop(c);
	}
	buf_finish(&out);
}

static void fake_on_nothing(void *data)
{
}

static void fake_on_gone(void *data)
{
	struct fake_conn *c = data;

	buf_adds(&c->fake->asked, "gone\n");
	fake_drop(c);
}

static const struct http_conn_ops fake_ops = {.on_head = fake_on_head,
    .on_body = fake_on_body,
    .on_request = fake_on_request,
    .on_bad = fake_on_bad,
    .on_raw = fake_on_raw,
    .on_writable = fake_on_nothing,
    .on_timer = fake_on_nothing,
    .on_gone = fake_on_gone};

static void fake_on_accept(void *data, int fd, bool last)
{
	struct fake *f = data;
	struct fake_conn *c;

	assert_true(f->conn_count < FAKE_MAX_CONNS);
	c = &f->conns[f->conn_count++];
	c->fake = f;
	c->http = http_conn_new(&loop, fd, &fake_ops, c);
	assert_non_null(c->http);
}

/* Listen; the rest of f is as the test filled it. */
__attribute__((unused)) static void fake_start(struct fake *f)
{
	assert_int_equal(
	    listener_new(&loop, "127.0.0.1", 0, fake_on_accept, f, &f->listener, NULL), 0);
	f->port = listener_port(f->listener);
	snprintf(f->host, sizeof f->host, "127.0.0.1:%d", f->port);
}

/* A port nobody listens on, as a host. */
__attribute__((unused)) static const char *fake_dead_host(void)
{
	static char host[32];
	int port, fd = plain_listen(&port);

	close(fd);
	snprintf(host, sizeof host, "127.0.0.1:%d", port);
	return host;
}

__attribute__((unused)) static void fake_stop(struct fake *f)
{
	listener_close(f->listener);
	for (size_t i = 0; i < f->conn_count; i++) {
		fake_drop(&f->conns[i]);
		ws_free(f->conns[i].ws);
	}
	buf_finish(&f->asked);
	buf_finish(&f->auth);
}

#endif
