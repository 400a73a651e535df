/* The models the model server has. */
#include "base/buf.h"
#include "base/config.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "daemon/api.h"
#include "daemon/conn.h"
#include "daemon/server.h"
#include "model/models.h"
#include "session/core.h"

struct asked {
	struct list link; /* in the server's models_asked */
	struct call *call;
	struct models_call *models;
};

static void finish(struct asked *a)
{
	list_remove(&a->link);
	free(a);
}

static void on_models(void *data, const char *host, const struct buf *list, const struct err *why)
{
	struct asked *a = data;
	struct buf out = {0};

	if (!host) {
		call_fail(a->call, API_LMX_UNREACHABLE, why->text, NULL);
		finish(a);
		return;
	}
	buf_adds(&out, "{\"host\":");
	json_put_cstr(&out, host);
	buf_adds(&out, ",\"models\":[");
	buf_add(&out, list->p, list->len);
	buf_adds(&out, "],\"default\":");
	json_put_cstr(&out, config_text(a->call->server->config, "model.default"));
	buf_addc(&out, '}');
	call_reply(a->call, 200, out.p, out.len);
	buf_finish(&out);
	finish(a);
}

void api_models(struct call *call)
{
	struct server *s = call->server;
	struct asked *a;

	if (s->stopping) {
		call_fail(call, API_SHUTTING_DOWN, "the daemon is stopping", NULL);
		return;
	}
	a = mem_zalloc(1, sizeof *a);
	a->call = call;
	list_append(&s->models_asked, &a->link);
	a->models = models_ask(core_server(s->core, ""), on_models, a);
}

void api_models_stop(struct server *s)
{
	list_each_safe (l, &s->models_asked) {
		struct asked *a = list_entry(l, struct asked, link);

		models_cancel(a->models);
		call_fail(a->call, API_SHUTTING_DOWN, "the daemon is stopping", NULL);
		finish(a);
	}
}
