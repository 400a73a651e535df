#ifndef TOOLS_POOL_H
#define TOOLS_POOL_H

/*
 * The daemon's side of tool calls: at most so many run at once, the rest wait,
 * and no session's calls keep another's waiting. Owns the tool host process,
 * which is started at the first call and again when it died. Loop thread only.
 *
 * A call's last callback is on_done, once, never before pool_start returns; the call is
 * freed afterwards. After pool_cancel no callback comes.
 */

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "tools/request.h"

struct pool;
struct pool_call;
struct sandbox_support;
struct uv_loop_s;

struct pool_opts {
	struct uv_loop_s *loop;
	const char *program; /* optad's path; copied */
	unsigned workers;    /* calls at once */
	int port;	     /* the daemon's own */
	/* The host said what this kernel can enforce: once for each host. */
	void (*on_support)(void *data, const struct sandbox_support *support);
	/* A call's process ended as it should not have. */
	void (*on_crash)(void *data, const char *why);
	void *data;
};

struct pool_call_opts {
	struct tool_request request; /* copied with all it points at */
	/* Calls with the same owner take turns with those of others. */
	const void *owner;
	/* Background: its process runs, as pid; never when it is refused. May be NULL. */
	void (*on_started)(void *data, pid_t pid);
	/* Background: n bytes of output. May be NULL. */
	void (*on_output)(void *data, bool err, const char *p, size_t n);
	void (*on_done)(void *data, const struct tool_answer *answer);
	void *data;
};

struct pool_counts {
	unsigned workers, busy, queued;
};

struct pool *pool_new(const struct pool_opts *opts);

/* End the host with all that runs; no callback fires any more. NULL is allowed. */
void pool_free(struct pool *p);

/* From now on. */
void pool_set_workers(struct pool *p, unsigned workers);
void pool_set_port(struct pool *p, int port);

/* Run, or wait for a place. A background call takes no place (its caller bounds their number). */
struct pool_call *pool_start(struct pool *p, const struct pool_call_opts *opts);

/* End it with all it started, at once. NULL is allowed. */
void pool_cancel(struct pool_call *call);

/* Send a signal to what the call runs; SIGKILL ends all of it. on_done comes as ever. */
void pool_signal(struct pool_call *call, int signum);

/* Background: read no more output for now, or again. */
void pool_read(struct pool_call *call, bool on);

void pool_counts(const struct pool *p, struct pool_counts *ret);

#endif
