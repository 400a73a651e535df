/* Asking the daemon on the caller's loop. */
#include "cli/client_call.h"

#include <assert.h>
#include <string.h>
#include <uv.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/lingering.h"
#include "base/mem.h"
#include "cli/client.h"
#include "net/http_client.h"

enum {
	CALL_MAX_ANSWER = 64 * 1024 * 1024, /* bytes of one answer */
	CALL_CONNECT_MS = 5000,
};

struct client_call {
	uv_timer_t timer;	/* all of it took too long; carries the free */
	struct http_call *http; /* NULL when it ended */
	struct buf out, body;
	client_call_cb *on_done; /* NULL: cancelled, or told */
	void *data;
	int status, ms, pid, port;
};

static void on_call_closed(uv_handle_t *handle)
{
	struct client_call *c = handle->data;

	buf_finish(&c->out);
	buf_finish(&c->body);
	free(c);
}

static void end_client_call(struct client_call *c, int status, const struct err *err)
{
	client_call_cb *on_done = c->on_done;

	c->on_done = NULL;
	http_call_cancel(c->http);
	c->http = NULL;
	uv_close((uv_handle_t *)&c->timer, on_call_closed);
	if (on_done)
		on_done(c->data, status, &c->out, err);
}

static void fail_client_call(struct client_call *c, int code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

static void fail_client_call(struct client_call *c, int code, const char *fmt, ...)
{
	char text[400];
	struct err err;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	err_set(&err, code, "%s", text);
	end_client_call(c, code, &err);
}

static bool on_call_head(void *data, int status, const struct http_parser *parser)
{
	struct client_call *c = data;

	c->status = status;
	return status != 101;
}

static void on_call_body(void *data, const char *p, size_t n)
{
	struct client_call *c = data;

	/* One more byte than allowed is remembered as too many. */
	if (c->out.len <= CALL_MAX_ANSWER)
		buf_add(&c->out, p, n);
}

static void on_call_ended(void *data, const struct err *err, bool sent)
{
	struct client_call *c = data;
	struct err none = {0};

	c->http = NULL;
	if (c->out.len > CALL_MAX_ANSWER)
		fail_client_call(
		    c, ERR_LIMIT, "the daemon's answer is larger than %d bytes", CALL_MAX_ANSWER);
	else if (err->code != 0)
		fail_client_call(c, err->code, "cannot talk to the daemon on port %d: %.300s",
		    c->port, err->text);
	else
		end_client_call(c, c->status, &none);
}

static void on_call_late(uv_timer_t *timer)
{
	struct client_call *c = timer->data;

	fail_client_call(c, ERR_TIMEOUT,
	    "the daemon (pid %d, port %d) did not answer within %.1f s", c->pid, c->port,
	    c->ms / 1000.0);
}

struct client_call *client_call_start(uv_loop_t *loop, const struct client_call_opts *opts)
{
	struct client_call *c = mem_zalloc(1, sizeof *c);
	struct buf headers = {0};

	assert(opts->on_done && opts->ms > 0);
	c->on_done = opts->on_done;
	c->data = opts->data;
	c->ms = opts->ms;
	c->pid = (int)opts->client->pid;
	c->port = opts->client->port;
	if (opts->body)
		buf_adds(&c->body, opts->body);
	client_put_auth(opts->client, &headers);
	if (opts->body)
		buf_adds(&headers, "Content-Type: application/json\r\n");
	buf_adds(&headers, "Connection: close\r\n");
	uv_timer_init(loop, &c->timer);
	c->timer.data = c;
	uv_timer_start(&c->timer, on_call_late, (uint64_t)opts->ms, 0);
	c->http = http_call_start(loop, &(struct http_call_opts){.host = opts->client->host,
					    .port = opts->client->port,
					    .method = opts->method,
					    .target = opts->target,
					    .headers = buf_cstr(&headers),
					    .body = opts->body ? buf_cstr(&c->body) : NULL,
					    .body_len = c->body.len,
					    .connect_ms = CALL_CONNECT_MS,
					    .on_head = on_call_head,
					    .on_body = on_call_body,
					    .on_done = on_call_ended,
					    .data = c});
	buf_finish(&headers);
	return c;
}

void client_call_cancel(struct client_call *c)
{
	struct err none = {0};

	if (!c)
		return;
	c->on_done = NULL;
	end_client_call(c, 0, &none);
}

/* --- finding it --- */

struct client_opening {
	uv_work_t work;
	struct client client; /* the thread's until on_opened */
	struct err err;
	int rc;
	bool only_died;
	client_opening_cb *on_done; /* NULL: cancelled. Loop thread */
	void *data;
};

static void run_opening(uv_work_t *work)
{
	struct client_opening *o = work->data;

	if (o->only_died && (o->rc = paths_init(&o->client.paths, &o->err)) != 0)
		return;
	if (o->only_died && client_find(&o->client) == CLIENT_STOPPED && o->client.told_to_stop)
		o->rc = err_set(&o->err, ERR_REFUSED, "the daemon was stopped");
	else
		o->rc = client_open(&o->client, &o->err);
}

static void on_opened(uv_work_t *work, int status)
{
	struct client_opening *o = work->data;

	lingering_end();
	if (o->on_done)
		o->on_done(o->data, o->rc, &o->client, &o->err);
	free(o);
}

struct client_opening *client_open_start(
    uv_loop_t *loop, bool only_died, client_opening_cb *on_done, void *data)
{
	struct client_opening *o = mem_zalloc(1, sizeof *o);

	o->work.data = o;
	o->on_done = on_done;
	o->data = data;
	o->only_died = only_died;
	/* Whoever leaves meanwhile does not wait for it. */
	lingering_begin();
	uv_queue_work(loop, &o->work, run_opening, on_opened);
	return o;
}

void client_open_cancel(struct client_opening *o)
{
	if (o)
		o->on_done = NULL;
}
