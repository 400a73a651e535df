/* Accepting a turn: look up what is known, check, commit, answer. */
#include "session/session.h"

#include <inttypes.h>

#include "base/buf.h"
#include "base/config.h"
#include "base/err.h"
#include "base/mem.h"
#include "protocol/events.h"
#include "protocol/payload.h"
#include "protocol/requests.h"
#include "session/core.h"
#include "session/turn.h"
#include "store/store.h"

/* A title made from the first message: as much as a list shows. */
enum { SESSION_TITLE_BYTES = 80 };

/* An idempotency key and the turn it stands for. */
struct turn_key {
	char turn_id[32];
	bool recorded;	     /* the turn's acceptance is durable */
	struct list waiting; /* struct submit: the same key again, before it was */
	char key[];
};

static void remember_key(struct session *s, const char *key, const char *turn_id, bool recorded)
{
	struct turn_key *k;

	if (!key || map_get(&s->keys, key))
		return;
	k = mem_zalloc(1, sizeof *k + strlen(key) + 1);
	memcpy(k->key, key, strlen(key));
	snprintf(k->turn_id, sizeof k->turn_id, "%s", turn_id);
	k->recorded = recorded;
	list_init(&k->waiting);
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
	struct list link;	 /* in turn_key.waiting, or nowhere */
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

/* The first submit with the key was accepted (API_OK) or not: so were those that came after it. */
static void answer_waiting(
    struct list *waiting, enum api_error error, const char *sentence, const char *turn_id)
{
	while (!list_empty(waiting)) {
		struct submit *u = list_entry(waiting->next, struct submit, link);

		list_remove(&u->link);
		if (error != API_OK) {
			refuse(u, error, sentence);
			continue;
		}
		answer(u, API_OK, NULL, turn_id, u->session->queued);
		turn_free(u->turn);
		free_submit(u);
	}
}

static void on_accepted(void *data, int rc)
{
	struct submit *u = data;
	struct session *s = u->session;
	struct turn *t = u->turn;
	struct turn_key *k = u->key ? map_get(&s->keys, u->key) : NULL;
	enum api_error error = rc == 0 ? API_OK : session_store_error(rc);
	const char *sentence = rc == 0 ? NULL
			       : rc == ERR_FULL
				   ? "the disk is full: the turn was not accepted"
				   : "the turn could not be stored and was not accepted";
	struct list waiting;
	char id[32];

	snprintf(id, sizeof id, "%s", turn_names(t)->turn_id);
	list_init(&waiting);
	if (k) {
		list_splice(&waiting, &k->waiting);
		k->recorded = true;
		if (rc != 0)
			free(map_remove(&s->keys, u->key));
	}
	/* A cancel may have taken and ended the turn in the meantime: its id is still a promise
	 * kept. */
	answer(u, error, sentence, rc == 0 ? id : NULL, rc == 0 ? u->queued : 0);
	if (rc == 0) {
		turn_set_recorded(t);
	} else {
		s->row.turn_count--;
		s->core->turn_total--;
		if (!list_empty(turn_link(t))) {
			session_dequeue(s, t);
			turn_free(t);
		}
		core_notice(s->core, LOG_ERROR, "turn %s of session %s was not accepted: %s", id,
		    s->row.id, err_name(rc));
	}
	answer_waiting(&waiting, error, sentence, id);
	session_pump(s);
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
	session_enqueue(s, u->turn);
	u->queued = s->queued;
	s->row.turn_count++;
	s->core->turn_total++;
	if (u->new_writer && !map_get(&s->writers, names->writer_id))
		s->row.writer_count++;
	remember_writer(s, names->writer_id);
	remember_key(s, u->key, names->turn_id, false);
	payload_put_queued(&payload, names, s->queued, s->queued, content, n);
	seq = session_append(s, EVENT_TURN_QUEUED, &payload);
	turn_set_queued_seq(u->turn, seq);
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
	if (!k->recorded) {
		list_append(&k->waiting, &u->link);
		return true;
	}
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
		remember_key(u->session, u->key, turn_id, true);
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

	list_init(&u->link);
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
	    .overrides = r->overrides,
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
