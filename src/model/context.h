#ifndef MODEL_CONTEXT_H
#define MODEL_CONTEXT_H

/*
 * How large the contexts of a server's models really are, asked in the dialects there are:
 * llama-server's /props, LMX's /admin/models, Ollama's /api/ps, LM Studio's /api/v0/models. The
 * questions run side by side with the preflight, so that they cost no round trip of their own.
 * Loop thread only.
 */

struct context_probe;
struct models;
struct target;
struct uv_loop_s;

enum { CONTEXT_PROBE_MS = 1000 }; /* no turn waits longer for this */

/* All answered, or the time is up. Called once, never before the start returns. */
typedef void context_cb(void *data);

/* headers: lines for the requests, copied. What is told goes into models, which the probe holds a
 * reference to. */
struct context_probe *context_probe_start(struct uv_loop_s *loop, const struct target *target,
    const char *headers, struct models *models, context_cb *on_done, void *data);

/* on_done will not be called. NULL is allowed. */
void context_probe_cancel(struct context_probe *p);

#endif
