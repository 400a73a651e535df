/* What all sessions share. */
#include "session/core.h"

#include <assert.h>
#include <stdarg.h>

#include "base/config.h"
#include "base/mem.h"
#include "model/server.h"
#include "session/feed.h"
#include "session/session.h"
#include "store/store.h"

static void server_opts(const struct config *config, struct server_opts *o)
{
	*o = (struct server_opts){.port = (int)config_int(config, "connection.port"),
	    .api_key = config_text(config, "connection.apiKey")};
	o->hosts[o->host_count++] = config_text(config, "connection.host");
	for (size_t i = 0; o->host_count < SERVER_MAX_HOSTS; i++) {
		const char *host = config_list(config, "connection.fallbackHosts", i);

		if (!host)
			break;
		o->hosts[o->host_count++] = host;
	}
}

struct core *core_new(const struct core_opts *opts)
{
	struct core *c = mem_zalloc(1, sizeof *c);
	struct server_opts server;

	c->opts = *opts;
	list_init(&c->followers);
	server_opts(opts->config, &server);
	c->server = model_server_new(opts->loop, &server);
	c->feed = feed_new(opts->loop);
	c->next_session = opts->stats->next_session;
	c->session_count = (uint64_t)opts->stats->sessions;
	c->turn_total = (uint64_t)opts->stats->turns;
	return c;
}

/* What is remembered of sessions without WebSocket; past it all is forgotten and learned anew. */
enum { CORE_MAX_NO_WS = 4096 };

static void forget_no_ws(struct core *c)
{
	size_t at = 0;
	char *id;

	while ((id = map_next(&c->no_ws, &at)))
		free(id);
	map_finish(&c->no_ws);
}

void core_note_no_ws(struct core *c, const char *session_id)
{
	char *copy;

	if (c->no_ws_generation != model_server_generation(c->server) ||
	    c->no_ws.len >= CORE_MAX_NO_WS)
		forget_no_ws(c);
	c->no_ws_generation = model_server_generation(c->server);
	if (map_get(&c->no_ws, session_id))
		return;
	copy = mem_strdup(session_id);
	map_put(&c->no_ws, copy, copy);
}

bool core_lacks_ws(const struct core *c, const char *session_id)
{
	return c->no_ws_generation == model_server_generation(c->server) &&
	       map_get(&c->no_ws, session_id);
}

void core_free(struct core *c)
{
	if (!c)
		return;
	forget_no_ws(c);
	model_server_free(c->server);
	feed_free(c->feed);
	map_finish(&c->sessions);
	map_finish(&c->loading);
	free(c);
}

void core_configure(struct core *c, const struct config *config)
{
	struct server_opts server;

	c->opts.config = config;
	server_opts(config, &server);
	model_server_configure(c->server, &server);
}

void core_notice(struct core *c, enum log_level level, const char *fmt, ...)
{
	char text[700];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	c->opts.on_notice(c->opts.data, level, text);
}

static void maybe_stopped(struct core *c)
{
	void (*on_stopped)(void *) = c->on_stopped;

	if (!c->stopping || c->busy || !on_stopped)
		return;
	c->on_stopped = NULL;
	on_stopped(c->stopped_data);
}

void core_busy_changed(struct core *c, int by)
{
	assert(by > 0 || c->busy > 0);
	c->busy = (unsigned)((int)c->busy + by);
	maybe_stopped(c);
}

/* All loaded sessions, each with a reference, as ending turns unloads sessions. */
static struct session **hold_all(struct core *c, size_t *ret_len)
{
	struct session **all = mem_zalloc(c->sessions.len, sizeof(struct session *)), *s;
	size_t at = 0, n = 0;

	while ((s = map_next(&c->sessions, &at)))
		all[n++] = session_ref(s);
	*ret_len = n;
	return all;
}

static void interrupt_all(struct core *c, bool running)
{
	size_t n;
	struct session **all = hold_all(c, &n);

	for (size_t i = 0; i < n; i++) {
		session_interrupt(all[i], running);
		session_unref(all[i]);
	}
	free(all);
}

void core_stop(struct core *c, uint64_t grace_ms, void (*on_stopped)(void *data), void *data)
{
	c->stopping = true;
	c->on_stopped = on_stopped;
	c->stopped_data = data;
	interrupt_all(c, grace_ms == 0);
	maybe_stopped(c);
}

void core_interrupt(struct core *c)
{
	interrupt_all(c, true);
}

void core_counts(const struct core *c, struct core_counts *ret)
{
	ret->sessions = c->session_count;
	ret->active_turns = c->active_turns;
	ret->queued_turns = c->queued_turns;
	ret->events = c->event_total;
	ret->turns = c->turn_total;
	store_latency(
	    c->opts.store, &ret->latency_p50_us, &ret->latency_p99_us, &ret->latency_samples);
}
