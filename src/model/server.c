/* The model server: hosts, preflight, cache. */
#include "model/server.h"

#include <errno.h>
#include <uv.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "model/context.h"
#include "net/http_client.h"

/* Why a host does not get the key. */
enum key_state { KEY_SENT, KEY_NONE, KEY_OTHER_HOST, KEY_FALLBACK, KEY_PLAIN };

struct model_server {
	uv_loop_t *loop;
	struct target targets[SERVER_MAX_HOSTS];
	enum key_state keys[SERVER_MAX_HOSTS];
	size_t count, at;	/* at: the host in use */
	char bad_host[512];	/* why a host could not be parsed, "" */
	struct buf fingerprint; /* the settings as one text, to see a change */
	struct buf headers;
	char model[256];	 /* of the cached preflight */
	uint64_t context;	 /* likewise, 0 unknown */
	bool context_silent;	 /* this host does not say: not asked again */
	uint64_t ready_until_us; /* 0: nothing cached */
	unsigned generation;
	unsigned revision; /* of the settings */
};

/* Which question is open. */
enum probe { PROBE_READYZ, PROBE_MODELS };

struct preflight_call {
	struct model_server *server;
	preflight_cb *on_done;
	void *data;
	struct http_call *call;	       /* NULL when none is under way */
	struct context_probe *context; /* likewise */
	bool ready;		       /* all but the context is known */
	uv_timer_t soon;	       /* delivers a cached answer; carries the free */
	enum probe probe;
	size_t tried; /* hosts that could not be reached */
	int status;
	struct buf body;
	char model[256];
	unsigned revision; /* of the settings it asks with */
	bool closing;
};

static void begin(struct preflight_call *p);
static void probe(struct preflight_call *p);

struct model_server *model_server_new(uv_loop_t *loop, const struct server_opts *opts)
{
	struct model_server *s = mem_zalloc(1, sizeof *s);

	s->loop = loop;
	model_server_configure(s, opts);
	return s;
}

void model_server_free(struct model_server *s)
{
	if (!s)
		return;
	buf_finish(&s->fingerprint);
	buf_finish(&s->headers);
	free(s);
}

/* May the key go to hosts[i], which is t? first is hosts[0], or NULL when it names no server. */
static enum key_state key_state_of(
    const struct server_opts *o, size_t i, const struct target *t, const struct target *first)
{
	struct target key;

	/* A key with a line end would be two headers; the table of settings allows any text. */
	if (!o->api_key[0] || strpbrk(o->api_key, "\r\n"))
		return KEY_NONE;
	if (o->key_host && o->key_host[0]) {
		if (target_parse(o->key_host, o->key_port ? o->key_port : o->port, &key, NULL) != 0)
			return KEY_OTHER_HOST;
	} else if (first) {
		key = *first;
	} else {
		return KEY_OTHER_HOST;
	}
	if (!target_same(t, &key)) {
		if (i == 0)
			return KEY_OTHER_HOST;
		if (!o->key_to_fallbacks)
			return KEY_FALLBACK;
	}
	return t->tls || target_is_local(t) || o->key_over_http ? KEY_SENT : KEY_PLAIN;
}

bool model_server_configure(struct model_server *s, const struct server_opts *opts)
{
	const struct target *first = NULL;
	struct buf fingerprint = {0};
	bool same;

	buf_addf(&fingerprint, "%d\n%s\n%s\n%d %d %d\n", opts->port, opts->api_key,
	    opts->key_host ? opts->key_host : "", opts->key_port, opts->key_to_fallbacks,
	    opts->key_over_http);
	for (size_t i = 0; i < opts->host_count; i++)
		buf_addf(&fingerprint, "%s\n", opts->hosts[i]);
	same = s->fingerprint.len == fingerprint.len &&
	       memcmp(s->fingerprint.p, fingerprint.p, fingerprint.len) == 0;
	buf_finish(&s->fingerprint);
	s->fingerprint = fingerprint;
	if (same)
		return false;
	s->count = s->at = 0;
	s->bad_host[0] = '\0';
	for (size_t i = 0; i < opts->host_count && s->count < SERVER_MAX_HOSTS; i++) {
		struct target *t = &s->targets[s->count];
		struct err err = {0};

		if (target_parse(opts->hosts[i], opts->port, t, &err) != 0) {
			snprintf(s->bad_host, sizeof s->bad_host, "%s", err.text);
			continue;
		}
		if (i == 0)
			first = t;
		s->keys[s->count++] = key_state_of(opts, i, t, first);
	}
	buf_clear(&s->headers);
	buf_addf(&s->headers, "Authorization: Bearer %s\r\n", opts->api_key);
	s->ready_until_us = 0;
	s->context = 0;
	s->context_silent = false;
	s->generation++;
	s->revision++;
	return true;
}

void model_server_distrust(struct model_server *s)
{
	s->ready_until_us = 0;
}

uv_loop_t *model_server_loop(const struct model_server *s)
{
	return s->loop;
}

const struct target *model_server_target(const struct model_server *s)
{
	return s->count ? &s->targets[s->at] : NULL;
}

void model_server_name(const struct model_server *s, char *out, size_t size)
{
	if (s->count)
		snprintf(out, size, "%s:%d", s->targets[s->at].host, s->targets[s->at].port);
	else
		snprintf(out, size, "(none)");
}

const char *model_server_headers(const struct model_server *s)
{
	if (!s->count || s->keys[s->at] != KEY_SENT)
		return "";
	return buf_cstr((struct buf *)(uintptr_t)&s->headers);
}

void model_server_key_note(const struct model_server *s, char *out, size_t size)
{
	static const char *const notes[] = {
	    [KEY_OTHER_HOST] =
		"; connection.apiKey was not sent, as it was set for another server: "
		"`opta config set connection.apiKey …` sets it for this one",
	    [KEY_FALLBACK] = "; connection.apiKey was not sent, as this is a fallback host: "
			     "`opta config set connection.apiKeyToFallbacks true` allows it",
	    [KEY_SENT] = NULL,
	    [KEY_NONE] = NULL,
	    [KEY_PLAIN] = "; connection.apiKey was not sent, as the way to that machine is not "
			  "encrypted: use https://, or `opta config set connection.apiKeyOverHttp "
			  "true`",
	};
	enum key_state state = s->count ? s->keys[s->at] : KEY_NONE;

	snprintf(out, size, "%s", notes[state] ? notes[state] : "");
}

unsigned model_server_generation(const struct model_server *s)
{
	return s->generation;
}

static void on_closed(uv_handle_t *handle)
{
	struct preflight_call *p = handle->data;

	buf_finish(&p->body);
	free(p);
}

void preflight_cancel(struct preflight_call *p)
{
	if (!p || p->closing)
		return;
	p->closing = true;
	http_call_cancel(p->call);
	context_probe_cancel(p->context);
	uv_close((uv_handle_t *)&p->soon, on_closed);
}

/* Tell the result; the memory is still there until the loop goes on. */
static void answer(struct preflight_call *p, enum preflight result, const struct err *why)
{
	p->on_done(p->data, &(struct preflight_answer){.result = result,
				.model = p->model,
				.context_tokens = p->server->context,
				.why = why});
}

static void finish(struct preflight_call *p, enum preflight result, const struct err *why)
{
	struct model_server *s = p->server;

	if (p->closing)
		return;
	if (result == PREFLIGHT_READY && p->context) {
		/* Asked at the same moment: its answer is as good as here. */
		p->ready = true;
		return;
	}
	if (result == PREFLIGHT_READY) {
		snprintf(s->model, sizeof s->model, "%s", p->model);
		s->ready_until_us = clock_mono_us() + SERVER_CACHE_MS * 1000ull;
	} else {
		s->ready_until_us = 0;
	}
	preflight_cancel(p);
	answer(p, result, why);
}

/* Were the settings changed while we asked? Then what was heard is another server's: begin again.
 */
static bool outdated(struct preflight_call *p)
{
	if (p->revision == p->server->revision)
		return false;
	http_call_cancel(p->call);
	p->call = NULL;
	context_probe_cancel(p->context);
	p->context = NULL;
	begin(p);
	return true;
}

static void on_context(void *data, uint64_t tokens)
{
	struct preflight_call *p = data;

	p->context = NULL;
	if (outdated(p))
		return;
	p->server->context = tokens;
	p->server->context_silent = tokens == 0;
	if (p->ready)
		finish(p, PREFLIGHT_READY, NULL);
}

static void no_model(struct preflight_call *p)
{
	struct err why;
	char name[300];

	model_server_name(p->server, name, sizeof name);
	err_set(&why, -ENOENT, "the model server at %s has no model loaded", name);
	finish(p, PREFLIGHT_NO_MODEL, &why);
}

/* The first model a list names: OpenAI {"data":[{"id"}]}, LMX {"loaded":[{"id"}]}. */
bool model_server_first_model(const char *text, size_t n, char *out, size_t size)
{
	const json_t *list, *first;
	json_t *root;
	const char *id;

	if (json_parse(text, n, &root, NULL) != 0)
		return false;
	list = json_object_get(root, "data");
	if (!json_is_array(list))
		list = json_object_get(root, "loaded");
	if (!json_is_array(list))
		list = json_object_get(root, "models");
	first = json_array_get(list, 0);
	id = json_string_value(first);
	if (!id)
		id = json_cstr(first, "id", json_cstr(first, "name", NULL));
	if (id)
		snprintf(out, size, "%s", id);
	json_decref(root);
	return id != NULL;
}

static void on_readyz(struct preflight_call *p)
{
	json_t *root = NULL;

	if (p->status == 503) {
		no_model(p);
		return;
	}
	if (p->status == 200 && json_parse(p->body.p, p->body.len, &root, NULL) == 0) {
		snprintf(p->model, sizeof p->model, "%s", json_cstr(root, "model", ""));
		json_decref(root);
		if (p->model[0]) {
			finish(p, PREFLIGHT_READY, NULL);
			return;
		}
	}
	p->probe = PROBE_MODELS;
	probe(p);
}

static void on_models(struct preflight_call *p)
{
	char note[300];
	struct err why;

	if (p->status == 401 || p->status == 403) {
		model_server_key_note(p->server, note, sizeof note);
		err_set(&why, -EACCES, "the model server refused us (HTTP %d)%s", p->status,
		    note[0] ? note : ": set its key with `opta config set connection.apiKey …`");
		finish(p, PREFLIGHT_REFUSED, &why);
		return;
	}
	if (p->status == 200 &&
	    !model_server_first_model(p->body.p, p->body.len, p->model, sizeof p->model)) {
		no_model(p);
		return;
	}
	/* A server without either list may still answer chats: let it. */
	finish(p, PREFLIGHT_READY, NULL);
}

static bool on_head(void *data, int status, const struct http_parser *parser)
{
	struct preflight_call *p = data;

	p->status = status;
	return status != 101;
}

static void on_body(void *data, const char *bytes, size_t n)
{
	struct preflight_call *p = data;

	if (p->body.len + n <= SERVER_MAX_PROBE)
		buf_add(&p->body, bytes, n);
}

static void unreachable(struct preflight_call *p, const struct err *err)
{
	struct model_server *s = p->server;
	const struct target *t = &s->targets[s->at];
	struct err why;

	/* The log line operators know: "ECONNREFUSED lmx-host.local:1234". */
	if (err->code == ERR_UNKNOWN)
		err_set(&why, err->code, "ENOTFOUND %s:%d", t->host, t->port);
	else if (err->code == -EACCES || err->code == -EPROTO)
		err_set(&why, err->code, "%s:%d: %.200s", t->host, t->port, err->text);
	else
		err_set(&why, err->code, "%s %s:%d", err_name(err->code), t->host, t->port);
	if (++p->tried < s->count) {
		s->at = (s->at + 1) % s->count;
		s->generation++;
		s->context = 0;
		s->context_silent = false;
		p->probe = PROBE_READYZ;
		context_probe_cancel(p->context);
		p->context = NULL;
		probe(p);
		return;
	}
	finish(p, PREFLIGHT_UNREACHABLE, &why);
}

static void on_done(void *data, const struct err *err, bool sent)
{
	struct preflight_call *p = data;

	p->call = NULL;
	if (outdated(p))
		return;
	if (err->code != 0 && !p->status) {
		unreachable(p, err);
		return;
	}
	switch (p->probe) {
	case PROBE_READYZ:
		on_readyz(p);
		break;
	case PROBE_MODELS:
		on_models(p);
		break;
	}
}

static void probe(struct preflight_call *p)
{
	struct model_server *s = p->server;
	const struct target *t = &s->targets[s->at];
	struct err err = {0};
	struct filter *filter = target_filter(t, &err);
	char path[600];

	if (t->tls && !filter) {
		unreachable(p, &err); /* has a sentence and, at the last host, calls back: only with
					 TLS broken */
		return;
	}
	snprintf(path, sizeof path, "%s%s", t->prefix,
	    p->probe == PROBE_READYZ ? "/readyz" : "/v1/models");
	p->status = 0;
	buf_clear(&p->body);
	if (!s->context_silent && !p->context && p->probe == PROBE_READYZ)
		p->context =
		    context_probe_start(s->loop, t, model_server_headers(s), on_context, p);
	p->call = http_call_start(s->loop, &(struct http_call_opts){.host = t->host,
					       .port = t->port,
					       .method = "GET",
					       .target = path,
					       .headers = model_server_headers(s),
					       .connect_ms = SERVER_CONNECT_MS / s->count,
					       .filter = filter,
					       .on_head = on_head,
					       .on_body = on_body,
					       .on_done = on_done,
					       .data = p});
}

static void on_soon(uv_timer_t *timer)
{
	struct preflight_call *p = timer->data;
	struct err why;

	if (p->closing)
		return;
	if (p->server->count && !p->server->ready_until_us) {
		/* What was cached is not believed any more. */
		begin(p);
		return;
	}
	if (!p->server->count) {
		err_set(&why, -EINVAL, "%s",
		    p->server->bad_host[0] ? p->server->bad_host : "no model server is configured");
		finish(p, PREFLIGHT_UNREACHABLE, &why);
		return;
	}
	snprintf(p->model, sizeof p->model, "%s", p->server->model);
	/* Keep the time of the real question: a cached answer must not live on by being used. */
	preflight_cancel(p);
	answer(p, PREFLIGHT_READY, NULL);
}

/* The first question, with the settings there are now. */
static void begin(struct preflight_call *p)
{
	struct model_server *s = p->server;

	p->revision = s->revision;
	p->tried = 0;
	p->ready = false;
	p->probe = PROBE_READYZ;
	if (!s->count || clock_mono_us() < s->ready_until_us)
		uv_timer_start(&p->soon, on_soon, 0, 0);
	else
		probe(p);
}

struct preflight_call *model_server_preflight(
    struct model_server *s, preflight_cb *on_done_cb, void *data)
{
	struct preflight_call *p = mem_zalloc(1, sizeof *p);

	p->server = s;
	p->on_done = on_done_cb;
	p->data = data;
	uv_timer_init(s->loop, &p->soon);
	p->soon.data = p;
	begin(p);
	return p;
}
