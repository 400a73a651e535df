/*
 * One turn.
 *
 *   ACCEPTING --durable--> QUEUED --its turn--> READING --history--> ASKING
 *       |                    |                     |                   |
 *       |                    |                     |     done, error, cancelled,
 *       v                    v                     v     interrupted, storage
 *     ENDING <---------------+---------------------+-------------------+
 *
 * ENDING: the stop event is being written (session/stop.h), which frees the turn.
 * A cancel, a lost model, a full disk and a stop of the daemon are all inputs to
 * turn_end_early or on_end, so there is one way out.
 */
#include "session/turn.h"

#include <assert.h>
#include <errno.h>
#include <uv.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/config.h"
#include "base/err.h"
#include "base/ids.h"
#include "base/json.h"
#include "base/mem.h"
#include "model/ask.h"
#include "model/server.h"
#include "protocol/events.h"
#include "session/core.h"
#include "session/prompt.h"
#include "session/session.h"
#include "session/stop.h"
#include "store/log.h"

enum turn_state {
	TURN_ACCEPTING, /* turn.queued is being written */
	TURN_QUEUED,	/* accepted, waits for the turns before it */
	TURN_READING,	/* the history is read */
	TURN_ASKING,	/* the model answers */
	TURN_ENDING,	/* the stop event is being written */
};

struct turn {
	struct list link;
	struct session *session; /* owned reference */
	enum turn_state state;
	char id[32];
	char *writer, *client, *mode, *content; /* owned */
	size_t content_len;
	struct turn_names names; /* points into the above */
	struct turn_read *read;	 /* READING: the store's answer is on its way */
	struct model_ask *ask;	 /* ASKING */
	struct buf history;	 /* from READING until the prompt is built */
	struct buf answer;	 /* text so far, for the history */
	uint64_t begun_us, first_us, deltas;
	uint64_t start_seq;	       /* of turn.start, 0: not started */
	uint64_t base_messages;	       /* messages of the session before this turn */
	bool paused;		       /* the model waits for the log */
	bool saved_user, saved_answer; /* messages given to the store */
};

/* The history on its way; outlives a turn that ended meanwhile. */
struct turn_read {
	struct turn *turn; /* NULL: gone */
};

static void move(struct turn *t, enum turn_state to)
{
	static const bool allowed[5][5] = {
	    [TURN_ACCEPTING] = {[TURN_QUEUED] = true, [TURN_ENDING] = true},
	    [TURN_QUEUED] = {[TURN_READING] = true, [TURN_ENDING] = true},
	    [TURN_READING] = {[TURN_ASKING] = true, [TURN_ENDING] = true},
	    [TURN_ASKING] = {[TURN_ENDING] = true},
	};

	assert(allowed[t->state][to]);
	t->state = to;
}

struct turn *turn_new(const struct turn_opts *opts)
{
	struct turn *t = mem_zalloc(1, sizeof *t);

	list_init(&t->link);
	t->session = session_ref(opts->session);
	ids_make("turn_", 12, t->id, sizeof t->id);
	t->writer = mem_strdup(opts->writer_id);
	t->client = mem_strdup(opts->client_id);
	t->mode = mem_strdup(opts->mode);
	t->content = mem_strndup(opts->content, opts->content_len);
	t->content_len = opts->content_len;
	t->names = (struct turn_names){
	    .turn_id = t->id, .writer_id = t->writer, .client_id = t->client, .mode = t->mode};
	return t;
}

void turn_free(struct turn *t)
{
	assert(!t->ask && list_empty(&t->link));
	if (t->read)
		t->read->turn = NULL;
	free(t->writer);
	free(t->client);
	free(t->mode);
	free(t->content);
	buf_finish(&t->answer);
	buf_finish(&t->history);
	session_unref(t->session);
	free(t);
}

struct list *turn_link(struct turn *t)
{
	return &t->link;
}

struct turn *turn_of_link(struct list *l)
{
	return list_entry(l, struct turn, link);
}

const struct turn_names *turn_names(const struct turn *t)
{
	return &t->names;
}

const char *turn_content(const struct turn *t, size_t *ret_len)
{
	*ret_len = t->content_len;
	return t->content;
}

bool turn_recorded(const struct turn *t)
{
	return t->state != TURN_ACCEPTING;
}

void turn_set_recorded(struct turn *t)
{
	if (t->state == TURN_ACCEPTING)
		move(t, TURN_QUEUED);
}

/* --- messages --- */

static void put_message(struct turn *t, const char *role, const char *text, size_t n)
{
	struct session_row *row = &t->session->row;
	struct buf body = {0};

	buf_addf(&body, "{\"role\":\"%s\",\"content\":", role);
	json_put_str(&body, text, n);
	buf_addc(&body, '}');
	store_message_add(
	    t->session->core->opts.store, row->num, ++row->message_count, body.p, body.len);
	buf_finish(&body);
}

static void save_user(struct turn *t)
{
	if (t->saved_user)
		return;
	t->saved_user = true;
	put_message(t, "user", t->content, t->content_len);
}

void turn_save_messages(struct turn *t)
{
	/* A turn that never started leaves nothing in the history. */
	if (!t->start_seq)
		return;
	save_user(t);
	if (t->answer.len && !t->saved_answer) {
		t->saved_answer = true;
		put_message(t, "assistant", t->answer.p, t->answer.len);
	}
}

void turn_messages_lost(struct turn *t)
{
	struct session *s = t->session;

	if (!t->start_seq)
		return;
	/* turn.start and the user's message were one transaction. */
	t->saved_user = log_durable(s->log) >= t->start_seq;
	t->saved_answer = false;
	s->row.message_count = t->base_messages + t->saved_user;
}

/* --- beginning and ending --- */

/* turn.start and the user's message, once, when the turn has left the queue. */
static void begin(struct turn *t, const char *model)
{
	struct buf payload = {0};

	if (t->start_seq)
		return;
	payload_put_start(&payload, &t->names, model);
	t->base_messages = t->session->row.message_count;
	t->start_seq = session_append(t->session, EVENT_TURN_START, &payload);
	save_user(t);
	buf_finish(&payload);
}

/* Leave the running state; the caller appends the stop event. */
static void stop_running(struct turn *t)
{
	if (t->state == TURN_READING || t->state == TURN_ASKING)
		begin(t, t->session->row.model);
	move(t, TURN_ENDING);
	model_ask_cancel(t->ask);
	t->ask = NULL;
}

static void end(struct turn *t, enum event_kind kind, struct buf *payload)
{
	struct turn *self = t;

	stop_running(t);
	stop_start(t->session, kind, payload, &self, 1, NULL, NULL);
}

bool turn_end_early(struct turn *t, const char *code, const char *message)
{
	struct buf payload = {0};

	if (t->state == TURN_ENDING)
		return false;
	list_remove(&t->link);
	if (!code) {
		stop_running(t);
		return true;
	}
	payload_put_error(&payload, &t->names, message, code);
	end(t, EVENT_TURN_ERROR, &payload);
	return true;
}

void turn_storage_failed(struct turn *t, int rc)
{
	if (t->state == TURN_ENDING)
		return;
	turn_messages_lost(t);
	if (t->start_seq > log_durable(t->session->log))
		t->start_seq = 0;
	core_notice(t->session->core, LOG_ERROR,
	    "turn %s of session %s ends: its events could not be stored (%s)", t->id,
	    t->session->row.id, err_name(rc));
	turn_end_early(t, TURN_ERROR_STORAGE_FULL,
	    "the disk is full or cannot be written: free some space, then ask again");
}

/* --- the model's answer --- */

static void append(struct turn *t, enum event_kind kind, struct buf *payload)
{
	session_append(t->session, (int)kind, payload);
	buf_finish(payload);
}

static void on_text(void *data, bool thinking, const char *p, size_t n)
{
	/* One payload at a time, on the loop thread: its memory is kept between tokens. */
	static struct buf payload;
	struct turn *t = data;

	buf_clear(&payload);
	if (!t->first_us)
		t->first_us = clock_mono_us();
	t->deltas++;
	payload_put_text(&payload, t->id, p, n);
	session_append(t->session, thinking ? EVENT_TURN_THINKING : EVENT_TURN_TOKEN, &payload);
	if (payload.cap > LOG_SEGMENT_BYTES)
		buf_finish(&payload);
	if (!thinking)
		buf_add(&t->answer, p, n);
	if (log_unwritten(t->session->log) > LOG_PAUSE_BYTES && !t->paused) {
		t->paused = true;
		model_ask_read(t->ask, false);
	}
}

void turn_log_moved(struct turn *t)
{
	if (!t->paused || log_unwritten(t->session->log) > LOG_PAUSE_BYTES / 2)
		return;
	t->paused = false;
	if (t->ask)
		model_ask_read(t->ask, true);
}

static void put_progress(struct turn *t, const char *phase, const char *message)
{
	struct buf payload = {0};

	payload_put_progress(&payload, t->id, phase, message);
	append(t, EVENT_TURN_PROGRESS, &payload);
}

static void on_progress(void *data, const char *phase, const char *message)
{
	put_progress(data, phase, message);
}

static bool on_ready(void *data, const char *model, uint64_t context_tokens, struct buf *messages)
{
	struct turn *t = data;
	struct prompt_result trimmed;
	char message[160];
	int rc = prompt_build(messages,
	    &(struct prompt_opts){.config = t->session->core->opts.config,
		.context_tokens = context_tokens,
		.mode = t->mode,
		.metadata = t->session->row.metadata,
		.history = t->history.p,
		.history_len = t->history.len,
		.content = t->content,
		.content_len = t->content_len},
	    &trimmed);

	buf_finish(&t->history);
	begin(t, model);
	if (rc != 0)
		return false;
	if (trimmed.dropped_messages) {
		snprintf(message, sizeof message,
		    "%zu oldest messages (%zu turns) were left out to fit the model's context",
		    trimmed.dropped_messages, trimmed.dropped_turns);
		put_progress(t, "context.trimmed", message);
	}
	return true;
}

static void on_no_ws(void *data)
{
	struct turn *t = data;
	struct core *core = t->session->core;
	char name[300];

	core_note_no_ws(core, t->session->row.id);
	model_server_name(core->server, name, sizeof name);
	core_notice(core, LOG_INFO, "no WebSocket at the model server %s: session %s uses SSE",
	    name, t->session->row.id);
}

static void on_preflight_failed(void *data, const char *why)
{
	struct turn *t = data;

	core_notice(t->session->core, LOG_ERROR, "lmx preflight failed: %s", why);
}

static void on_answered(void *data, const struct model_result *result)
{
	struct turn *t = data;
	uint64_t now = clock_mono_us();
	struct turn_stats stats = {
	    .tokens = result->has_usage ? result->completion_tokens : t->deltas,
	    .prompt_tokens = result->prompt_tokens,
	    .completion_tokens = result->has_usage ? result->completion_tokens : t->deltas,
	    .elapsed_ms = (now - t->begun_us) / 1000,
	    .first_token_ms = t->first_us ? (t->first_us - t->begun_us) / 1000 : 0};
	struct buf payload = {0};

	t->ask = NULL;
	if (result->code) {
		payload_put_error(&payload, &t->names, result->message, result->code);
		end(t, EVENT_TURN_ERROR, &payload);
	} else if (result->call_count) {
		payload_put_error(&payload, &t->names,
		    "the model called a tool, and none was offered to it", TURN_ERROR_MODEL);
		end(t, EVENT_TURN_ERROR, &payload);
	} else {
		payload_put_done(&payload, &t->names, result->finish_reason, &stats);
		end(t, EVENT_TURN_DONE, &payload);
	}
}

static void ask(struct turn *t)
{
	struct session *s = t->session;
	const struct config *config = s->core->opts.config;
	const char *model = s->row.model[0] ? s->row.model : config_text(config, "model.default");

	move(t, TURN_ASKING);
	t->ask = model_ask_start(s->core->opts.loop,
	    &(struct model_ask_opts){.server = s->core->server,
		.model = model,
		.max_tokens = (uint64_t)config_int(config, "model.maxTokens"),
		.first_token_ms = (uint64_t)config_int(config, "model.firstTokenTimeoutMs"),
		.idle_ms = (uint64_t)config_int(config, "model.idleTimeoutMs"),
		.no_ws = core_lacks_ws(s->core, s->row.id),
		.on_ready = on_ready,
		.on_text = on_text,
		.on_progress = on_progress,
		.on_no_ws = on_no_ws,
		.on_preflight_failed = on_preflight_failed,
		.on_end = on_answered,
		.data = t});
}

static void on_history(void *data, int rc, struct buf *json)
{
	struct turn_read *read = data;
	struct turn *t = read->turn;

	free(read);
	if (!t)
		return;
	t->read = NULL;
	if (t->state != TURN_READING)
		return;
	if (rc != 0) {
		turn_end_early(t, TURN_ERROR_INTERRUPTED,
		    "the session's history cannot be read from the disk");
		return;
	}
	t->history = *json;
	*json = (struct buf){0};
	ask(t);
}

void turn_start(struct turn *t)
{
	struct session *s = t->session;

	assert(!s->active && list_empty(&t->link));
	move(t, TURN_READING);
	s->active = t;
	s->core->active_turns++;
	t->begun_us = clock_mono_us();
	t->read = mem_zalloc(1, sizeof *t->read);
	t->read->turn = t;
	store_messages_load(s->core->opts.store, s->row.num, 1, on_history, t->read);
}
