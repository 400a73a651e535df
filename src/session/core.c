/* What all sessions share. */
#include "session/core.h"

#include <assert.h>
#include <stdarg.h>

#include "base/buf.h"
#include "base/config.h"
#include "base/mem.h"
#include "base/str.h"
#include "model/server.h"
#include "session/background.h"
#include "session/feed.h"
#include "session/model_servers.h"
#include "session/session.h"
#include "store/store.h"
#include "tools/pool.h"
#include "tools/sandbox.h"

static void on_support(void *data, const struct sandbox_support *support)
{
	char missing[1000];
	struct str rest, line;

	sandbox_missing(support, missing, sizeof missing);
	rest = str_of(missing);
	while (rest.n) {
		rest = str_cut(rest, '\n', &line);
		core_notice(data, LOG_WARN, "this kernel lacks %.*s", (int)line.n, line.p);
	}
	core_notice(data, LOG_INFO, "the memory of each tool call is %s",
	    support->control_group ? "limited by a control group"
				   : "counted: no control group could be made");
}

static void on_crash(void *data, const char *why)
{
	core_notice(data, LOG_ERROR, "tool worker crashed: %s", why);
}

struct core *core_new(const struct core_opts *opts)
{
	struct core *c = mem_zalloc(1, sizeof *c);

	c->opts = *opts;
	list_init(&c->followers);
	c->servers = model_servers_new(opts->loop, opts->config);
	c->feed = feed_new(opts->loop);
	c->pool = pool_new(&(struct pool_opts){.loop = opts->loop,
	    .program = opts->tool_program,
	    .workers = (unsigned)config_int(opts->config, "daemon.workerPoolSize"),
	    .on_support = on_support,
	    .on_crash = on_crash,
	    .data = c});
	c->background = background_new(c);
	c->next_session = opts->stats->next_session;
	c->session_count = (uint64_t)opts->stats->sessions;
	c->turn_total = (uint64_t)opts->stats->turns;
	return c;
}

/* What is remembered of the model server; past it all is forgotten and learned anew. */
enum { CORE_MAX_LEARNED = 4096 };

static void forget(struct map *m)
{
	size_t at = 0;
	char *key;

	while ((key = map_next(m, &at)))
		free(key);
	map_finish(m);
}

/* Add key to a set of at most CORE_MAX_LEARNED. True when it was not in it. */
static bool add(struct map *m, const char *key)
{
	char *copy;

	if (map_get(m, key))
		return false;
	if (m->len >= CORE_MAX_LEARNED)
		forget(m);
	copy = mem_strdup(key);
	map_put(m, copy, copy);
	return true;
}

static void learn(struct core *c, struct map *m, const char *key)
{
	unsigned generation = model_server_generation(model_servers_default(c->servers));

	if (c->learned_generation != generation)
		forget(&c->no_ws);
	c->learned_generation = generation;
	add(m, key);
}

bool core_note_artifacts(struct core *c, const char *session_id)
{
	return add(&c->artifact_dirs, session_id);
}

static bool knows(const struct core *c, const struct map *m, const char *key)
{
	return c->learned_generation ==
		   model_server_generation(model_servers_default(c->servers)) &&
	       map_get(m, key);
}

void core_note_no_ws(struct core *c, const char *session_id)
{
	learn(c, &c->no_ws, session_id);
}

bool core_lacks_ws(const struct core *c, const char *session_id)
{
	return knows(c, &c->no_ws, session_id);
}

void core_forget_no_ws(struct core *c, const char *session_id)
{
	free(map_remove(&c->no_ws, session_id));
}

void core_set_port(struct core *c, int port)
{
	pool_set_port(c->pool, port);
}

void core_free(struct core *c)
{
	if (!c)
		return;
	forget(&c->no_ws);
	forget(&c->artifact_dirs);
	background_free(c->background);
	pool_free(c->pool);
	model_servers_free(c->servers);
	feed_free(c->feed);
	map_finish(&c->sessions);
	map_finish(&c->loading);
	free(c);
}

void core_configure(struct core *c, const struct config *config)
{
	c->opts.config = config;
	model_servers_configure(c->servers, config);
	pool_set_workers(c->pool, (unsigned)config_int(config, "daemon.workerPoolSize"));
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
	background_end(c->background, NULL);
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
	struct pool_counts tools;

	ret->sessions = c->session_count;
	ret->active_turns = c->active_turns;
	ret->queued_turns = c->queued_turns;
	ret->events = c->event_total;
	ret->turns = c->turn_total;
	pool_counts(c->pool, &tools);
	ret->tool_workers = tools.workers;
	ret->tools_busy = tools.busy;
	ret->tools_queued = tools.queued;
}

void core_latency(const struct core *c, struct core_latency *ret)
{
	store_latency(c->opts.store, &ret->p50_us, &ret->p99_us, &ret->samples);
}
