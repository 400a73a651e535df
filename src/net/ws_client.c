/* One WebSocket to a server. */
#include "net/ws_client.h"

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "net/http_client.h"
#include "protocol/http.h"
#include "protocol/ws.h"

struct ws_call {
	struct http_call *http; /* NULL once it reported its end */
	struct ws *ws;
	struct ws_call_opts opts; /* strings not kept */
	char expected[WS_ACCEPT_SIZE];
	int status; /* what refused the upgrade */
	int depth;  /* callbacks of ours on the stack: w may not be freed */
	bool opened, dead;
};

static void release(struct ws_call *w)
{
	if (w->depth || !w->dead)
		return;
	ws_free(w->ws);
	free(w);
}

static void closed(struct ws_call *w, const struct err *err)
{
	if (w->dead)
		return;
	w->dead = true;
	http_call_cancel(w->http);
	w->http = NULL;
	w->opts.on_closed(w->opts.data, w->opened, ws_close_code(w->ws), w->status, err);
}

static bool on_head(void *data, int status, const struct http_parser *parser)
{
	struct ws_call *w = data;
	struct str accept = http_header(parser, "Sec-WebSocket-Accept", NULL);

	if (status != 101 || !str_eq(accept, w->expected)) {
		w->status = status;
		return false;
	}
	w->opened = true;
	w->depth++;
	w->opts.on_open(w->opts.data);
	w->depth--;
	if (!w->dead)
		return true;
	release(w);
	return false;
}

static void on_message(void *data, const char *p, size_t n)
{
	struct ws_call *w = data;

	if (!w->dead)
		w->opts.on_message(w->opts.data, p, n);
}

static void on_bytes(void *data, const char *p, size_t n)
{
	struct ws_call *w = data;
	struct buf out = {0};
	struct err err = {0};
	int rc;

	w->depth++;
	rc = ws_feed(w->ws, p, n, &out);
	if (!w->dead && out.len && http_call_queued(w->http) < WS_CALL_MAX_QUEUED)
		http_call_send(w->http, out.p, out.len);
	buf_finish(&out);
	if (rc == ERR_LIMIT && !w->dead) {
		err_set(&err, rc, "the server sent a message of more than %zu bytes",
		    w->opts.max_message);
		closed(w, &err);
	} else if (rc != 0 && !w->dead) {
		err_set(
		    &err, rc, "the server closed the WebSocket (code %d)", ws_close_code(w->ws));
		closed(w, &err);
	}
	w->depth--;
	release(w);
}

static void on_done(void *data, const struct err *err, bool sent)
{
	struct ws_call *w = data;
	struct err refused = {0};

	w->http = NULL;
	w->depth++;
	if (w->status) {
		err_set(
		    &refused, ERR_REFUSED, "the server refused the WebSocket (HTTP %d)", w->status);
		err = &refused;
	} else if (err->code == 0) {
		err_set(&refused, ERR_CLOSED, "the server ended the connection");
		err = &refused;
	}
	closed(w, err);
	w->depth--;
	release(w);
}

struct ws_call *ws_call_start(struct uv_loop_s *loop, const struct ws_call_opts *opts)
{
	struct ws_call *w = mem_zalloc(1, sizeof *w);
	struct buf headers = {0};
	char key[WS_KEY_SIZE];

	w->opts = *opts;
	w->ws = ws_new(false, opts->max_message, on_message, w);
	ws_key(key);
	ws_accept(key, strlen(key), w->expected);
	buf_addf(&headers,
	    "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
	    "Sec-WebSocket-Key: %s\r\n",
	    key);
	buf_adds(&headers, opts->headers ? opts->headers : "");
	w->http = http_call_start(loop, &(struct http_call_opts){.host = opts->host,
					    .port = opts->port,
					    .method = "GET",
					    .target = opts->target,
					    .headers = buf_cstr(&headers),
					    .connect_ms = opts->connect_ms,
					    .filter = opts->filter,
					    .on_head = on_head,
					    .on_body = on_bytes,
					    .on_done = on_done,
					    .data = w});
	buf_finish(&headers);
	return w;
}

void ws_call_send(struct ws_call *w, const char *p, size_t n)
{
	struct buf out = {0};

	/* Before the handshake's answer a frame would be garbage after our request. */
	if (w->dead || !w->opened)
		return;
	ws_put_text(w->ws, &out, p, n);
	http_call_send(w->http, out.p, out.len);
	buf_finish(&out);
}

void ws_call_close(struct ws_call *w, uint16_t code)
{
	struct buf out = {0};

	if (!w || w->dead)
		return;
	w->dead = true;
	if (w->http && w->opened) {
		ws_put_close(w->ws, &out, code, "");
		http_call_send(w->http, out.p, out.len);
		buf_finish(&out);
	}
	http_call_cancel(w->http);
	w->http = NULL;
	release(w);
}

void ws_call_read(struct ws_call *w, bool on)
{
	if (w->http)
		http_call_read(w->http, on);
}
