/* How large the contexts of a server's models really are. */
#include "model/context.h"

#include <stdlib.h>
#include <uv.h>

#include "base/mem.h"
#include "model/models.h"
#include "model/probe.h"

static const char *const paths[] = {"/props", "/admin/models", "/api/ps", "/api/v0/models"};

struct context_probe {
	struct probe *probe;
	struct models *models; /* a reference: the server may forget it meanwhile */
	context_cb *on_done;
	void *data;
};

void context_probe_cancel(struct context_probe *p)
{
	if (!p)
		return;
	probe_cancel(p->probe);
	models_free(p->models);
	free(p);
}

static bool on_answer(void *data, size_t i, const char *text, size_t n)
{
	struct context_probe *p = data;

	models_take(p->models, paths[i], text, n);
	return true;
}

static void on_done(void *data)
{
	struct context_probe p = *(struct context_probe *)data;

	models_free(p.models);
	free(data);
	p.on_done(p.data);
}

struct context_probe *context_probe_start(uv_loop_t *loop, const struct target *target,
    const char *headers, struct models *models, context_cb *on_done_cb, void *data)
{
	struct context_probe *p = mem_zalloc(1, sizeof *p);

	p->models = models_ref(models);
	p->on_done = on_done_cb;
	p->data = data;
	p->probe = probe_start(loop, &(struct probe_opts){.target = target,
					 .headers = headers,
					 .paths = paths,
					 .count = sizeof paths / sizeof paths[0],
					 .ms = CONTEXT_PROBE_MS,
					 .on_answer = on_answer,
					 .on_done = on_done,
					 .data = p});
	return p;
}
