/* How large the server's context really is. */
#include "model/context.h"

#include <stdbool.h>
#include <uv.h>

#include "base/json.h"
#include "base/mem.h"
#include "model/probe.h"

enum { CONTEXT_MAX_TOKENS = 100000000 };

static const char *const paths[] = {"/props", "/admin/models", "/api/ps"};

struct context_probe {
	struct probe *probe;
	uint64_t tokens;
	context_cb *on_done;
	void *data;
};

static uint64_t tokens_under(const json_t *object, const char *key)
{
	int64_t n = json_int(object, key, 0);

	return n > 0 && n <= CONTEXT_MAX_TOKENS ? (uint64_t)n : 0;
}

uint64_t context_from_answer(const char *path, const char *p, size_t n)
{
	static const char *const names[] = {
	    "context_length", "max_context", "context_size", "n_ctx"};
	const json_t *first;
	uint64_t tokens = 0;
	json_t *root;

	if (json_parse(p, n, &root, NULL) != 0)
		return 0;
	if (strcmp(path, "/props") == 0) {
		tokens =
		    tokens_under(json_object_get(root, "default_generation_settings"), "n_ctx");
	} else {
		bool ollama = strcmp(path, "/api/ps") == 0;

		first = json_array_get(json_object_get(root, ollama ? "models" : "loaded"), 0);
		for (size_t i = 0; i < sizeof names / sizeof names[0] && !tokens; i++)
			tokens = tokens_under(first, names[i]);
		if (!tokens && ollama && first)
			tokens = CONTEXT_OLLAMA_DEFAULT;
	}
	json_decref(root);
	return tokens;
}

void context_probe_cancel(struct context_probe *p)
{
	if (!p)
		return;
	probe_cancel(p->probe);
	free(p);
}

static bool on_answer(void *data, size_t i, const char *text, size_t n)
{
	struct context_probe *p = data;

	p->tokens = context_from_answer(paths[i], text, n);
	return p->tokens == 0;
}

static void on_done(void *data)
{
	struct context_probe p = *(struct context_probe *)data;

	free(data);
	p.on_done(p.data, p.tokens);
}

struct context_probe *context_probe_start(uv_loop_t *loop, const struct target *target,
    const char *headers, context_cb *on_done_cb, void *data)
{
	struct context_probe *p = mem_zalloc(1, sizeof *p);

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
