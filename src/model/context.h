#ifndef MODEL_CONTEXT_H
#define MODEL_CONTEXT_H

/*
 * How large the server's context really is, asked in the dialects there are:
 * llama-server's /props, LMX's /admin/models, Ollama's /api/ps. The questions run
 * side by side with the preflight, so that they cost no round trip of their own.
 * Loop thread only.
 */

#include <stddef.h>
#include <stdint.h>

struct context_probe;
struct target;
struct uv_loop_s;

enum {
	CONTEXT_PROBE_MS = 1000, /* no turn waits longer for this */
	/* What Ollama gives a model when nobody said otherwise. */
	CONTEXT_OLLAMA_DEFAULT = 4096,
};

/* tokens 0: the server does not say. Called once, never before the start returns. */
typedef void context_cb(void *data, uint64_t tokens);

/* headers: lines for the requests, copied. */
struct context_probe *context_probe_start(struct uv_loop_s *loop, const struct target *target,
    const char *headers, context_cb *on_done, void *data);

/* on_done will not be called. NULL is allowed. */
void context_probe_cancel(struct context_probe *p);

/* The tokens an answer names, 0 for none; pure, for tests. path is the route's. */
uint64_t context_from_answer(const char *path, const char *p, size_t n);

#endif
