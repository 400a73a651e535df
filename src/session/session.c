/* One session in memory: submitting, cancelling, changing, leaving. */
#include "session/session.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/config.h"
#include "base/err.h"
#include "base/mem.h"
#include "protocol/events.h"
#include "protocol/payload.h"
#include "protocol/requests.h"
#include "session/core.h"
#include "session/feed.h"
#include "session/stop.h"
#include "session/turn.h"
#include "store/log.h"
#include "store/store.h"

/* A title made from the first message: as much as a list shows. */
enum { SESSION_TITLE_BYTES = 80 };

/* An idempotency key and the turn it stands for. */
struct turn_key {
	char turn_id[32];
	char key[];
};

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
	free(s);
}

static void on_durable(void *data, uint64_t seq)
{
	struct session *s = data;
	uint64_t from = s->announced + 1;

	session_ref(s);
	s->announced = seq;
	if (s->active)
		turn_log_moved(s->active);
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
	s->announced = row->last_seq;
	list_init(&s->cursors);
	list_init(&s->queue);
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

uint64_t session_last_seq(const struct session *s)
{
	return log_durable(s->log);
}

void session_snapshot(const struct session *s, struct snapshot *ret)
{
	*ret = (struct snapshot){.id = s->row.id,
	    .model = s->row.model,
	    .title = s->row.title,
	    .metadata = s->row.metadata,
	    .created_ms = s->row.created_ms,
	    .updated_ms = s->row.updated_ms,
	    .status = s->active	  ? "running"
		      : s->queued ? "queued"
				  : "idle",
	    .active_turn = s->active ? turn_names(s->active)->turn_id : NULL,
	    .queued_turns = s->queued,
	    .turn_count = s->row.turn_count,
	    .message_count = s->row.message_count,
	    .tool_calls = s->row.tool_calls,
	    .writer_count = s->row.writer_count,
	    .last_seq = log_durable(s->log)};
}

uint64_t session_append(struct session *s, int kind, struct buf *payload)
{
	uint64_t seq = log_append(s->log, (enum event_kind)kind, payload->p, payload->len);

	s->core->event_total++;
	s->row.last_seq = seq;
	if (event_is_turn((enum event_kind)kind))
		s->row.last_turn_seq = seq;
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

static void enqueue(struct session *s, struct turn *t)
{
	list_append(&s->queue, turn_link(t));
	s->queued++;
	s->core->queued_turns++;
	set_busy(s);
}

/* Take t out of the queue. */
static void dequeue(struct session *s, struct turn *t)
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
			dequeue(s, next);
			turn_start(next);
		}
	}
	set_busy(s);
	session_unref(s);
}

static void remember_key(struct session *s, const char *key, const char *turn_id)
{
	struct turn_key *k;

	if (!key || map_get(&s->keys, key))
		return;
	k = mem_zalloc(1, sizeof *k + strlen(key) + 1);
	memcpy(k->key, key, strlen(key));
	snprintf(k->turn_id, sizeof k->turn_id, "%s", turn_id);
	map_put(&s->keys, k->key, k);
}

static void remember_writer(struct session *s, const char *writer)
{
	char *copy;

	if (map_get(&s->writers, writer))
		return;
	copy = mem_strdup(writer);
	map_put(&s->writers, copy, copy);
}

/* A title from the first line of the first message, cut at a character's edge. */
static void make_title(struct session *s, const char *content, size_t n)
{
	struct str line;
	size_t len;

	if (s->row.title[0])
		return;
	str_cut(str_trim((struct str){content, n}), '\n', &line);
	line = str_trim(line);
	len = line.n < SESSION_TITLE_BYTES ? line.n : str_utf8_valid(line.p, SESSION_TITLE_BYTES);
	free(s->row.title);
	s->row.title = mem_strndup(line.p, len);
}

/* A submit on its way: first perhaps a look into the store, then the commit. */
struct submit {
	struct session *session; /* owned reference */
	struct turn *turn;	 /* owned until it is in the queue */
	char *key;		 /* NULL: none */
	bool has_last_seen, new_writer;
	uint64_t last_seen, queued;
	session_submit_cb *done;
	void *data;
};

static void answer(struct submit *u, enum api_error error, const char *sentence,
    const char *turn_id, uint64_t queued)
{
	u->done(u->data,
	    &(struct submit_result){
		.error = error, .sentence = sentence, .turn_id = turn_id, .queued = queued});
}

static void free_submit(struct submit *u)
{
	struct session *s = u->session;

	free(u->key);
	free(u);
	session_unref(s);
}

static void refuse(struct submit *u, enum api_error error, const char *sentence)
{
	answer(u, error, sentence, NULL, 0);
	turn_free(u->turn);
	free_submit(u);
}

static void on_accepted(void *data, int rc)
{
	struct submit *u = data;
	struct session *s = u->session;
	struct turn *t = u->turn;
	char id[32];

	if (rc == 0) {
		/* A cancel may have taken and ended the turn in the meantime: its id is still a
		 * promise kept. */
		answer(u, API_OK, NULL, turn_names(t)->turn_id, u->queued);
		turn_set_recorded(t);
		session_pump(s);
		free_submit(u);
		return;
	}
	snprintf(id, sizeof id, "%s", turn_names(t)->turn_id);
	answer(u, session_store_error(rc),
	    rc == ERR_FULL ? "the disk is full: the turn was not accepted"
			   : "the turn could not be stored and was not accepted",
	    NULL, 0);
	if (!list_empty(turn_link(t))) {
		dequeue(s, t);
		s->row.turn_count--;
		s->core->turn_total--;
		free(map_remove(&s->keys, u->key ? u->key : ""));
		turn_free(t);
		set_busy(s);
	}
	core_notice(s->core, LOG_ERROR, "turn %s of session %s was not accepted: %s", id, s->row.id,
	    err_name(rc));
	free_submit(u);
}

/* The checks that only mean something at the moment of acceptance. */
static bool acceptable(struct submit *u)
{
	struct session *s = u->session;
	const struct config *config = s->core->opts.config;
	char text[200];

	if (s->deleted) {
		refuse(u, API_SESSION_NOT_FOUND, "this session was deleted");
	} else if (s->core->stopping) {
		refuse(u, API_SHUTTING_DOWN, "the daemon is stopping and takes no more turns");
	} else if (u->has_last_seen && s->row.last_turn_seq > u->last_seen) {
		snprintf(text, sizeof text,
		    "the session moved on: its last turn event is %" PRIu64
		    ", you have seen %" PRIu64 "; read the events after that, then submit again",
		    s->row.last_turn_seq, u->last_seen);
		refuse(u, API_CONFLICT, text);
	} else if (!s->busy &&
		   s->core->busy >= (unsigned)config_int(config, "daemon.maxSessions")) {
		snprintf(text, sizeof text,
		    "%u sessions are busy, which is the limit: wait for one, or `opta config set "
		    "daemon.maxSessions N`",
		    s->core->busy);
		refuse(u, API_SESSION_LIMIT, text);
	} else if (s->queued >= (unsigned)config_int(config, "daemon.maxQueuedTurns")) {
		refuse(
		    u, API_TOO_MANY, "too many turns wait in this session (daemon.maxQueuedTurns)");
	} else {
		return true;
	}
	return false;
}

static void accept_turn(struct submit *u)
{
	struct session *s = u->session;
	const struct turn_names *names = turn_names(u->turn);
	struct buf payload = {0};
	const char *content;
	uint64_t seq;
	size_t n;

	if (!acceptable(u))
		return;
	content = turn_content(u->turn, &n);
	make_title(s, content, n);
	enqueue(s, u->turn);
	u->queued = s->queued;
	s->row.turn_count++;
	s->core->turn_total++;
	if (u->new_writer && !map_get(&s->writers, names->writer_id))
		s->row.writer_count++;
	remember_writer(s, names->writer_id);
	remember_key(s, u->key, names->turn_id);
	payload_put_queued(&payload, names, s->queued, s->queued, content, n);
	seq = session_append(s, EVENT_TURN_QUEUED, &payload);
	buf_finish(&payload);
	session_save(s, true, NULL, NULL);
	store_turn_add(s->core->opts.store, s->row.num, names->turn_id, names->writer_id,
	    names->client_id, names->mode, u->key, seq, on_accepted, u);
}

/* The same key was accepted before: its turn's id again. True when so. */
static bool known_key(struct submit *u)
{
	struct turn_key *k = u->key ? map_get(&u->session->keys, u->key) : NULL;

	if (!k)
		return false;
	answer(u, API_OK, NULL, k->turn_id, u->session->queued);
	turn_free(u->turn);
	free_submit(u);
	return true;
}

static void on_found(void *data, int rc, const char *turn_id, bool new_writer)
{
	struct submit *u = data;

	u->session->lookups--;
	u->new_writer = new_writer;
	if (rc != 0) {
		refuse(u, API_INTERNAL_ERROR, "the database cannot be read");
	} else if (turn_id) {
		remember_key(u->session, u->key, turn_id);
		answer(u, API_OK, NULL, turn_id, u->session->queued);
		turn_free(u->turn);
		free_submit(u);
	} else if (!known_key(u)) {
		accept_turn(u);
	}
}

void session_submit(
    struct session *s, const struct request_turn *r, session_submit_cb *done, void *data)
{
	struct submit *u = mem_zalloc(1, sizeof *u);

	u->session = session_ref(s);
	u->done = done;
	u->data = data;
	u->key = r->idempotency_key ? mem_strdup(r->idempotency_key) : NULL;
	u->has_last_seen = r->has_last_seen;
	u->last_seen = r->last_seen_seq;
	u->turn = turn_new(&(struct turn_opts){.session = s,
	    .writer_id = r->writer_id,
	    .client_id = r->client_id,
	    .mode = r->mode,
	    .content = r->content,
	    .content_len = r->content_len});
	if (known_key(u))
		return;
	/* Submits keep their order: none overtakes one that waits for the store. */
	if (!u->key && map_get(&s->writers, r->writer_id) && !s->lookups) {
		accept_turn(u);
		return;
	}
	s->lookups++;
	store_turn_find(s->core->opts.store, s->row.num, u->key, r->writer_id, on_found, u);
}

/* --- cancelling --- */

struct cancel {
	struct session *session; /* owned reference */
	struct cancel_result result;
	session_cancel_cb *done; /* NULL once answered */
	void *data;
};

static void on_cancelled(void *data, int rc)
{
	struct cancel *c = data;

	if (rc != 0)
		c->result.error = session_store_error(rc);
	if (c->done)
		c->done(c->data, &c->result);
	c->done = NULL;
	if (rc != 0)
		return; /* tried again; success will call once more */
	session_unref(c->session);
	free(c);
}

static bool matches(const struct turn *t, const struct request_cancel *r)
{
	const struct turn_names *n = turn_names(t);

	return (!r->turn_id || strcmp(r->turn_id, n->turn_id) == 0) &&
	       (!r->writer_id || strcmp(r->writer_id, n->writer_id) == 0);
}

static void put_cancelled(
    struct buf *out, const struct request_cancel *r, struct turn **turns, size_t n)
{
	buf_addf(out, "{\"cancelled\":%zu", n);
	if (n == 1) {
		buf_adds(out, ",\"turnId\":");
		json_put_cstr(out, turn_names(turns[0])->turn_id);
	}
	buf_adds(out, ",\"turnIds\":[");
	for (size_t i = 0; i < n; i++) {
		buf_adds(out, i ? "," : "");
		json_put_cstr(out, turn_names(turns[i])->turn_id);
	}
	buf_addc(out, ']');
	if (r->writer_id) {
		buf_adds(out, ",\"writerId\":");
		json_put_cstr(out, r->writer_id);
	}
	buf_addc(out, '}');
}

void session_cancel(
    struct session *s, const struct request_cancel *r, session_cancel_cb *done, void *data)
{
	struct turn **turns = mem_zalloc(s->queued + 1, sizeof(struct turn *));
	struct cancel_result none = {.error = API_OK};
	struct buf payload = {0};
	struct cancel *c;
	size_t n = 0;

	c = mem_zalloc(1, sizeof *c);
	c->session = session_ref(s);
	c->done = done;
	c->data = data;
	if (s->active && matches(s->active, r) && turn_end_early(s->active, NULL, NULL)) {
		turns[n++] = s->active;
		c->result.active = true;
	}
	list_each_safe (l, &s->queue) {
		struct turn *t = turn_of_link(l);

		if (!matches(t, r))
			continue;
		dequeue(s, t);
		turn_end_early(t, NULL, NULL);
		turns[n++] = t;
		c->result.queued++;
	}
	if (n) {
		put_cancelled(&payload, r, turns, n);
		stop_start(s, EVENT_SESSION_CANCELLED, &payload, turns, n, on_cancelled, c);
	} else {
		done(data, &none);
		session_unref(s);
		free(c);
	}
	free(turns);
}

void session_interrupt(struct session *s, bool running)
{
	list_each_safe (l, &s->queue) {
		struct turn *t = turn_of_link(l);

		/* One that is still being recorded is ended once it is: its client was not answered
		 * yet. */
		dequeue(s, t);
		turn_end_early(
		    t, TURN_ERROR_INTERRUPTED, "the daemon stopped before this turn began");
	}
	if (running && s->active)
		turn_end_early(s->active, TURN_ERROR_INTERRUPTED,
		    "the daemon stopped before this turn was done");
	set_busy(s);
}

/* --- changing and deleting --- */

struct change {
	struct session *session; /* owned reference */
	session_done_cb *done;
	void *data;
};

static struct change *new_change(struct session *s, session_done_cb *done, void *data)
{
	struct change *c = mem_zalloc(1, sizeof *c);

	c->session = session_ref(s);
	c->done = done;
	c->data = data;
	return c;
}

static void finish_change(struct change *c, enum api_error error)
{
	c->done(c->data, error, c->session);
	session_unref(c->session);
	free(c);
}

static void on_changed(void *data, int rc)
{
	finish_change(data, rc == 0 ? API_OK : session_store_error(rc));
}

static void replace(char **field, const char *value)
{
	if (!value)
		return;
	free(*field);
	*field = mem_strdup(value);
}

void session_patch(
    struct session *s, const struct request_session *r, session_done_cb *done, void *data)
{
	struct buf payload = {0}, metadata = {0};
	struct snapshot snapshot;

	if (s->deleted) {
		done(data, API_SESSION_NOT_FOUND, s);
		return;
	}
	replace(&s->row.title, r->title);
	replace(&s->row.model, r->model);
	if (r->metadata) {
		json_put(&metadata, r->metadata);
		replace(&s->row.metadata, buf_cstr(&metadata));
	}
	s->row.updated_ms = clock_wall_ms();
	session_snapshot(s, &snapshot);
	/* The snapshot an event carries counts the event itself. */
	snapshot.last_seq = log_last(s->log) + 1;
	payload_put_updated(&payload, &snapshot);
	session_append(s, EVENT_SESSION_UPDATED, &payload);
	buf_finish(&payload);
	buf_finish(&metadata);
	session_save(s, true, on_changed, new_change(s, done, data));
}

static void on_deleted(void *data, int rc)
{
	struct change *c = data;
	struct session *s = c->session;

	if (rc == 0)
		s->core->session_count--;
	else
		s->deleted = false;
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
	s->deleted = true;
	feed_announce(s->core->feed, s);
	store_session_delete(
	    s->core->opts.store, s->row.num, on_deleted, new_change(s, done, data));
}
