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
#include "model/delta.h"
#include "model/dialect.h"
#include "model/key_command.h"
#include "model/lessons.h"
#include "model/models.h"
#include "net/http_client.h"

/* Why a host does not get the key. */
enum key_state { KEY_SENT, KEY_NONE, KEY_OTHER_HOST, KEY_FALLBACK, KEY_PLAIN };

struct model_server {
	uv_loop_t *loop;
	struct target targets[SERVER_MAX_HOSTS];
	enum key_state keys[SERVER_MAX_HOSTS];
	size_t count, at;	       /* at: the host in use */
	char bad_host[512];	       /* why a host could not be parsed, "" */
	struct buf fingerprint;	       /* the settings as one text, to see a change */
	const struct dialect *dialect; /* of the settings; NULL: found out */
	char label[64];		       /* its name in the settings, "" for connection.host */
	struct buf key;		       /* "" for none */
	struct buf key_command;	       /* "" for none */
	bool key_known;		       /* the command printed it */
	struct buf headers;	       /* for the host in use */
	struct lessons lessons;	       /* of the host in use */
	char model[256];	       /* of the cached preflight */
	struct models *models;	       /* owned: what the host in use told of its models */
	bool models_told;	       /* it was asked: not again */
	bool answered;		       /* a question, since it is in use */
	bool lmx;		       /* the host in use is Opta LMX */
	uint64_t ready_until_us;       /* 0: nothing cached */
	unsigned generation;
	unsigned revision; /* of the settings */
};

/* Which question is open. */
enum probe { PROBE_READYZ, PROBE_MODELS, PROBE_BARE };

struct preflight_call {
	struct model_server *server;
	preflight_cb *on_done;
	void *data;
	struct http_call *call;	       /* NULL when none is under way */
	struct context_probe *context; /* likewise */
	struct key_command *key;       /* likewise */
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
	s->models = models_new();
	model_server_configure(s, opts);
	return s;
}

static void forget_key(struct model_server *s)
{
	if (s->key.p)
		explicit_bzero(s->key.p, s->key.len);
	buf_clear(&s->key);
	s->key_known = false;
}

void model_server_free(struct model_server *s)
{
	if (!s)
		return;
	buf_finish(&s->fingerprint);
	forget_key(s);
	buf_finish(&s->key);
	buf_finish(&s->key_command);
	buf_finish(&s->headers);
	lessons_forget(&s->lessons);
	models_free(s->models);
	free(s);
}

/* May the key go to hosts[i], which is t? first is hosts[0], or NULL when it names no server. */
static enum key_state key_state_of(
    const struct server_opts *o, size_t i, const struct target *t, const struct target *first)
{
	struct target key;

	/* A key with a line end would be two headers; the table of settings allows any text. */
	if ((!o->api_key[0] && !(o->key_command && o->key_command[0])) ||
	    strpbrk(o->api_key, "\r\n"))
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

const struct dialect *model_server_dialect(const struct model_server *s)
{
	const char *said = s->count ? s->targets[s->at].dialect : NULL;

	if (s->dialect)
		return s->dialect;
	return said ? dialect_find(said) : NULL;
}

/* Only Opta LMX has a route of its own to say that it is ready. */
static enum probe first_probe(const struct model_server *s)
{
	const struct dialect *dialect = model_server_dialect(s);

	return dialect && dialect->framing != FRAMING_WS ? PROBE_MODELS : PROBE_READYZ;
}

/* Where the list of models is. */
static const char *list_path(const struct model_server *s)
{
	const struct dialect *dialect = model_server_dialect(s);

	return (dialect ? dialect : &dialect_openai_chat)->list;
}

static void put_headers(struct model_server *s)
{
	const struct dialect *dialect = model_server_dialect(s);
	bool sent = s->count && s->keys[s->at] == KEY_SENT;

	buf_clear(&s->headers);
	(dialect ? dialect : &dialect_openai_chat)
	    ->put_headers(&s->headers, sent ? buf_cstr(&s->key) : "");
}

/* Another host is in use: what is known is the last one's. */
static void forget_host(struct model_server *s)
{
	put_headers(s);
	models_free(s->models);
	s->models = models_new();
	s->models_told = s->answered = false;
	lessons_forget(&s->lessons);
	s->generation++;
}

bool model_server_configure(struct model_server *s, const struct server_opts *opts)
{
	const struct target *first = NULL;
	struct buf fingerprint = {0};
	bool same;

	buf_addf(&fingerprint, "%s\n%s\n%d\n%s\n%s\n%d %d %d\n%s\n", opts->name ? opts->name : "",
	    opts->key_command ? opts->key_command : "", opts->port, opts->api_key,
	    opts->key_host ? opts->key_host : "", opts->key_port, opts->key_to_fallbacks,
	    opts->key_over_http, opts->dialect ? opts->dialect->name : "");
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
	snprintf(s->label, sizeof s->label, "%s", opts->name ? opts->name : "");
	forget_key(s);
	buf_adds(&s->key, opts->api_key);
	buf_clear(&s->key_command);
	buf_adds(&s->key_command, opts->key_command ? opts->key_command : "");
	s->dialect = opts->dialect;
	s->ready_until_us = 0;
	forget_host(s);
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
	return buf_cstr((struct buf *)(uintptr_t)&s->headers);
}

const char *model_server_label(const struct model_server *s)
{
	return s->label;
}

void model_server_key_refused(struct model_server *s)
{
	if (s->key_command.len && s->key_known) {
		forget_key(s);
		put_headers(s);
	}
}

/* The settings of a server with a name are others, and it has one host. */
static void put_named_note(const struct model_server *s, char *out, size_t size)
{
	snprintf(out, size,
	    "; its key was not sent, as the way to that machine is not encrypted: use https://, or "
	    "`opta config set servers.%s.keyOverHttp true`",
	    s->label);
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

	if (s->label[0] && state == KEY_PLAIN)
		put_named_note(s, out, size);
	else
		snprintf(out, size, "%s", notes[state] ? notes[state] : "");
}

uint64_t model_server_context(const struct model_server *s, const char *model)
{
	uint64_t tokens = models_context(s->models, model);

	/* It tells only of models that are loaded, and cuts what is too long without a word. */
	return !tokens && model_server_dialect(s) == &dialect_ollama ? MODELS_OLLAMA_CONTEXT
								     : tokens;
}

void model_server_answered(struct model_server *s)
{
	/* Some load a model when it is asked: now they can tell. Asked once more, not each time. */
	if (!s->answered)
		s->models_told = false;
	s->answered = true;
}

void model_server_note_tokens(
    struct model_server *s, const char *model, uint64_t bytes, uint64_t tokens)
{
	lessons_note_tokens(&s->lessons, model, bytes, tokens);
}

uint64_t model_server_bytes_per_1000(const struct model_server *s, const char *model)
{
	return lessons_bytes_per_1000(&s->lessons, model);
}

unsigned model_server_dropped(const struct model_server *s, const char *model)
{
	return lessons_dropped(&s->lessons, model, clock_mono_us());
}

void model_server_note_drop(struct model_server *s, const char *model, unsigned drop)
{
	lessons_note(&s->lessons, model, drop, clock_mono_us());
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
	key_command_cancel(p->key);
	uv_close((uv_handle_t *)&p->soon, on_closed);
}

/* Tell the result; the memory is still there until the loop goes on. */
static void answer(struct preflight_call *p, enum preflight result, const struct err *why)
{
	p->on_done(p->data, &(struct preflight_answer){.result = result,
				.model = p->model,
				.context_tokens = models_context(p->server->models, p->model),
				.lmx = p->server->lmx,
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
	key_command_cancel(p->key);
	p->key = NULL;
	begin(p);
	return true;
}

static void on_context(void *data)
{
	struct preflight_call *p = data;

	p->context = NULL;
	if (outdated(p))
		return;
	p->server->models_told = true;
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

static void unnamed(struct preflight_call *p)
{
	struct err why;
	char name[300];

	model_server_name(p->server, name, sizeof name);
	err_set(&why, -ENOENT,
	    "the model server at %s names no model that can be asked: load one there, or name one "
	    "with `opta config set model.default …`",
	    name);
	finish(p, PREFLIGHT_UNNAMED, &why);
}

static void loading(struct preflight_call *p)
{
	char said[300];
	struct err why;
	bool overflow;

	delta_error_text(p->body.p ? p->body.p : "", p->body.len, said, sizeof said, &overflow);
	err_set(&why, -EAGAIN, "HTTP 503: %.300s", said);
	finish(p, PREFLIGHT_LOADING, &why);
}

/* --- what it answered --- */

/* Opta LMX is known by its own route (docs/model.md). */
static bool take_ready(struct preflight_call *p)
{
	json_t *root = NULL;
	bool lmx;

	if (json_parse(p->body.p ? p->body.p : "", p->body.len, &root, NULL) != 0)
		return false;
	lmx = json_is_boolean(json_object_get(root, "ready")) ||
	      json_is_string(json_object_get(root, "status"));
	p->server->lmx = lmx;
	if (json_is_object(root))
		snprintf(p->model, sizeof p->model, "%s", json_cstr(root, "model", ""));
	json_decref(root);
	return p->model[0] != '\0';
}

static void on_readyz(struct preflight_call *p)
{
	p->server->lmx = false;
	if (p->status == 503) {
		take_ready(p);
		if (p->body.len && memmem(p->body.p, p->body.len, "no-model-loaded", 15))
			no_model(p);
		else
			loading(p);
		return;
	}
	if (p->status == 200 && take_ready(p)) {
		finish(p, PREFLIGHT_READY, NULL);
		return;
	}
	p->probe = PROBE_MODELS;
	probe(p);
}

static void refused(struct preflight_call *p)
{
	struct model_server *s = p->server;
	char note[300];
	struct err why;

	model_server_key_note(s, note, sizeof note);
	if (!note[0] && s->key_command.len)
		snprintf(note, sizeof note,
		    "; its key is what the command of servers.%s.keyCommand prints", s->label);
	else if (!note[0] && s->label[0])
		snprintf(note, sizeof note,
		    ": set its key with `opta config set servers.%s.apiKey …`", s->label);
	else if (!note[0])
		snprintf(
		    note, sizeof note, ": set its key with `opta config set connection.apiKey …`");
	model_server_key_refused(s);
	err_set(&why, -EACCES, "the model server refused us (HTTP %d)%s", p->status, note);
	finish(p, PREFLIGHT_REFUSED, &why);
}

static void on_models(struct preflight_call *p)
{
	struct target *t = &p->server->targets[p->server->at];
	bool bare = p->probe == PROBE_BARE;

	/* A base may name its version itself, as in "/v1beta/openai". */
	if (p->status == 404 && !bare && !t->bare && t->prefix[0]) {
		p->probe = PROBE_BARE;
		probe(p);
		return;
	}
	if (bare)
		t->bare = p->status == 200;
	if (p->status == 200)
		models_take(p->server->models, bare ? "/v1/models" : list_path(p->server),
		    p->body.p ? p->body.p : "", p->body.len);
	if (p->status == 401 || p->status == 403)
		refused(p);
	else if (p->status == 503)
		loading(p);
	else if (p->status == 200 && !models_first_name(p->body.p ? p->body.p : "", p->body.len,
					 p->model, sizeof p->model))
		unnamed(p);
	else
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

	size_t room = MODELS_MAX_LIST - p->body.len;

	buf_add(&p->body, bytes, n < room ? n : room);
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
		forget_host(s);
		p->probe = first_probe(s);
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
	case PROBE_BARE:
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
	char path[TARGET_MAX_PATH];

	if (t->tls && !filter) {
		unreachable(p, &err); /* has a sentence and, at the last host, calls back: only with
					 TLS broken */
		return;
	}
	if (p->probe == PROBE_BARE)
		snprintf(path, sizeof path, "%s/models%s", t->prefix, t->query);
	else
		target_path(
		    t, p->probe == PROBE_READYZ ? "/readyz" : list_path(s), path, sizeof path);
	p->status = 0;
	buf_clear(&p->body);
	if (!s->models_told && !p->context && p->probe == first_probe(s))
		p->context = context_probe_start(
		    s->loop, t, model_server_headers(s), s->models, on_context, p);
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

/* The key is there, or it is said why not. */
static void on_key(void *data, const char *key, const struct err *why)
{
	struct preflight_call *p = data;
	struct model_server *s = p->server;

	p->key = NULL;
	if (outdated(p))
		return;
	if (!key) {
		finish(p, PREFLIGHT_REFUSED, why);
		return;
	}
	forget_key(s);
	buf_adds(&s->key, key);
	s->key_known = true;
	put_headers(s);
	probe(p);
}

/* The first question, with the settings there are now. */
static void begin(struct preflight_call *p)
{
	struct model_server *s = p->server;

	p->revision = s->revision;
	p->tried = 0;
	p->ready = false;
	p->probe = first_probe(s);
	if (!s->count || clock_mono_us() < s->ready_until_us)
		uv_timer_start(&p->soon, on_soon, 0, 0);
	else if (s->key_command.len && !s->key_known && s->keys[s->at] == KEY_SENT)
		p->key = key_command_start(s->loop, buf_cstr(&s->key_command), on_key, p);
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
