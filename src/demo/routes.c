/* Probes and model lists: one row for each path. */
#include "demo/routes.h"

#include "base/buf.h"
#include "base/json.h"
#include "demo/format.h"
#include "demo/options.h"

static int answer_healthz(const struct demo_options *o, struct buf *body)
{
	buf_adds(body, "{\"status\":\"ok\"}");
	return 200;
}

static int answer_readyz(const struct demo_options *o, struct buf *body)
{
	if (o->no_readyz) {
		demo_put_error("there is no /readyz here", body);
		return 404;
	}
	if (o->no_model) {
		buf_adds(body, "{\"ready\":false,\"error\":\"no-model-loaded\"}");
		return 503;
	}
	if (o->old_readyz) {
		buf_adds(body, "{\"status\":\"ready\",\"models_loaded\":1}");
		return 200;
	}
	buf_adds(body, "{\"ready\":true,\"model\":");
	json_put_cstr(body, o->model);
	buf_addc(body, '}');
	return 200;
}

static int answer_models(const struct demo_options *o, struct buf *body)
{
	buf_adds(body, "{\"object\":\"list\",\"data\":[");
	if (!o->no_model) {
		buf_adds(body, "{\"id\":");
		json_put_cstr(body, o->model);
		buf_adds(body, ",\"object\":\"model\",\"owned_by\":\"opta-demo\",\"demo\":true,"
			       "\"description\":\"demo model server, not a language model\"}");
	}
	buf_adds(body, "]}");
	return 200;
}

static int answer_admin_models(const struct demo_options *o, struct buf *body)
{
	buf_adds(body, "{\"loaded\":[");
	if (!o->no_model) {
		buf_adds(body, "{\"id\":");
		json_put_cstr(body, o->model);
		buf_adds(body, ",\"context_length\":");
		buf_addu(body, o->context);
		buf_addc(body, '}');
	}
	buf_addf(body, "],\"count\":%d}", o->no_model ? 0 : 1);
	return 200;
}

/* Ollama's: which there are, and which are loaded. */
static int answer_tags(const struct demo_options *o, struct buf *body)
{
	buf_adds(body, "{\"models\":[");
	if (!o->no_model) {
		buf_adds(body, "{\"name\":");
		json_put_cstr(body, o->model);
		buf_adds(body, ",\"model\":");
		json_put_cstr(body, o->model);
		buf_adds(body, ",\"context_length\":");
		buf_addu(body, o->context);
		buf_addc(body, '}');
	}
	buf_adds(body, "]}");
	return 200;
}

static int answer_props(const struct demo_options *o, struct buf *body)
{
	if (o->no_model) {
		demo_put_error("no-model-loaded", body);
		return 503;
	}
	buf_adds(body, "{\"default_generation_settings\":{\"n_ctx\":");
	buf_addu(body, o->context);
	buf_adds(body, "},\"model_path\":");
	json_put_cstr(body, o->model);
	buf_addc(body, '}');
	return 200;
}

static int answer_chat_stream(const struct demo_options *o, struct buf *body)
{
	if (o->no_ws) {
		demo_put_error("there is no /v1/chat/stream here", body);
		return 404;
	}
	demo_put_error("/v1/chat/stream is a WebSocket", body);
	return 426;
}

static const struct route {
	const char *path;
	int (*answer)(const struct demo_options *o, struct buf *body);
} routes[] = {
    {"/healthz", answer_healthz},
    {"/readyz", answer_readyz},
    {"/v1/models", answer_models},
    {"/admin/models", answer_admin_models},
    {"/props", answer_props},
    {"/api/tags", answer_tags},
    {"/api/ps", answer_tags},
    {"/v1/chat/stream", answer_chat_stream},
};

int demo_routes_answer(
    const struct demo_options *o, struct str method, struct str path, struct buf *body)
{
	char sentence[200];

	for (size_t i = 0; i < sizeof routes / sizeof routes[0]; i++) {
		if (!str_eq(path, routes[i].path))
			continue;
		if (str_eq(method, "GET"))
			return routes[i].answer(o, body);
		demo_put_error("only GET is allowed here", body);
		return 405;
	}
	snprintf(sentence, sizeof sentence, "there is no %.*s here",
	    path.n < 100 ? (int)path.n : 100, path.p);
	demo_put_error(sentence, body);
	return 404;
}
