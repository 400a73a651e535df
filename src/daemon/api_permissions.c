/* Permission requests: what is open, and clients' answers. */
#include "base/buf.h"
#include "daemon/api.h"
#include "daemon/conn.h"
#include "daemon/server.h"
#include "protocol/requests.h"
#include "session/permission.h"
#include "session/roster.h"

static void on_session(void *data, enum api_error error, struct session *s)
{
	struct buf out = {0};
	bool first = true;

	if (error != API_OK) {
		call_fail(data, error, "there is no such session", NULL);
		return;
	}
	buf_adds(&out, "{\"pending\":[");
	permission_put_pending(s, &out, &first);
	buf_adds(&out, "]}");
	call_reply(data, 200, out.p, out.len);
	buf_finish(&out);
}

void api_permissions(struct call *call)
{
	struct buf out = {0};

	if (call->id[0]) {
		roster_get(call->server->core, call->id, on_session, call);
		return;
	}
	buf_adds(&out, "{\"pending\":[");
	permission_put_all_pending(call->server->core, &out);
	buf_adds(&out, "]}");
	call_reply(call, 200, out.p, out.len);
	buf_finish(&out);
}

static void on_resolved(void *data, const struct resolve_result *r)
{
	struct buf out = {0};

	if (r->error != API_OK && r->error != API_CONFLICT && r->error != API_NOT_FOUND) {
		call_fail(
		    data, r->error, "the decision could not be stored: nothing was decided", NULL);
		return;
	}
	resolve_result_put(&out, r);
	call_reply(data, api_error_status(r->error), out.p, out.len);
	buf_finish(&out);
}

static void on_to_resolve(void *data, enum api_error error, struct session *s)
{
	struct call *call = data;
	struct problems p = {0};
	struct request_resolve r;

	if (error != API_OK)
		call_fail(call, error, "there is no such session", NULL);
	else if (!request_resolve(call->body, &r, &p))
		call_fail_problems(call, &p);
	else
		permission_resolve(s, call->rid, &r, on_resolved, call);
}

void api_permission_resolve(struct call *call)
{
	roster_get(call->server->core, call->id, on_to_resolve, call);
}
