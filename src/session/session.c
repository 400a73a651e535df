/* One session in memory: its life, its queue, changing and deleting it. */
#include "session/session.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/config.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "protocol/events.h"
#include "protocol/payload.h"
#include "protocol/requests.h"
#include "session/artifacts.h"
#include "session/background.h"
#include "session/core.h"
#include "session/feed.h"
#include "session/turn.h"
#include "store/log.h"
#include "store/store.h"

enum api_error session_store_error(int rc)
{
	return rc == ERR_FULL || rc == -EROFS ? API_STORAGE_FULL : API_INTERNAL_ERROR;
}

/* --- life --- */

static void release(struct session *s)
{
	size_t at = 0;
	void *value;

	/* What is not yet durable still calls back; then this is asked again. */
	if (s->refs || log_last(s->log) != log_durable(s->log))
		return;
	assert(list_empty(&s->permissions));
	assert(!s->active && !s->queued && !s->busy && list_empty(&s->cursors));
	if (map_get(&s->core->sessions, s->row.id) == s)
		map_remove(&s->core->sessions, s->row.id);
	while ((value = map_next(&s->keys, &at)))
		free(value);
	at = 0;
	while ((value = map_next(&s->writers, &at)))
		free(value);
	map_finish(&s->keys);
	map_finish(&s->writers);
	log_free(s->log);
	session_row_finish(&s->row);
	json_decref(s->rules);
	free(s);
}

static void on_durable(void *data, uint64_t seq)
{
	struct session *s = data;
	uint64_t from = s->announced + 1;

	session_ref(s);
	s->announced = seq;
	if (s->row.last_turn_seq <= seq)
		s->turn_seq = s->row.last_turn_seq;
	if (s->active)
		turn_log_moved(s->active, seq);
	list_each_safe (l, &s->core->followers) {
		struct follower *f = list_entry(l, struct follower, link);

		f->on_activity(f, s, from);
	}
	feed_announce(s->core->feed, s);
	session_unref(s);
}

static void on_failed(void *data, int rc)
{
	struct session *s = data;

	session_ref(s);
	s->row.last_seq = log_last(s->log);
	/* Nobody can have seen an event that never was. */
	if (s->row.last_turn_seq > s->row.last_seq)
		s->row.last_turn_seq = s->turn_seq;
	if (s->active)
		turn_storage_failed(s->active, rc);
	session_unref(s);
}

struct session *session_new(struct core *core, const struct session_row *row)
{
	struct session *s = mem_zalloc(1, sizeof *s);

	s->core = core;
	s->refs = 1;
	s->row = *row;
	s->row.id = mem_strdup(row->id);
	s->row.model = mem_strdup(row->model);
	s->row.title = mem_strdup(row->title);
	s->row.metadata = mem_strdup(row->metadata);
	s->row.answered = mem_strdup(row->answered ? row->answered : "");
	s->announced = row->last_seq;
	s->turn_seq = row->last_turn_seq;
	list_init(&s->cursors);
	list_init(&s->queue);
	list_init(&s->permissions);
	s->row.rules = NULL;
	if (row->rules)
		json_parse(row->rules, strlen(row->rules), &s->rules, NULL);
	s->log = log_new(&(struct log_opts){.store = core->opts.store,
	    .session = row->num,
	    .session_id = s->row.id,
	    .daemon_id = core->opts.daemon_id,
	    .last_seq = row->last_seq,
	    .on_durable = on_durable,
	    .on_failed = on_failed,
	    .data = s});
	map_put(&core->sessions, s->row.id, s);
	return s;
}

struct session *session_ref(struct session *s)
{
	s->refs++;
	return s;
}

void session_unref(struct session *s)
{
	assert(s->refs > 0);
	if (--s->refs == 0)
		release(s);
}

const char *session_id(const struct session *s)
{
	return s->row.id;
}

static void put_open_turn(struct buf *out, const struct turn *t)
{
	buf_addf(out, "%s{\"turnId\":\"%s\",\"queuedSeq\":%" PRIu64 ",\"startSeq\":%" PRIu64 "}",
	    out->p[out->len - 1] == '[' ? "" : ",", turn_names(t)->turn_id, turn_queued_seq(t),
	    turn_start_seq(t));
}

void session_put_open_turns(const struct session *s, struct buf *out)
{
	buf_addc(out, '[');
	if (s->active)
		put_open_turn(out, s->active);
	list_each (it, &s->queue)
		put_open_turn(out, turn_of_link(it));
	buf_addc(out, ']');
}

uint64_t session_last_seq(const struct session *s)
{
	return log_durable(s->log);
}

void session_snapshot(const struct session *s, struct snapshot *ret)
{
	*ret = (struct snapshot){.id = s->row.id,
	    .model = session_row_model(&s->row),
	    .title = s->row.title,
	    .metadata = s->row.metadata,
	    .created_ms = s->row.created_ms,
	    .updated_ms = s->row.updated_ms,
	    .status = s->active && !list_empty(&s->permissions) ? "waiting_permission"
		      : s->active				? "running"
		      : s->queued				? "queued"
								: "idle",
	    .active_turn = s->active ? turn_names(s->active)->turn_id : NULL,
	    .queued_turns = s->queued,
	    .turn_count = s->row.turn_count,
	    .message_count = s->row.message_count,
	    .tool_calls = s->row.tool_calls,
	    .writer_count = s->row.writer_count,
	    .last_seq = log_durable(s->log)};
}

bool session_workspace(const struct session *s, struct buf *out)
{
	json_t *metadata = NULL;
	const char *path;
	size_t n;

	json_parse(s->row.metadata, strlen(s->row.metadata), &metadata, NULL);
	path = json_cstr(metadata, "workspace", "");
	/* Any other text is a label of the client. */
	if (path[0] != '/')
		path = config_text(s->core->opts.config, "daemon.defaultWorkspace");
	n = strlen(path);
	while (n > 1 && path[n - 1] == '/')
		n--;
	if (out)
		buf_add(out, path, n);
	json_decref(metadata);
	return n > 0;
}

uint64_t session_append(struct session *s, int kind, struct buf *payload)
{
	uint64_t seq = log_append(s->log, (enum event_kind)kind, payload->p, payload->len);

	s->core->event_total++;
	s->row.last_seq = seq;
	if (event_is_turn((enum event_kind)kind))
		s->row.last_turn_seq = seq;
	if (s->active)
		turn_take(
		    s->active, seq, (enum event_kind)kind, (struct str){payload->p, payload->len});
	return seq;
}

void session_save(struct session *s, bool durable, store_done_cb *done, void *data)
{
	s->row.updated_ms = clock_wall_ms();
	s->row.last_seq = log_last(s->log);
	store_session_put(s->core->opts.store, &s->row, durable, done, data);
}

/* --- turns --- */

static void set_busy(struct session *s)
{
	bool busy = s->active || s->queued || s->stops;

	if (busy == s->busy)
		return;
	s->busy = busy;
	/* A busy session holds itself. */
	if (busy) {
		session_ref(s);
		core_busy_changed(s->core, 1);
	} else {
		core_busy_changed(s->core, -1);
		session_unref(s);
	}
}

void session_enqueue(struct session *s, struct turn *t)
{
	list_append(&s->queue, turn_link(t));
	s->queued++;
	s->core->queued_turns++;
	set_busy(s);
}

void session_dequeue(struct session *s, struct turn *t)
{
	list_remove(turn_link(t));
	s->queued--;
	s->core->queued_turns--;
}

void session_pump(struct session *s)
{
	struct turn *next;

	session_ref(s);
	if (!s->active && s->queued && !s->core->stopping) {
		next = turn_of_link(s->queue.next);
		if (turn_recorded(next)) {
			session_dequeue(s, next);
			turn_start(next);
		}
	}
	set_busy(s);
	session_unref(s);
}

/* --- changing and deleting --- */

struct change {
	struct session *session; /* owned reference */
	/* Owned: what they were before; NULL for a delete. */
	char *title, *model, *metadata, *answered;
	unsigned failures; /* of the session's changes when this one was made */
	session_done_cb *done;
	void *data;
};

static struct change *new_change(struct session *s, session_done_cb *done, void *data)
{
	struct change *c = mem_zalloc(1, sizeof *c);

	c->session = session_ref(s);
	c->failures = s->failures;
	c->done = done;
	c->data = data;
	return c;
}

static void finish_change(struct change *c, enum api_error error)
{
	c->done(c->data, error, c->session);
	session_unref(c->session);
	free(c->title);
	free(c->model);
	free(c->metadata);
	free(c->answered);
	free(c);
}

static void put_back(char **field, char **before)
{
	char *now = *field;

	*field = *before;
	*before = now;
}

static void on_changed(void *data, int rc)
{
	struct change *c = data;
	struct session *s = c->session;

	/* With one change all that were made after it fail: the first knows what is stored. */
	if (rc != 0 && c->failures == s->failures) {
		s->failures++;
		put_back(&s->row.title, &c->title);
		put_back(&s->row.model, &c->model);
		put_back(&s->row.metadata, &c->metadata);
		put_back(&s->row.answered, &c->answered);
	}
	finish_change(c, rc == 0 ? API_OK : session_store_error(rc));
}

/* Set the field, if there is a value, and keep what it was. */
static void replace(char **field, const char *value, char **ret_before)
{
	*ret_before = *field;
	*field = mem_strdup(value ? value : *ret_before);
}

void session_patch(
    struct session *s, const struct request_session *r, session_done_cb *done, void *data)
{
	struct buf payload = {0}, metadata = {0};
	struct snapshot snapshot;
	struct change *c;

	if (s->deleted) {
		done(data, API_SESSION_NOT_FOUND, s);
		return;
	}
	c = new_change(s, done, data);
	if (r->metadata)
		json_put(&metadata, r->metadata);
	replace(&s->row.title, r->title, &c->title);
	replace(&s->row.model, r->model, &c->model);
	/* Whoever chose another model sees that one until it answers. */
	if (r->model)
		store_session_answered(s->core->opts.store, s->row.num, "");
	replace(&s->row.answered, r->model ? "" : NULL, &c->answered);
	replace(&s->row.metadata, r->metadata ? buf_cstr(&metadata) : NULL, &c->metadata);
	/* Its model server may be another one now, of which nothing is known. */
	if (r->metadata)
		core_forget_no_ws(s->core, s->row.id);
	s->row.updated_ms = clock_wall_ms();
	session_snapshot(s, &snapshot);
	/* The snapshot an event carries counts the event itself. */
	snapshot.last_seq = log_last(s->log) + 1;
	payload_put_updated(&payload, &snapshot);
	session_append(s, EVENT_SESSION_UPDATED, &payload);
	buf_finish(&payload);
	buf_finish(&metadata);
	session_save(s, true, on_changed, c);
}

static void on_deleted(void *data, int rc)
{
	struct change *c = data;
	struct session *s = c->session;

	if (rc == 0) {
		s->core->session_count--;
		artifacts_remove(s->core, s->row.id);
	} else {
		s->deleted = false;
	}
	finish_change(c, rc == 0 ? API_OK : session_store_error(rc));
}

void session_delete(struct session *s, session_done_cb *done, void *data)
{
	if (s->deleted) {
		done(data, API_SESSION_NOT_FOUND, s);
		return;
	}
	if (s->busy || s->lookups) {
		done(data, API_CONFLICT, s);
		return;
	}
	background_end(s->core->background, s);
	s->deleted = true;
	feed_announce(s->core->feed, s);
	store_session_delete(
	    s->core->opts.store, s->row.num, on_deleted, new_change(s, done, data));
}
