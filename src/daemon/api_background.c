/*
 * Background processes. Whoever holds the token may start one: no permission is
 * asked, the sandbox holds all the same.
 */
#include <signal.h>

#include "base/buf.h"
#include "base/json.h"
#include "daemon/api.h"
#include "daemon/conn.h"
#include "daemon/server.h"
#include "protocol/requests.h"
#include "session/background.h"
#include "session/core.h"
#include "session/roster.h"

enum { BACKGROUND_DEFAULT_CHUNKS = 200 };

static void not_found(struct call *call)
{
	call_fail(
	    call, API_NOT_FOUND, "there is no such background process (in this session)", NULL);
}

/* The query's sessionId into out; NULL when it names none. */
static const char *session_of(struct call *call, struct buf *out)
{
	return call_query(call, "sessionId", out) && out->len ? buf_cstr(out) : NULL;
}

void api_background_list(struct call *call)
{
	struct buf out = {0}, session = {0};

	buf_adds(&out, "{\"processes\":[");
	background_put_list(call->server->core->background, session_of(call, &session), &out);
	buf_adds(&out, "]}");
	call_reply(call, 200, out.p, out.len);
	buf_finish(&out);
	buf_finish(&session);
}

static void reply_process(struct call *call, int status, const char *id)
{
	struct buf out = {0};

	buf_adds(&out, "{\"process\":");
	background_put(call->server->core->background, id, NULL, &out);
	buf_addc(&out, '}');
	call_reply(call, status, out.p, out.len);
	buf_finish(&out);
}

static void fail_start(struct call *call, enum api_error error, const char *why)
{
	struct problems p = {0};

	if (error != API_INVALID_REQUEST) {
		call_fail(call, error, why, NULL);
		return;
	}
	problems_add(&p, strncmp(why, "the cwd", 7) == 0 ? "cwd" : "sessionId", why);
	call_fail_problems(call, &p);
}

static void on_has_pid(void *data, const char *id, const char *refused)
{
	if (refused)
		fail_start(data, API_INVALID_REQUEST, refused);
	else
		reply_process(data, 201, id);
}

static void on_session(void *data, enum api_error error, struct session *s)
{
	struct call *call = data;
	struct problems p = {0};
	struct request_background r;
	const char *id;
	char why[300];

	if (error != API_OK) {
		call_fail(call, error, "there is no such session", NULL);
		return;
	}
	/* Checked before; its strings lie in the body. */
	request_background(call->body, &r, &p);
	problems_finish(&p);
	error = background_start(call->server->core->background, s, &r, &id, why, sizeof why);
	if (error != API_OK)
		fail_start(call, error, why);
	else
		background_await(call->server->core->background, id, on_has_pid, call);
}

void api_background_start(struct call *call)
{
	struct problems p = {0};
	struct request_background r;

	if (call->server->stopping)
		call_fail(call, API_SHUTTING_DOWN, "the daemon is stopping", NULL);
	else if (!request_background(call->body, &r, &p))
		call_fail_problems(call, &p);
	else
		roster_get(call->server->core, r.session_id, on_session, call);
}

void api_background_status(struct call *call)
{
	struct buf out = {0}, session = {0};

	buf_adds(&out, "{\"process\":");
	if (background_put(
		call->server->core->background, call->id, session_of(call, &session), &out)) {
		buf_addc(&out, '}');
		call_reply(call, 200, out.p, out.len);
	} else {
		not_found(call);
	}
	buf_finish(&out);
	buf_finish(&session);
}

void api_background_output(struct call *call)
{
	struct buf out = {0}, session = {0}, stream = {0};
	struct problems p = {0};
	uint64_t after, limit;
	const char *which;

	if (!call_query_u64(call, "afterSeq", 0, INT64_MAX, &after) ||
	    !call_query_u64(
		call, "limit", BACKGROUND_DEFAULT_CHUNKS, BACKGROUND_MAX_CHUNKS, &limit))
		return;
	which = call_query(call, "stream", &stream) ? buf_cstr(&stream) : "both";
	if (strcmp(which, "both") != 0 && strcmp(which, "stdout") != 0 &&
	    strcmp(which, "stderr") != 0) {
		problems_add(&p, "stream", "must be stdout, stderr or both");
		call_fail_problems(call, &p);
	} else if (background_put_output(call->server->core->background, call->id,
		       session_of(call, &session), after, limit, which, &out)) {
		call_reply(call, 200, out.p, out.len);
	} else {
		not_found(call);
	}
	buf_finish(&out);
	buf_finish(&session);
	buf_finish(&stream);
}

void api_background_kill(struct call *call)
{
	const char *name = json_cstr(call->body, "signal", "SIGTERM"), *body_session;
	struct buf out = {0}, session = {0};
	struct problems p = {0};
	const char *id;
	bool killed;
	int signum = strcmp(name, "SIGTERM") == 0   ? SIGTERM
		     : strcmp(name, "SIGKILL") == 0 ? SIGKILL
		     : strcmp(name, "SIGINT") == 0  ? SIGINT
						    : 0;

	if (!json_is_object(call->body) || !signum) {
		problems_add(&p, "signal", "must be SIGTERM, SIGKILL or SIGINT");
		call_fail_problems(call, &p);
		return;
	}
	id = session_of(call, &session);
	body_session = json_cstr(call->body, "sessionId", id);
	if (background_kill(
		call->server->core->background, call->id, body_session, signum, &killed)) {
		buf_addf(&out, "{\"killed\":%s,\"process\":", killed ? "true" : "false");
		background_put(call->server->core->background, call->id, NULL, &out);
		buf_addc(&out, '}');
		call_reply(call, 200, out.p, out.len);
	} else {
		not_found(call);
	}
	buf_finish(&out);
	buf_finish(&session);
}
