/* The table of routes. */
#include "daemon/route.h"

#include "base/buf.h"
#include "base/json.h"
#include "daemon/api.h"
#include "protocol/requests.h"
#include "protocol/version.h"

const struct route routes[] = {
    {"GET", "/v3/health", ROUTE_OPEN, api_health, "Is the daemon well", 200},
    {"GET", "/health", ROUTE_OPEN, api_health, "The same", 200},
    {"GET", "/v3/health/stream", ROUTE_QUERY_TOKEN, api_health_stream,
	"The same as server-sent events", 200},
    {"GET", "/v3/metrics", 0, api_metrics, "Figures of the running daemon", 200},
    {"GET", "/metrics", 0, api_prometheus, "The same for Prometheus", 200},
    {"GET", "/v3/openapi.json", 0, api_openapi, "This document", 200},
    {"GET", "/v3/sessions", 0, api_sessions_list, "Sessions, newest first (limit, before, q)", 200},
    {"POST", "/v3/sessions", ROUTE_BODY, api_session_create, "Make a session", 201},
    {"GET", "/v3/sessions/:id", 0, api_session_get, "A session with its messages", 200},
    {"PATCH", "/v3/sessions/:id", ROUTE_BODY, api_session_patch, "Change title, model, metadata",
	200},
    {"DELETE", "/v3/sessions/:id", 0, api_session_delete, "Delete an idle session", 200},
    {"POST", "/v3/sessions/:id/turns", ROUTE_BODY, api_turn_submit, "Submit a turn", 202},
    {"POST", "/v3/sessions/:id/cancel", ROUTE_BODY, api_turn_cancel, "Cancel turns", 200},
    {"GET", "/v3/sessions/:id/events", 0, api_events, "Events (afterSeq, limit, timeout)", 200},
    {"GET", "/v3/sessions/:id/permissions", 0, api_permissions,
	"Open permission requests of a session", 200},
    {"GET", "/v3/permissions", 0, api_permissions, "Open permission requests of all sessions", 200},
    {"POST", "/v3/sessions/:id/permission-requests/:rid/resolve", ROUTE_BODY,
	api_permission_resolve, "Answer a permission request", 200},
    {"POST", "/v3/sessions/:id/permissions/:rid", ROUTE_BODY, api_permission_resolve,
	"The same under the published client's name", 200},
    {"GET", "/v3/models", 0, api_models, "What the model servers have", 200},
    {"POST", "/v3/servers/:id/test", ROUTE_BODY, api_server_test,
	"Ask a model server two short questions (model), and tell what works", 200},
    {"GET", "/v3/search", 0, api_search, "Full-text search in all sessions (q, limit)", 200},
    {"GET", "/v3/background", 0, api_background_list, "Background processes (sessionId)", 200},
    {"POST", "/v3/background/start", ROUTE_BODY, api_background_start, "Start a background process",
	201},
    {"GET", "/v3/background/:pid/status", 0, api_background_status, "How it does (sessionId)", 200},
    {"GET", "/v3/background/:pid/output", 0, api_background_output,
	"What it wrote (sessionId, afterSeq, limit, stream)", 200},
    {"POST", "/v3/background/:pid/kill", ROUTE_BODY, api_background_kill,
	"End it with all it started (signal)", 200},
    {"GET", "/v3/sse/events", ROUTE_QUERY_TOKEN, api_sse,
	"Events as server-sent events (sessionId, afterSeq)", 200},
    {"GET", "/v3/ws", ROUTE_QUERY_TOKEN | ROUTE_WEBSOCKET, api_websocket,
	"Events and commands over WebSocket", 101},
    {NULL, NULL, 0, NULL, NULL, 0},
};

/* Does path fit the pattern? A part that begins with : takes one segment of an id's characters. */
static bool match(const char *pattern, struct str path, char *id, char *rid)
{
	const char *at = path.p, *end = at + path.n;

	id[0] = rid[0] = '\0';
	while (*pattern) {
		struct str segment;
		char *to = rid;

		if (*pattern != ':') {
			if (at == end || *at++ != *pattern++)
				return false;
			continue;
		}
		if (strncmp(pattern, ":rid", 4) != 0)
			to = id;
		pattern += strcspn(pattern, "/");
		str_cut((struct str){at, (size_t)(end - at)}, '/', &segment);
		if (!request_id_ok(segment))
			return false;
		memcpy(to, segment.p, segment.n);
		to[segment.n] = '\0';
		at += segment.n;
	}
	return at == end;
}

const struct route *route_find(struct str method, struct str path, char *ret_id, char *ret_rid)
{
	for (const struct route *r = routes; r->method; r++)
		if (match(r->path, path, ret_id, ret_rid) && str_eq(method, r->method))
			return r;
	return NULL;
}

bool route_methods(struct str path, struct buf *out)
{
	char id[ROUTE_ID_SIZE], rid[ROUTE_ID_SIZE];
	bool any = false;

	for (const struct route *r = routes; r->method; r++) {
		if (!match(r->path, path, id, rid))
			continue;
		buf_adds(out, any ? ", " : "");
		buf_adds(out, r->method);
		any = true;
	}
	return any;
}

/* "/v3/sessions/:id" as OpenAPI writes it: "/v3/sessions/{id}". */
static void put_path(struct buf *out, const char *path)
{
	buf_addc(out, '"');
	for (; *path; path++) {
		if (*path != ':') {
			buf_addc(out, *path);
			continue;
		}
		buf_addc(out, '{');
		while (path[1] && path[1] != '/')
			buf_addc(out, *++path);
		buf_addc(out, '}');
	}
	buf_addc(out, '"');
}

static void put_operation(struct buf *out, const struct route *r)
{
	const char *at = r->path;
	bool first = true;

	buf_addc(out, '"');
	for (const char *m = r->method; *m; m++)
		buf_addc(out, (char)(*m | 0x20));
	buf_adds(out, "\":{\"summary\":");
	json_put_cstr(out, r->summary);
	while ((at = strchr(at, ':'))) {
		size_t n = strcspn(++at, "/");

		buf_addf(out,
		    "%s{\"name\":\"%.*s\",\"in\":\"path\",\"required\":true,\"schema\":{\"type\":"
		    "\"string\","
		    "\"pattern\":\"^[a-zA-Z0-9_-]{1,64}$\"}}",
		    first ? ",\"parameters\":[" : ",", (int)n, at);
		first = false;
	}
	buf_adds(out, first ? "" : "]");
	if (r->flags & ROUTE_BODY)
		buf_adds(out, ",\"requestBody\":{\"content\":{\"application/"
			      "json\":{\"schema\":{\"type\":\"object\"}}}}");
	if (r->flags & ROUTE_OPEN)
		buf_adds(out, ",\"security\":[]");
	buf_addf(out,
	    ",\"responses\":{\"%d\":{\"description\":\"Success\"},"
	    "\"default\":{\"$ref\":\"#/components/responses/Error\"}}}",
	    r->status);
}

void route_put_openapi(struct buf *out)
{
	buf_adds(out,
	    "{\"openapi\":\"3.1.0\",\"info\":{\"title\":\"opta daemon\",\"version\":\"" OPTA_VERSION
	    "\"},"
	    "\"security\":[{\"token\":[]}],\"paths\":{");
	for (const struct route *r = routes; r->method; r++) {
		/* Rows of one path stand together in the table. */
		bool again = r != routes && strcmp(r->path, r[-1].path) == 0;

		if (!again) {
			buf_adds(out, r == routes ? "" : "},");
			put_path(out, r->path);
			buf_adds(out, ":{");
		} else {
			buf_addc(out, ',');
		}
		put_operation(out, r);
	}
	buf_adds(out, "}},\"components\":{\"securitySchemes\":{\"token\":{\"type\":\"http\","
		      "\"scheme\":\"bearer\"}},"
		      "\"responses\":{\"Error\":{\"description\":\"What went "
		      "wrong\",\"content\":{\"application/json\":"
		      "{\"schema\":{\"type\":\"object\",\"required\":[\"error\",\"code\","
		      "\"details\"],\"properties\":{"
		      "\"error\":{\"type\":\"string\"},\"code\":{\"type\":\"string\"},\"details\":{"
		      "\"type\":\"array\"}}}}}}}}}");
}
