/* The demo server: start, signals, end. */
#include "demo/server.h"

#include <assert.h>
#include <signal.h>
#include <unistd.h>
#include <uv.h>

#include "base/err.h"
#include "demo/conn.h"
#include "demo/failures.h"
#include "demo/format.h"
#include "demo/journal.h"
#include "demo/options.h"
#include "demo/request.h"
#include "net/listener.h"

/* The signals that end us. */
static const int ends[] = {SIGTERM, SIGINT};

enum { ENDS = sizeof ends / sizeof ends[0] };

int demo_server_take(struct demo_server *s, const struct demo_format *format, const json_t *body,
    struct demo_request *ret, struct err *reterr)
{
	struct demo_prompt *p = &ret->prompt;
	json_t *chat = format->as_chat && json_is_object(body) ? format->as_chat(body) : NULL;
	int rc = demo_request_parse(chat ? chat : body, ret, reterr);

	json_decref(chat);
	if (rc != 0)
		return rc;
	s->requests++;
	demo_journal_request(s->journal, format->transport, body);
	if (p->times.set && !demo_failures_take(s->failures, p->key, p->times.n))
		demo_prompt_forgive(p);
	return 0;
}

static void on_accept(void *data, int fd, bool last)
{
	if (last)
		close(fd);
	else
		demo_conn_start(data, fd);
}

static void on_signal(uv_signal_t *handle, int signum)
{
	uv_stop(handle->loop);
}

static void close_conns(struct demo_server *s)
{
	list_each_safe (it, &s->conns)
		demo_conn_stop(it);
}

/* Whoever started us reads the port from this line. */
static void announce(const struct demo_options *o, int port)
{
	bool v6 = strchr(o->host, ':') != NULL; /* RFC 3986 3.2.2 wants it in brackets */

	printf("demo model server on http://%s%s%s:%d (model %s)\n", v6 ? "[" : "", o->host,
	    v6 ? "]" : "", port, o->model);
	fflush(stdout);
}

static void serve(struct demo_server *s, struct listener *listener)
{
	uv_signal_t signals[ENDS];

	for (size_t i = 0; i < ENDS; i++) {
		uv_signal_init(s->loop, &signals[i]);
		uv_signal_start(&signals[i], on_signal, ends[i]);
	}
	announce(s->options, listener_port(listener));
	uv_run(s->loop, UV_RUN_DEFAULT);
	for (size_t i = 0; i < ENDS; i++)
		uv_close((uv_handle_t *)&signals[i], NULL);
	listener_close(listener);
	close_conns(s);
	/* Handles are freed from their close callbacks; signals must live until theirs. */
	uv_run(s->loop, UV_RUN_DEFAULT);
}

int demo_server_run(const struct demo_options *o, struct err *reterr)
{
	uv_loop_t loop;
	struct demo_server s = {.options = o, .loop = &loop};
	struct listener *listener;
	int rc = uv_loop_init(&loop), closed;

	if (rc != 0)
		return err_set(reterr, rc, "cannot make an event loop: %s", uv_strerror(rc));
	list_init(&s.conns);
	s.failures = demo_failures_new();
	rc = demo_journal_open(o->log, &s.journal, reterr);
	if (rc == 0)
		rc = listener_new(&loop, o->host, (int)o->port, on_accept, &s, &listener, reterr);
	if (rc == 0)
		serve(&s, listener);
	demo_journal_close(s.journal);
	demo_failures_free(s.failures);
	closed = uv_loop_close(&loop);
	assert(closed == 0); /* else a handle was not closed */
	return rc;
}
