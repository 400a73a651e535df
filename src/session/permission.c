/* Requests, answers, timeouts. */
#include "session/permission.h"

#include <inttypes.h>
#include <uv.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/config.h"
#include "base/ids.h"
#include "base/json.h"
#include "base/mem.h"
#include "protocol/events.h"
#include "protocol/payload.h"
#include "protocol/requests.h"
#include "session/core.h"
#include "session/rules.h"
#include "session/session.h"
#include "store/log.h"
#include "store/permissions.h"

struct permission {
	struct list link;	 /* in session->permissions */
	struct session *session; /* owned reference */
	char id[32];
	char *turn_id, *call_id, *tool, *args, *preview, *match, *repository; /* owned */
	int64_t created_ms, expires_ms;
	uint64_t timeout_ms;
	uint64_t asked_us;	   /* monotonic: the wall clock may jump */
	uint64_t asked_seq;	   /* of its permission.request */
	uv_timer_t timer;	   /* carries the free */
	permission_cb *on_decided; /* NULL: dropped */
	void *data;
	enum { ASKED, OPEN, DECIDING, CLOSED } state;
	bool writing; /* a job of ours is with the store */
	/* DECIDING: */
	bool allow, remember;
	char *by, *answer; /* owned */
	const char *reason;
	resolve_cb *done; /* of the client whose answer it is; NULL: none */
	void *done_data;
};

static void on_timer_closed(uv_handle_t *handle)
{
	struct permission *p = handle->data;

	free(p->turn_id);
	free(p->call_id);
	free(p->tool);
	free(p->args);
	free(p->preview);
	free(p->match);
	free(p->repository);
	free(p->by);
	free(p->answer);
	free(p);
}

/* Nobody refers to it any more. */
static void finish(struct permission *p)
{
	struct session *s = p->session;

	list_remove(&p->link);
	p->state = CLOSED;
	uv_close((uv_handle_t *)&p->timer, on_timer_closed);
	session_unref(s);
}

static const char *word(bool allow)
{
	return allow ? "allow" : "deny";
}

/* --- deciding --- */

/* From now on: the decision is in the log, and with it the rule in its row. */
static void remember(struct permission *p)
{
	struct session *s = p->session;

	if (!s->rules)
		s->rules = json_array();
	json_array_append_new(s->rules, json_pack("{s:s, s:s, s:s}", "tool", p->tool, "match",
					    p->match, "decision", word(p->allow)));
	if (p->repository && p->allow)
		json_array_append_new(
		    s->rules, json_pack("{s:s, s:s, s:s}", "tool", RULES_REPOSITORY, "match",
				  p->repository, "decision", word(true)));
}

static void on_decided(void *data, int rc)
{
	struct permission *p = data;
	struct resolve_result result = {.error = rc ? session_store_error(rc) : API_OK};

	p->writing = false;
	if (rc == 0 && p->remember)
		remember(p);
	if (p->done)
		p->done(p->done_data, &result);
	p->done = NULL;
	/* After a failure the turn ends, and whoever ends it has dropped us or will. */
	if (rc == 0 && p->on_decided)
		p->on_decided(p->data, p->allow, p->by, p->reason, p->answer ? p->answer : "");
	else if (rc != 0 && p->on_decided)
		return;
	finish(p);
}

static void decide(
    struct permission *p, bool allow, const char *by, const char *reason, const char *answer)
{
	struct session *s = p->session;
	struct buf payload = {0};

	p->state = DECIDING;
	p->allow = allow;
	p->reason = reason;
	p->by = mem_strdup(by);
	p->answer = answer ? mem_strdup(answer) : NULL;
	uv_timer_stop(&p->timer);
	payload_put_permission_resolved(
	    &payload, &(struct permission_resolved){.turn_id = p->turn_id,
			  .request_id = p->id,
			  .decision = word(allow),
			  .decided_by = by,
			  .reason = reason,
			  .call_id = p->call_id,
			  .answer = answer && answer[0] ? answer : NULL});
	session_append(s, EVENT_PERMISSION_RESOLVED, &payload);
	buf_finish(&payload);
	if (p->remember)
		store_rule_put(s->core->opts.store, s->row.num, p->tool, p->match, word(allow));
	if (p->remember && p->repository && allow)
		store_rule_put(
		    s->core->opts.store, s->row.num, RULES_REPOSITORY, p->repository, word(allow));
	p->writing = true;
	store_permission_resolve(
	    s->core->opts.store, s->row.num, p->id, word(allow), by, on_decided, p);
}

/* "5m", "30s", "250ms" as people write it. */
static void put_duration(char *out, size_t size, uint64_t ms)
{
	if (ms % 60000 == 0)
		snprintf(out, size, "%" PRIu64 "m", ms / 60000);
	else if (ms % 1000 == 0)
		snprintf(out, size, "%" PRIu64 "s", ms / 1000);
	else
		snprintf(out, size, "%" PRIu64 "ms", ms);
}

static void on_timeout(uv_timer_t *timer)
{
	struct permission *p = timer->data;
	char after[32];

	put_duration(after, sizeof after, p->timeout_ms);
	core_notice(p->session->core, LOG_WARN,
	    "permission request %s timed out (%s), auto-denying", p->id, after);
	decide(p, false, "daemon", "timeout", NULL);
}

/* --- asking --- */

static void on_asked(void *data, int rc)
{
	struct permission *p = data;
	uint64_t passed_ms;

	p->writing = false;
	if (!p->on_decided) {
		finish(p);
		return;
	}
	/* A failure ends the turn, which drops us. */
	if (rc != 0)
		return;
	p->state = OPEN;
	passed_ms = (clock_mono_us() - p->asked_us) / 1000;
	uv_timer_start(
	    &p->timer, on_timeout, passed_ms < p->timeout_ms ? p->timeout_ms - passed_ms : 0, 0);
}

struct permission *permission_ask(const struct permission_opts *o)
{
	struct session *s = o->session;
	struct permission *p = mem_zalloc(1, sizeof *p);
	struct buf payload = {0};

	p->session = session_ref(s);
	ids_make("perm_", 8, p->id, sizeof p->id);
	p->turn_id = mem_strdup(o->turn_id);
	p->call_id = mem_strdup(o->call_id);
	p->tool = mem_strdup(o->tool);
	p->args = mem_strdup(o->args);
	p->preview = mem_strdup(o->preview);
	p->match = o->match ? mem_strdup(o->match) : NULL;
	p->repository = o->repository ? mem_strdup(o->repository) : NULL;
	p->on_decided = o->on_decided;
	p->data = o->data;
	p->timeout_ms = (uint64_t)config_int(s->core->opts.config, "daemon.permissionTimeoutMs");
	p->asked_us = clock_mono_us();
	p->created_ms = clock_wall_ms();
	p->expires_ms = p->created_ms + (int64_t)p->timeout_ms;
	uv_timer_init(s->core->opts.loop, &p->timer);
	p->timer.data = p;
	list_append(&s->permissions, &p->link);
	payload_put_permission_request(&payload, &(struct permission_request){.turn_id = p->turn_id,
						     .request_id = p->id,
						     .call_id = p->call_id,
						     .tool = p->tool,
						     .args = p->args,
						     .preview = p->preview,
						     .expires_ms = p->expires_ms});
	p->asked_seq = session_append(s, EVENT_PERMISSION_REQUEST, &payload);
	buf_finish(&payload);
	p->writing = true;
	store_permission_add(s->core->opts.store,
	    &(struct permission_row){.session = s->row.num,
		.id = p->id,
		.turn_id = p->turn_id,
		.tool = p->tool,
		.created_ms = p->created_ms},
	    on_asked, p);
	return p;
}

bool permission_drop(struct permission *p, char *ret_id)
{
	/* A request whose own event was lost leaves nothing to close. */
	bool open =
	    (p->state == ASKED || p->state == OPEN) && p->asked_seq <= log_last(p->session->log);

	p->on_decided = NULL;
	snprintf(ret_id, 32, "%s", p->id);
	uv_timer_stop(&p->timer);
	/* Answers that come from now on are too late. */
	if (p->state != DECIDING)
		p->state = CLOSED;
	if (!p->writing)
		finish(p);
	return open;
}

void permission_lost(struct session *s)
{
	list_each (l, &s->permissions) {
		struct permission *p = list_entry(l, struct permission, link);

		if (p->state == DECIDING)
			p->state = OPEN;
	}
}

/* --- answers of clients --- */

static struct permission *find(struct session *s, const char *rid)
{
	list_each (l, &s->permissions) {
		struct permission *p = list_entry(l, struct permission, link);

		if (strcmp(p->id, rid) == 0)
			return p;
	}
	return NULL;
}

/* A late answer: what was decided is in the store. */
struct late {
	struct session *session; /* owned reference */
	resolve_cb *done;
	void *data;
};

static void on_found(void *data, int rc, const char *decision, const char *decided_by)
{
	struct late *l = data;
	struct resolve_result r = {
	    .error = API_CONFLICT, .decision = decision, .decided_by = decided_by};

	if (rc != 0)
		r.error = API_INTERNAL_ERROR;
	else if (!decision)
		r.error = API_NOT_FOUND;
	else if (!decision[0])
		r.decision = "deny", r.decided_by = "daemon";
	l->done(l->data, &r);
	session_unref(l->session);
	free(l);
}

void permission_resolve(struct session *s, const char *rid, const struct request_resolve *r,
    resolve_cb *done, void *data)
{
	struct permission *p = find(s, rid);
	struct late *late;

	if (p && p->state == OPEN) {
		p->done = done;
		p->done_data = data;
		p->remember = r->remember && p->match;
		decide(p, r->allow, r->decided_by, "client", r->answer);
		return;
	}
	if (p && p->state == DECIDING) {
		done(data,
		    &(struct resolve_result){
			.error = API_CONFLICT, .decision = word(p->allow), .decided_by = p->by});
		return;
	}
	if (p && p->state == CLOSED) {
		done(data, &(struct resolve_result){
			       .error = API_CONFLICT, .decision = "deny", .decided_by = "daemon"});
		return;
	}
	late = mem_zalloc(1, sizeof *late);
	late->session = session_ref(s);
	late->done = done;
	late->data = data;
	store_permission_find(s->core->opts.store, s->row.num, rid, on_found, late);
}

void resolve_result_put(struct buf *out, const struct resolve_result *r)
{
	if (r->error == API_OK) {
		buf_adds(out, "{\"ok\":true,\"conflict\":false}");
		return;
	}
	if (r->error == API_NOT_FOUND) {
		buf_adds(out, "{\"ok\":false,\"conflict\":false,\"message\":\"there is no such "
			      "permission request\"}");
		return;
	}
	buf_adds(out, "{\"ok\":false,\"conflict\":true,\"message\":\"this request was decided "
		      "already\",\"decision\":");
	json_put_cstr(out, r->decision);
	buf_adds(out, ",\"decidedBy\":");
	json_put_cstr(out, r->decided_by);
	buf_addc(out, '}');
}

/* --- lists --- */

void permission_put_pending(const struct session *s, struct buf *out, bool *first)
{
	char created[CLOCK_ISO_SIZE];

	list_each (l, &((struct session *)(uintptr_t)s)->permissions) {
		const struct permission *p = list_entry(l, struct permission, link);

		if (p->state != OPEN)
			continue;
		buf_adds(out, *first ? "" : ",");
		*first = false;
		payload_put_permission_request(
		    out, &(struct permission_request){.turn_id = p->turn_id,
			     .request_id = p->id,
			     .call_id = p->call_id,
			     .tool = p->tool,
			     .args = p->args,
			     .preview = p->preview,
			     .expires_ms = p->expires_ms});
		out->len--;
		clock_iso(p->created_ms, created);
		buf_adds(out, ",\"sessionId\":");
		json_put_cstr(out, s->row.id);
		buf_addf(out, ",\"createdAt\":\"%s\"}", created);
	}
}

void permission_put_all_pending(const struct core *core, struct buf *out)
{
	const struct session *s;
	bool first = true;
	size_t at = 0;

	while ((s = map_next(&core->sessions, &at)))
		permission_put_pending(s, out, &first);
}
