/*
 * Permission requests. No tool runs in this release, so none is ever open: the
 * lists are empty and an answer names a request that does not exist.
 */
#include "daemon/api.h"
#include "daemon/conn.h"
#include "daemon/server.h"
#include "session/roster.h"

static void on_session(void *data, enum api_error error, struct session *s)
{
	if (error != API_OK)
		call_fail(data, error, "there is no such session", NULL);
	else
		call_reply(data, 200, "{\"pending\":[]}", 14);
}

void api_permissions(struct call *call)
{
	if (call->id[0])
		roster_get(call->server->core, call->id, on_session, call);
	else
		call_reply(call, 200, "{\"pending\":[]}", 14);
}

static void on_to_resolve(void *data, enum api_error error, struct session *s)
{
	static const char body[] =
	    "{\"ok\":false,\"conflict\":false,\"message\":\"there is no such permission request\"}";

	if (error != API_OK)
		call_fail(data, error, "there is no such session", NULL);
	else
		call_reply(data, 404, body, sizeof body - 1);
}

void api_permission_resolve(struct call *call)
{
	roster_get(call->server->core, call->id, on_to_resolve, call);
}
