#ifndef DAEMON_SERVER_H
#define DAEMON_SERVER_H

/*
 * What all connections share: the core, who may talk, who is connected.
 * Loop thread only.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"
#include "daemon/auth.h"
#include "session/core.h"

struct config;
struct listener;
struct uv_loop_s;
struct buf;

enum {
	/* Connections at once; WebSockets are cheap, the rest are short. Bounded further by
	   descriptors. */
	SERVER_MAX_CONNS = 16384,
	/*
	 * Of those, ones that have not yet shown the token. Past it, or when descriptors allow no
	 * more connections, the oldest of them is closed for each new one, so that a flood of
	 * strangers cannot lock friends out.
	 */
	SERVER_MAX_STRANGERS = 512,
	/* Bytes of request bodies and WebSocket messages held at once, of all connections: one
	   alone may be 10 MiB. */
	SERVER_MAX_BODIES = 64 * 1024 * 1024,
	/* Bodies up to this are taken all the same: large ones that are half sent keep nobody from
	   cancelling or answering. */
	SERVER_SMALL_BODY = 4096,
	/* Figures that cost more than a look at a field are read anew when older than this. */
	SERVER_GAUGES_MS = 100,
	SERVER_GAUGES_SIZE = 200, /* their text: names, and five numbers of at most 20 digits */
};

/* What /v3/health tells besides counts. */
struct server_gauges {
	uint64_t read_ms; /* on the loop's clock; 0: never */
	uint64_t memory;  /* bytes, resident */
	struct core_latency latency;
	char json[SERVER_GAUGES_SIZE]; /* both, as members of the answer */
};

struct server {
	struct uv_loop_s *loop;
	struct core *core;	     /* borrowed */
	const struct config *config; /* borrowed */
	struct listener *listener;   /* owned */
	struct auth auth;
	const char *daemon_id;	  /* borrowed; of ids_make, so that JSON needs no escapes in it */
	uint64_t started_us;	  /* monotonic */
	struct list strangers;	  /* struct conn that has not shown the token, oldest first */
	struct list conns;	  /* the other ones */
	struct list models_asked; /* who waits for the model server's list (api_models.c) */
	unsigned conn_count, stranger_count;
	unsigned max_conns;	     /* SERVER_MAX_CONNS or what descriptors allow */
	unsigned subscribers;	     /* WebSocket and SSE clients of events */
	size_t body_bytes;	     /* being received, see server_hold */
	uint64_t requests;	     /* heads accepted since the start: ingressSeq */
	struct server_gauges gauges; /* see server_gauges */
	bool stopping;
};

/* Begin to serve on an opened listener's connections; fields above are set by the caller, the rest
 * zero. */
void server_init(struct server *s);

/* A connection was accepted. A listener_accept_cb; data is the server. */
void server_on_accept(void *server, int fd, bool last);

/* Take no more connections; WebSockets are closed with 1001, others when their answer is out. */
void server_stop(struct server *s);

/*
 * n more bytes were received of a body or message of which there are `have`: may they be kept?
 * Then they count until server_release.
 */
bool server_hold(struct server *s, size_t have, size_t n);
void server_release(struct server *s, size_t n);

/* Memory and latencies, at most SERVER_GAUGES_MS old. Borrowed from s. */
const struct server_gauges *server_gauges(struct server *s);

/* Append {"status":…} of /v3/health, or the object of "runtime" alone. */
void server_put_health(struct server *s, struct buf *out);
void server_put_runtime(struct server *s, struct buf *out);

#endif
