/* Questions to the model server, side by side. */
#include "model/probe.h"

#include <assert.h>
#include <uv.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "model/target.h"
#include "net/http_client.h"

struct question {
	struct probe *probe;
	size_t i;
	struct http_call *call; /* NULL once answered */
	struct buf body;
	int status;
};

struct probe {
	struct question questions[PROBE_MAX_PATHS];
	struct probe_opts opts;
	uv_timer_t timer; /* carries the free */
	bool closing;
};

static void on_closed(uv_handle_t *handle)
{
	struct probe *p = handle->data;

	for (size_t i = 0; i < p->opts.count; i++)
		buf_finish(&p->questions[i].body);
	free(p);
}

void probe_cancel(struct probe *p)
{
	if (!p || p->closing)
		return;
	p->closing = true;
	for (size_t i = 0; i < p->opts.count; i++)
		http_call_cancel(p->questions[i].call);
	uv_close((uv_handle_t *)&p->timer, on_closed);
}

static void finish(struct probe *p)
{
	if (p->closing)
		return;
	probe_cancel(p);
	p->opts.on_done(p->opts.data);
}

static bool on_head(void *data, int status, const struct http_parser *parser)
{
	struct question *q = data;

	q->status = status;
	return status == 200;
}

static void on_body(void *data, const char *bytes, size_t n)
{
	struct question *q = data;

	if (q->body.len + n <= PROBE_MAX_ANSWER)
		buf_add(&q->body, bytes, n);
}

static void on_done(void *data, const struct err *err, bool sent)
{
	struct question *q = data;
	struct probe *p = q->probe;

	q->call = NULL;
	if (err->code == 0 && q->status == 200 &&
	    !p->opts.on_answer(p->opts.data, q->i, buf_cstr(&q->body), q->body.len)) {
		finish(p);
		return;
	}
	for (size_t i = 0; i < p->opts.count; i++)
		if (p->questions[i].call)
			return;
	finish(p);
}

static void on_late(uv_timer_t *timer)
{
	finish(timer->data);
}

struct probe *probe_start(uv_loop_t *loop, const struct probe_opts *opts)
{
	const struct target *target = opts->target;
	struct probe *p = mem_zalloc(1, sizeof *p);
	bool asked = false;

	assert(opts->count <= PROBE_MAX_PATHS);
	p->opts = *opts;
	uv_timer_init(loop, &p->timer);
	p->timer.data = p;
	for (size_t i = 0; i < opts->count; i++) {
		struct question *q = &p->questions[i];
		struct err err = {0};
		struct filter *filter = target_filter(target, &err);
		char path[TARGET_MAX_PATH];

		q->probe = p;
		q->i = i;
		if (target->tls && !filter)
			continue;
		target_path(target, opts->paths[i], path, sizeof path);
		q->call = http_call_start(loop, &(struct http_call_opts){.host = target->host,
						    .port = target->port,
						    .method = "GET",
						    .target = path,
						    .headers = opts->headers,
						    .connect_ms = opts->ms,
						    .filter = filter,
						    .on_head = on_head,
						    .on_body = on_body,
						    .on_done = on_done,
						    .data = q});
		asked = true;
	}
	uv_timer_start(&p->timer, on_late, asked ? opts->ms : 0, 0);
	return p;
}
