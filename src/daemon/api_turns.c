/* Submitting and cancelling turns. */
#include <inttypes.h>

#include "base/buf.h"
#include "daemon/api.h"
#include "daemon/conn.h"
#include "daemon/server.h"
#include "protocol/requests.h"
#include "session/roster.h"
#include "session/session.h"

static void on_submitted(void *data, const struct submit_result *r)
{
	struct call *call = data;
	struct buf out = {0};

	if (r->error != API_OK) {
		call_fail(call, r->error, r->sentence, NULL);
		return;
	}
	buf_addf(&out, "{\"turnId\":\"%s\",\"queued\":%" PRIu64 "}", r->turn_id, r->queued);
	call_reply(call, 202, out.p, out.len);
	buf_finish(&out);
}

static void on_session(void *data, enum api_error error, struct session *s)
{
	struct call *call = data;
	struct problems p = {0};
	struct request_turn r;

	if (error != API_OK)
		call_fail(call, error, "there is no such session", NULL);
	else if (!request_turn(call->body, &r, &p))
		call_fail_problems(call, &p);
	else
		session_submit(s, &r, on_submitted, call);
}

void api_turn_submit(struct call *call)
{
	roster_get(call->server->core, call->id, on_session, call);
}

static void on_cancelled(void *data, const struct cancel_result *r)
{
	struct call *call = data;
	struct buf out = {0};

	if (r->error != API_OK) {
		call_fail(
		    call, r->error, "the cancel could not be stored; it is tried again", NULL);
		return;
	}
	buf_addf(&out,
	    "{\"ok\":true,\"cancelled\":%" PRIu64 ",\"cancelledQueued\":%" PRIu64
	    ",\"cancelledActive\":%s}",
	    r->queued + r->active, r->queued, r->active ? "true" : "false");
	call_reply(call, 200, out.p, out.len);
	buf_finish(&out);
}

static void on_to_cancel(void *data, enum api_error error, struct session *s)
{
	struct call *call = data;
	struct problems p = {0};
	struct request_cancel r;

	if (error != API_OK)
		call_fail(call, error, "there is no such session", NULL);
	else if (!request_cancel(call->body, &r, &p))
		call_fail_problems(call, &p);
	else
		session_cancel(s, &r, on_cancelled, call);
}

void api_turn_cancel(struct call *call)
{
	roster_get(call->server->core, call->id, on_to_cancel, call);
}
