#ifndef MODEL_PROBE_H
#define MODEL_PROBE_H

/*
 * Some questions to the model server, side by side: GET each path, hear each good
 * answer. Loop thread only.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct probe;
struct target;
struct uv_loop_s;

enum {
	PROBE_MAX_PATHS = 5,
	PROBE_MAX_ANSWER = 1024 * 1024, /* bytes of one answer; the rest is dropped */
};

struct probe_opts {
	const struct target *target; /* borrowed until start returns */
	const char *headers;	     /* lines for the requests; copied */
	const char *const *paths;    /* static */
	size_t count;
	uint64_t ms; /* for all of it */
	/* The answer to paths[i], status 200; bytes borrowed until return. False: no more are
	 * wanted. */
	bool (*on_answer)(void *data, size_t i, const char *p, size_t n);
	/* Once, after the last answer or when the time is up, never before start returns. */
	void (*on_done)(void *data);
	void *data;
};

struct probe *probe_start(struct uv_loop_s *loop, const struct probe_opts *opts);

/* Neither callback will be called. NULL is allowed. */
void probe_cancel(struct probe *p);

#endif
