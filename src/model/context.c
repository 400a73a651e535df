/* How large the server's context really is. */
#include "model/context.h"

#include <stdbool.h>
#include <uv.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "model/target.h"
#include "net/http_client.h"

enum { CONTEXT_MAX_ANSWER = 1024 * 1024, CONTEXT_MAX_TOKENS = 100000000 };

static const char *const paths[] = {"/props", "/admin/models", "/api/ps"};
enum { CONTEXT_PATHS = sizeof paths / sizeof paths[0] };

struct question {
	struct context_probe *probe;
	const char *path;
	struct http_call *call; /* NULL once answered */
	struct buf body;
	int status;
};

struct context_probe {
	struct question questions[CONTEXT_PATHS];
	uv_timer_t timer; /* carries the free */
	context_cb *on_done;
	void *data;
	bool closing;
};

static uint64_t tokens_under(const json_t *object, const char *key)
{
	int64_t n = json_int(object, key, 0);

	return n > 0 && n <= CONTEXT_MAX_TOKENS ? (uint64_t)n : 0;
}

uint64_t context_from_answer(const char *path, const char *p, size_t n)
{
	static const char *const names[] = {
	    "context_length", "max_context", "context_size", "n_ctx"};
	const json_t *first;
	uint64_t tokens = 0;
	json_t *root;

	if (json_parse(p, n, &root, NULL) != 0)
		return 0;
	if (strcmp(path, "/props") == 0) {
		tokens =
		    tokens_under(json_object_get(root, "default_generation_settings"), "n_ctx");
	} else {
		bool ollama = strcmp(path, "/api/ps") == 0;

		first = json_array_get(json_object_get(root, ollama ? "models" : "loaded"), 0);
		for (size_t i = 0; i < sizeof names / sizeof names[0] && !tokens; i++)
			tokens = tokens_under(first, names[i]);
		if (!tokens && ollama && first)
			tokens = CONTEXT_OLLAMA_DEFAULT;
	}
	json_decref(root);
	return tokens;
}

static void on_closed(uv_handle_t *handle)
{
	struct context_probe *p = handle->data;

	for (size_t i = 0; i < CONTEXT_PATHS; i++)
		buf_finish(&p->questions[i].body);
	free(p);
}

void context_probe_cancel(struct context_probe *p)
{
	if (!p || p->closing)
		return;
	p->closing = true;
	for (size_t i = 0; i < CONTEXT_PATHS; i++)
		http_call_cancel(p->questions[i].call);
	uv_close((uv_handle_t *)&p->timer, on_closed);
}

static void finish(struct context_probe *p, uint64_t tokens)
{
	if (p->closing)
		return;
	context_probe_cancel(p);
	p->on_done(p->data, tokens);
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

	if (q->body.len + n <= CONTEXT_MAX_ANSWER)
		buf_add(&q->body, bytes, n);
}

static void on_done(void *data, const struct err *err, bool sent)
{
	struct question *q = data;
	struct context_probe *p = q->probe;
	uint64_t tokens = 0;

	q->call = NULL;
	if (err->code == 0 && q->status == 200)
		tokens = context_from_answer(q->path, q->body.p, q->body.len);
	if (tokens) {
		finish(p, tokens);
		return;
	}
	for (size_t i = 0; i < CONTEXT_PATHS; i++)
		if (p->questions[i].call)
			return;
	finish(p, 0);
}

static void on_late(uv_timer_t *timer)
{
	finish(timer->data, 0);
}

struct context_probe *context_probe_start(uv_loop_t *loop, const struct target *target,
    const char *headers, context_cb *on_done_cb, void *data)
{
	struct context_probe *p = mem_zalloc(1, sizeof *p);
	char path[600];

	p->on_done = on_done_cb;
	p->data = data;
	uv_timer_init(loop, &p->timer);
	p->timer.data = p;
	uv_timer_start(&p->timer, on_late, CONTEXT_PROBE_MS, 0);
	for (size_t i = 0; i < CONTEXT_PATHS; i++) {
		struct question *q = &p->questions[i];
		struct err err = {0};
		struct filter *filter = target_filter(target, &err);

		q->probe = p;
		q->path = paths[i];
		if (target->tls && !filter)
			continue;
		snprintf(path, sizeof path, "%s%s", target->prefix, paths[i]);
		q->call = http_call_start(loop, &(struct http_call_opts){.host = target->host,
						    .port = target->port,
						    .method = "GET",
						    .target = path,
						    .headers = headers,
						    .connect_ms = CONTEXT_PROBE_MS,
						    .filter = filter,
						    .on_head = on_head,
						    .on_body = on_body,
						    .on_done = on_done,
						    .data = q});
	}
	return p;
}
