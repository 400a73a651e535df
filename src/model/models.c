/* The models a model server has. */
#include "model/models.h"

#include <inttypes.h>
#include <stdbool.h>
#include <uv.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "model/probe.h"
#include "model/server.h"

enum { MODELS_MAX_TOKENS = 100000000 };

/* Where each kind of server keeps its list, and what being in it means. */
static const struct listing {
	const char *path, *list, *id;
	bool lists_loaded; /* only loaded ones are in it */
} listings[] = {
    {"/v1/models", "data", "id", false},
    {"/admin/models", "loaded", "id", true},
    {"/api/ps", "models", "name", true},
    {"/api/v0/models", "data", "id", false},
    {"/api/tags", "models", "name", false},
};
enum { LISTINGS = sizeof listings / sizeof listings[0] };

struct model {
	char *id; /* owned */
	enum { LOADED_UNKNOWN, LOADED_NO, LOADED_YES } loaded;
	int64_t context;
};

struct models {
	unsigned refs;	    /* owners besides the first */
	struct model *list; /* owned */
	size_t count;
	bool told;	/* somebody told which ones are loaded */
	int64_t served; /* the context of the one model a llama-server serves, 0 not told */
};

struct models *models_new(void)
{
	return mem_zalloc(1, sizeof(struct models));
}

struct models *models_ref(struct models *m)
{
	m->refs++;
	return m;
}

void models_free(struct models *m)
{
	if (!m || m->refs) {
		if (m)
			m->refs--;
		return;
	}
	for (size_t i = 0; i < m->count; i++)
		free(m->list[i].id);
	free(m->list);
	free(m);
}

/* The model of that name, made when it is new; NULL when there are too many. */
static struct model *get(struct models *m, const char *id)
{
	for (size_t i = 0; i < m->count; i++)
		if (strcmp(m->list[i].id, id) == 0)
			return &m->list[i];
	if (m->count == MODELS_MAX)
		return NULL;
	m->list = mem_realloc(m->list, (m->count + 1) * sizeof *m->list);
	m->list[m->count] = (struct model){.id = mem_strdup(id)};
	return &m->list[m->count++];
}

static void take_one(struct models *m, const struct listing *d, const json_t *one)
{
	static const char *const sizes[] = {"loaded_context_length", "context_length",
	    "max_context", "context_size", "max_model_len", "n_ctx", "max_context_length",
	    "max_input_tokens"};
	const char *id = json_is_string(one) ? json_string_value(one) : json_cstr(one, d->id, NULL);
	const char *state = json_cstr(one, "state", NULL);
	struct model *model;

	if (!id || !id[0] || strlen(id) > MODELS_MAX_ID || !(model = get(m, id)))
		return;
	if (d->lists_loaded || state) {
		m->told = true;
		if (d->lists_loaded || strcmp(state, "loaded") == 0)
			model->loaded = LOADED_YES;
		else if (model->loaded == LOADED_UNKNOWN)
			model->loaded = LOADED_NO;
	}
	/* What it has loaded is true; what it could load is a hope. */
	for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
		int64_t n = json_int(one, sizes[i], 0);

		if (n <= 0 || n > MODELS_MAX_TOKENS || (model->context && !d->lists_loaded && i))
			continue;
		model->context = n;
		return;
	}
	if (strcmp(d->path, "/api/ps") == 0)
		model->context = MODELS_OLLAMA_CONTEXT;
}

static void take_props(struct models *m, const json_t *root)
{
	int64_t n = json_int(json_object_get(root, "default_generation_settings"), "n_ctx", 0);

	if (n > 0 && n <= MODELS_MAX_TOKENS)
		m->served = n;
}

void models_take(struct models *m, const char *path, const char *p, size_t n)
{
	const struct listing *d = listings;
	const json_t *list, *one;
	json_t *root;
	size_t i;

	if (strcmp(path, "/props") == 0 && json_parse(p, n, &root, NULL) == 0) {
		take_props(m, root);
		json_decref(root);
		return;
	}
	while (d < listings + LISTINGS && strcmp(d->path, path) != 0)
		d++;
	if (d == listings + LISTINGS || json_parse(p, n, &root, NULL) != 0)
		return;
	list = json_is_array(root) ? root : json_object_get(root, d->list);
	/* An empty list of loaded ones is an answer too. */
	if (json_is_array(list) && d->lists_loaded)
		m->told = true;
	json_array_foreach (list, i, one)
		take_one(m, d, one);
	json_decref(root);
}

static bool is_same(const char *id, const char *name)
{
	size_t n = strlen(name);

	/* Ollama leaves its usual tag away. */
	return strcmp(id, name) == 0 ||
	       (strncmp(id, name, n) == 0 && strcmp(id + n, ":latest") == 0);
}

uint64_t models_context(const struct models *m, const char *name)
{
	for (size_t i = 0; i < m->count; i++)
		if (m->list[i].context && is_same(m->list[i].id, name))
			return (uint64_t)m->list[i].context;
	return (uint64_t)m->served;
}

void models_put(const struct models *m, struct buf *out)
{
	for (size_t i = 0; i < m->count; i++) {
		const struct model *model = &m->list[i];

		buf_adds(out, i ? ",{\"id\":" : "{\"id\":");
		json_put_cstr(out, model->id);
		if (m->told)
			buf_addf(
			    out, ",\"loaded\":%s", model->loaded == LOADED_YES ? "true" : "false");
		if (model->context)
			buf_addf(out, ",\"contextTokens\":%" PRId64, model->context);
		buf_addc(out, '}');
	}
}

/* --- which one to ask --- */

/* Can it be chatted with, as far as its name tells? */
static bool can_chat(const char *id, const json_t *entry)
{
	static const char *const others[] = {"embed", "rerank", "whisper", "tts", "bge-",
	    "moderation", "dall-e", "stable-diffusion"};
	const char *type = json_cstr(entry, "type", "");

	if (strcmp(id, "*") == 0 || strcmp(type, "embeddings") == 0 ||
	    strcmp(type, "embedding") == 0)
		return false;
	for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
		if (strcasestr(id, others[i]))
			return false;
	return id[0] != '\0';
}

static const char *id_of(const json_t *entry)
{
	const char *id = json_string_value(entry);

	return id ? id
		  : json_cstr(entry, "id", json_cstr(entry, "name", json_cstr(entry, "model", "")));
}

static bool is_loaded(const json_t *entry)
{
	const char *state =
	    json_cstr(entry, "state", json_cstr(json_object_get(entry, "status"), "value", ""));

	return strcmp(state, "loaded") == 0 || json_is_true(json_object_get(entry, "loaded"));
}

static const json_t *list_of(const json_t *root)
{
	static const char *const names[] = {"data", "loaded", "models"};

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		if (json_is_array(json_object_get(root, names[i])))
			return json_object_get(root, names[i]);
	return root;
}

/* The first name in a list too long to be read. */
static bool first_of_cut(const char *text, size_t n, char *out, size_t size)
{
	const char *at = n ? memmem(text, n, "\"id\":", 5) : NULL, *end;

	at = at ? memchr(at + 5, '"', n - (size_t)(at + 5 - text)) : NULL;
	end = at ? memchr(at + 1, '"', n - (size_t)(at + 1 - text)) : NULL;
	if (!end || end == at + 1 || memchr(at, '\\', (size_t)(end - at)))
		return false;
	snprintf(out, size, "%.*s", (int)(end - at - 1), at + 1);
	return can_chat(out, NULL);
}

bool models_first_name(const char *text, size_t n, char *out, size_t size)
{
	const char *found = NULL;
	const json_t *entry;
	json_t *root;
	size_t i;

	if (json_parse(text, n, &root, NULL) != 0)
		return n >= MODELS_MAX_LIST && first_of_cut(text, n, out, size);
	json_array_foreach (list_of(root), i, entry) {
		const char *id = id_of(entry);

		if (!can_chat(id, entry))
			continue;
		if (!found || is_loaded(entry))
			found = id;
		if (is_loaded(entry))
			break;
	}
	if (found)
		snprintf(out, size, "%s", found);
	json_decref(root);
	return found != NULL;
}

/* --- asking --- */

struct models_call {
	struct model_server *server;
	uv_loop_t *loop;
	struct preflight_call *preflight; /* one of the two is running */
	struct probe *probe;
	struct models *found; /* owned */
	models_cb *on_done;
	void *data;
};

void models_cancel(struct models_call *call)
{
	if (!call)
		return;
	preflight_cancel(call->preflight);
	probe_cancel(call->probe);
	models_free(call->found);
	free(call);
}

static bool on_answer(void *data, size_t i, const char *p, size_t n)
{
	struct models_call *call = data;

	models_take(call->found, listings[i].path, p, n);
	return true;
}

static void on_probed(void *data)
{
	struct models_call *call = data;
	struct buf list = {0};
	char host[300];

	call->probe = NULL;
	model_server_name(call->server, host, sizeof host);
	models_put(call->found, &list);
	call->on_done(call->data, host, &list, NULL);
	buf_finish(&list);
	models_cancel(call);
}

/* The host that answers is known: ask it. One without a loaded model may still have some. */
static void on_preflight(void *data, const struct preflight_answer *a)
{
	struct models_call *call = data;
	const char *paths[LISTINGS];

	call->preflight = NULL;
	if (a->result != PREFLIGHT_READY && a->result != PREFLIGHT_NO_MODEL &&
	    a->result != PREFLIGHT_UNNAMED) {
		call->on_done(call->data, NULL, NULL, a->why);
		models_cancel(call);
		return;
	}
	for (size_t i = 0; i < LISTINGS; i++)
		paths[i] = listings[i].path;
	call->probe = probe_start(
	    call->loop, &(struct probe_opts){.target = model_server_target(call->server),
			    .headers = model_server_headers(call->server),
			    .paths = paths,
			    .count = LISTINGS,
			    .ms = MODELS_ASK_MS,
			    .on_answer = on_answer,
			    .on_done = on_probed,
			    .data = call});
}

struct models_call *models_ask(struct model_server *server, models_cb *on_done, void *data)
{
	struct models_call *call = mem_zalloc(1, sizeof *call);

	call->server = server;
	call->loop = model_server_loop(server);
	call->found = models_new();
	call->on_done = on_done;
	call->data = data;
	call->preflight = model_server_preflight(server, on_preflight, call);
	return call;
}
