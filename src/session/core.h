#ifndef SESSION_CORE_H
#define SESSION_CORE_H

/*
 * The daemon without its sockets: what all sessions share. Loop thread only.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/list.h"
#include "base/log.h"
#include "base/map.h"

struct config;
struct background;
struct model_servers;
struct pool;
struct session;
struct store;
struct store_stats;
struct uv_loop_s;

struct core_opts {
	struct uv_loop_s *loop;
	struct store *store;		 /* borrowed */
	const struct store_stats *stats; /* of store_open */
	const struct config *config;	 /* borrowed until core_configure gives another */
	const char *daemon_id;		 /* borrowed for the core's life */
	const char *tool_program;	 /* optad's path, for the tool host; borrowed */
	const char *home;		 /* opta's own directory, hidden from tools; borrowed */
	const char *artifacts;		 /* where sessions' artifact directories are; borrowed */
	/* A fact for the log. */
	void (*on_notice)(void *data, enum log_level level, const char *text);
	void *data;
};

/* Fields are for the session floor; other floors use the functions. */
struct core {
	struct core_opts opts;
	struct model_servers *servers; /* owned */
	struct pool *pool;	       /* owned: tool calls */
	struct background *background; /* owned: processes that outlive their turn */
	struct map
	    sessions; /* id -> struct session, loaded ones; borrowed by those who hold a ref */
	struct map loading; /* id -> struct load, those on their way */
	/* Keys owned; about the model server of this generation: */
	struct map no_ws; /* session ids: it has no WebSocket */
	unsigned learned_generation;
	struct map
	    artifact_dirs; /* keys owned: sessions whose artifact directory is known to be there */
	struct list followers; /* struct follower: clients of all sessions */
	struct feed *feed;     /* owned */
	int64_t next_session;
	uint64_t session_count, turn_total;
	unsigned busy; /* sessions with a running or queued turn */
	unsigned active_turns, queued_turns;
	uint64_t event_total; /* events appended since the start */
	bool stopping;
	void (*on_stopped)(void *data);
	void *stopped_data;
};

/* The daemon listens on port: tools may not reach it. */
void core_set_port(struct core *c, int port);

/* What /v3/metrics calls runtime, as far as the core knows it. */
struct core_counts {
	uint64_t sessions, active_turns, queued_turns, events, turns;
	unsigned tool_workers, tools_busy, tools_queued;
};

/* From append to commit, over the last batches; zeros when there was none. */
struct core_latency {
	uint64_t p50_us, p99_us;
	size_t samples;
};

struct core *core_new(const struct core_opts *opts);

/* Free; no session may be loaded (after core_stop and store_close). */
void core_free(struct core *c);

/* New settings for what starts from now on. config is borrowed as before. */
void core_configure(struct core *c, const struct config *config);

/*
 * Take no more turns; end queued ones as interrupted now and running ones after
 * grace_ms; on_stopped when none is left.
 */
void core_stop(struct core *c, uint64_t grace_ms, void (*on_stopped)(void *data), void *data);

/* End running turns as interrupted now (the grace is over). */
void core_interrupt(struct core *c);

void core_counts(const struct core *c, struct core_counts *ret);

/* Sorts all samples: for who asks now and then. */
void core_latency(const struct core *c, struct core_latency *ret);

/* For the session floor: the session found no WebSocket at its model server. Forgotten when the
 * settings' server or the session's metadata, which may name another, changes. */
void core_note_no_ws(struct core *c, const char *session_id);
bool core_lacks_ws(const struct core *c, const char *session_id);
void core_forget_no_ws(struct core *c, const char *session_id);

/* For the session floor: the session has an artifact directory. True when that was not known. */
bool core_note_artifacts(struct core *c, const char *session_id);

/* For the session floor: log a fact; a session became busy or idle. */
void core_notice(struct core *c, enum log_level level, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void core_busy_changed(struct core *c, int by);

#endif
