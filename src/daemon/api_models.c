/* The model servers: what models they have, and what works of one. */
#include <inttypes.h>

#include "base/buf.h"
#include "base/config.h"
#include "base/err.h"
#include "base/json.h"
#include "base/json_writer.h"
#include "base/mem.h"
#include "daemon/api.h"
#include "daemon/conn.h"
#include "daemon/server.h"
#include "model/models.h"
#include "model/server.h"
#include "model/trial.h"
#include "session/core.h"
#include "session/model_servers.h"

struct asked;

/* One server that is asked. */
struct asked_server {
	struct asked *asked;
	struct model_server *server;
	struct models_call *call;
	struct buf host, list, why; /* what it said; why.len: it did not */
};

/* A client that waits for the model servers. */
struct asked {
	struct list link; /* in the server's models_asked */
	struct call *call;
	struct asked_server *servers; /* owned */
	size_t count, waits;
	struct trial *trial; /* of one server; or NULL */
	struct buf name;     /* its name, as it was asked for */
};

static void finish(struct asked *a)
{
	list_remove(&a->link);
	for (size_t i = 0; i < a->count; i++) {
		buf_finish(&a->servers[i].host);
		buf_finish(&a->servers[i].list);
		buf_finish(&a->servers[i].why);
	}
	buf_finish(&a->name);
	free(a->servers);
	free(a);
}

/* --- lists --- */

/* Models of a server with a name are called NAME/model. */
static void put_models(struct json_writer *w, const struct asked_server *s)
{
	const char *label = model_server_label(s->server);
	struct buf text = {0};
	json_t *list = NULL, *one;
	size_t i;

	if (!label[0]) {
		if (s->list.len)
			json_write_raw(w, NULL, s->list.p, s->list.len);
		return;
	}
	buf_addf(&text, "[%s]", s->list.len ? buf_cstr((struct buf *)(uintptr_t)&s->list) : "");
	json_parse(text.p, text.len, &list, NULL);
	json_array_foreach (list, i, one) {
		buf_clear(&text);
		buf_addf(&text, "%s/%s", label, json_cstr(one, "id", ""));
		json_object_set_new(one, "id", json_stringn(text.p, text.len));
		json_object_set_new(one, "server", json_string(label));
		json_write_value(w, NULL, one);
	}
	json_decref(list);
	buf_finish(&text);
}

static void put_server(struct json_writer *w, struct asked_server *s)
{
	const char *label = model_server_label(s->server);

	json_write_object(w, NULL);
	json_write_cstr(w, "name", label[0] ? label : "default");
	if (s->why.len)
		json_write_cstr(w, "error", buf_cstr(&s->why));
	else
		json_write_cstr(w, "host", buf_cstr(&s->host));
	json_write_end(w);
}

static void models_reply(struct asked *a)
{
	struct buf out = {0};
	struct json_writer w = {.out = &out};
	struct asked_server *first = NULL;

	for (size_t i = a->count; i-- > 0;)
		if (!a->servers[i].why.len)
			first = &a->servers[i];
	if (!first) {
		call_fail(a->call, API_LMX_UNREACHABLE, buf_cstr(&a->servers[0].why), NULL);
		return;
	}
	json_write_object(&w, NULL);
	json_write_cstr(&w, "host", buf_cstr(&first->host));
	json_write_array(&w, "models");
	for (size_t i = 0; i < a->count; i++)
		put_models(&w, &a->servers[i]);
	json_write_end(&w);
	json_write_cstr(&w, "default", config_text(a->call->server->config, "model.default"));
	/* Who has one server without a name is told of no others. */
	if (a->count > 1 || model_server_label(first->server)[0]) {
		json_write_array(&w, "servers");
		for (size_t i = 0; i < a->count; i++)
			put_server(&w, &a->servers[i]);
		json_write_end(&w);
	}
	json_write_end(&w);
	call_reply(a->call, 200, out.p, out.len);
	buf_finish(&out);
}

static void on_models(void *data, const char *host, const struct buf *list, const struct err *why)
{
	struct asked_server *s = data;
	struct asked *a = s->asked;

	s->call = NULL;
	if (host) {
		buf_adds(&s->host, host);
		buf_add(&s->list, list->p, list->len);
	} else {
		buf_adds(&s->why, why->text);
	}
	if (--a->waits)
		return;
	models_reply(a);
	finish(a);
}

static struct asked *new_asked(struct call *call)
{
	struct server *s = call->server;
	struct asked *a;

	if (s->stopping) {
		call_fail(call, API_SHUTTING_DOWN, "the daemon is stopping", NULL);
		return NULL;
	}
	a = mem_zalloc(1, sizeof *a);
	a->call = call;
	list_append(&s->models_asked, &a->link);
	return a;
}

static void add_server(struct asked *a, struct model_server *server)
{
	a->servers[a->count++] = (struct asked_server){.asked = a, .server = server};
}

void api_models(struct call *call)
{
	const struct model_servers *m = call->server->core->servers;
	struct asked *a = new_asked(call);
	struct model_server *server;

	if (!a)
		return;
	a->servers = mem_zalloc(1 + CONFIG_MAX_SERVERS, sizeof *a->servers);
	if (model_servers_has_default(m))
		add_server(a, model_servers_default(m));
	for (size_t i = 0; a->count <= CONFIG_MAX_SERVERS && (server = model_servers_named(m, i));
	     i++)
		add_server(a, server);
	/* None answers before all are asked. */
	a->waits = a->count;
	for (size_t i = 0; i < a->count; i++)
		a->servers[i].call = models_ask(a->servers[i].server, on_models, &a->servers[i]);
}

/* --- one server, tried --- */

static void on_trial(void *data, const struct trial_report *r)
{
	static const char *const tools[] = {[TRIAL_TOOLS_UNTRIED] = "untried",
	    [TRIAL_TOOLS_CALLED] = "called",
	    [TRIAL_TOOLS_WRITTEN] = "written",
	    [TRIAL_TOOLS_REFUSED] = "refused",
	    [TRIAL_TOOLS_NOT] = "not-called"};
	struct asked *a = data;
	struct buf out = {0}, list = {0};
	struct json_writer w = {.out = &out};

	a->trial = NULL;
	json_write_object(&w, NULL);
	json_write_cstr(&w, "name", buf_cstr(&a->name));
	json_write_cstr(&w, "host", r->host);
	json_write_bool(&w, "works", !r->why);
	if (r->why)
		json_write_cstr(&w, "error", r->why);
	json_write_cstr(&w, "dialect", r->dialect);
	json_write_cstr(&w, "model", r->model);
	buf_addf(&list, "[%s]", r->models);
	json_write_raw(&w, "models", list.p, list.len);
	buf_finish(&list);
	if (r->context_tokens)
		json_write_uint(&w, "contextTokens", r->context_tokens);
	json_write_uint(&w, "firstTokenMs", r->first_token_ms);
	json_write_int(&w, "tokensPerSecond", (int64_t)(r->tokens_per_s + 0.5));
	json_write_bool(&w, "reasoning", r->reasons);
	json_write_cstr(&w, "tools", tools[r->tools]);
	json_write_end(&w);
	call_reply(a->call, 200, out.p, out.len);
	buf_finish(&out);
	finish(a);
}

void api_server_test(struct call *call)
{
	struct core *core = call->server->core;
	struct model_server *server = model_servers_find(core->servers, call->id);
	struct asked *a;

	if (!server) {
		call_fail(call, API_NOT_FOUND,
		    "no model server has that name: `opta servers list` names them", NULL);
		return;
	}
	a = new_asked(call);
	if (!a)
		return;
	buf_adds(&a->name, call->id);
	a->trial =
	    trial_start(server, core->opts.config, json_cstr(call->body, "model", ""), on_trial, a);
}

void api_models_stop(struct server *s)
{
	list_each_safe (l, &s->models_asked) {
		struct asked *a = list_entry(l, struct asked, link);

		for (size_t i = 0; i < a->count; i++)
			models_cancel(a->servers[i].call);
		trial_cancel(a->trial);
		call_fail(a->call, API_SHUTTING_DOWN, "the daemon is stopping", NULL);
		finish(a);
	}
}
