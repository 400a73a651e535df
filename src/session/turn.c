/*
 * One turn.
 *
 *   ACCEPTING --durable--> QUEUED --its turn--> READING --history--> ASKING <--+
 *       |                    |                     |                   | calls |
 *       |                    |                     |                   v       | all done
 *       |                    |                     |                 CALLING --+
 *       |                    |                     |                   |
 *       |                    |                     |     done, error, cancelled, limit,
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
#include "model/dialect.h"
#include "model/server.h"
#include "protocol/events.h"
#include "protocol/item.h"
#include "session/core.h"
#include "session/history.h"
#include "session/model_servers.h"
#include "session/permission.h"
#include "session/prompt.h"
#include "session/round.h"
#include "session/rules.h"
#include "session/session.h"
#include "session/stop.h"
#include "store/log.h"
#include "store/permissions.h"
#include "tools/tool.h"

/* Messages of the past that are read: more than any model's context has room for. */
enum { TURN_PAST_BYTES = 16 * 1024 * 1024 };

enum turn_state {
	TURN_ACCEPTING, /* turn.queued is being written */
	TURN_QUEUED,	/* accepted, waits for the turns before it */
	TURN_READING,	/* the history is read */
	TURN_ASKING,	/* the model answers */
	TURN_CALLING,	/* the tools it called run (session/round.h) */
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
	struct round *round;	 /* CALLING */
	char (
	    *open)[ROUND_ID_SIZE]; /* owned; ENDING: requests a round that was given up left open */
	size_t open_count;
	struct turn_overrides overrides;
	struct buf tools;  /* the tools as the model was offered them last; empty: none */
	struct item *past; /* owned: what was said before this turn, as far as it is read */
	size_t past_count;
	uint64_t past_left_out;	 /* older messages, which were not read */
	struct history *history; /* owned: the fold of this turn's events */
	uint64_t first_message;	 /* number of its first message in the session */
	unsigned calls, answers; /* tool calls, and answers that had some, so far */
	unsigned *used;		 /* owned: how often each of tools[] was called; NULL: none was */
	uint64_t prompt_tokens, completion_tokens; /* of the answers before this one */
	bool has_usage, has_workspace;
	char *model;		     /* owned: the one that was asked, NULL before */
	struct model_server *server; /* borrowed: the one that is asked */
	uint64_t begun_us, first_us, deltas;
	uint64_t queued_seq;  /* of turn.queued, 0: not yet */
	uint64_t start_seq;   /* of turn.start, 0: not started */
	bool paused;	      /* the model waits for the log */
	bool told_spoken;     /* that calls come as text */
	struct prompt prompt; /* as it was put last */
	struct prompt_front front;
	uint64_t context_tokens; /* of the model, 0 unknown */
	uint64_t max_bytes;	 /* of the prompt, since the server said it was too large; 0 none */
	unsigned dropped;	 /* enum drop: what the server refuses */
};

/* The history on its way; outlives a turn that ended meanwhile. */
struct turn_read {
	struct turn *turn; /* NULL: gone */
};

static void move(struct turn *t, enum turn_state to)
{
	static const bool allowed[6][6] = {
	    [TURN_ACCEPTING] = {[TURN_QUEUED] = true, [TURN_ENDING] = true},
	    [TURN_QUEUED] = {[TURN_READING] = true, [TURN_ENDING] = true},
	    [TURN_READING] = {[TURN_ASKING] = true, [TURN_ENDING] = true},
	    [TURN_ASKING] = {[TURN_CALLING] = true, [TURN_ENDING] = true},
	    [TURN_CALLING] = {[TURN_ASKING] = true, [TURN_ENDING] = true},
	};

	assert(allowed[t->state][to]);
	t->state = to;
}

static void free_items(struct item *items, size_t count)
{
	for (size_t i = 0; i < count; i++)
		item_finish(&items[i]);
	free(items);
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
	t->overrides = opts->overrides;
	t->history = history_new();
	t->names = (struct turn_names){
	    .turn_id = t->id, .writer_id = t->writer, .client_id = t->client, .mode = t->mode};
	return t;
}

void turn_free(struct turn *t)
{
	assert(!t->ask && !t->round && list_empty(&t->link));
	if (t->read)
		t->read->turn = NULL;
	free(t->writer);
	free(t->client);
	free(t->mode);
	free(t->content);
	buf_finish(&t->tools);
	prompt_finish(&t->prompt);
	free_items(t->past, t->past_count);
	history_free(t->history);
	free(t->open);
	free(t->used);
	free(t->model);
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

void turn_set_queued_seq(struct turn *t, uint64_t seq)
{
	assert(!t->queued_seq);
	t->queued_seq = seq;
}

uint64_t turn_queued_seq(const struct turn *t)
{
	return t->queued_seq;
}

uint64_t turn_start_seq(const struct turn *t)
{
	return t->start_seq;
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

/* --- history --- */

static void append(struct turn *t, enum event_kind kind, struct buf *payload)
{
	session_append(t->session, (int)kind, payload);
	buf_finish(payload);
}

/* What the results of calls say that the end of the turn cut off. */
static void end_open_call(struct turn *t, const struct history_call *call)
{
	struct buf payload = {0};

	payload_put_tool_end(&payload, t->id,
	    &(struct tool_end){.name = call->name,
		.call_id = call->id,
		.result =
		    call->answer ? call->answer : "ended: the turn was cancelled or interrupted",
		.ok = call->answer != NULL});
	append(t, EVENT_TOOL_END, &payload);
}

void turn_take(struct turn *t, uint64_t seq, enum event_kind kind, struct str payload)
{
	/* What others queue meanwhile is of their own turns. */
	if (kind != EVENT_TURN_QUEUED && t->start_seq)
		history_take(t->history, seq, kind, payload);
}

static void save_message(struct turn *t, size_t i)
{
	struct session *s = t->session;

	store_item_add(
	    s->core->opts.store, s->row.num, t->first_message + i, history_item(t->history, i));
}

void turn_put_rest(struct turn *t)
{
	struct session *s = t->session;
	struct history_call call;

	for (size_t i = 0; i < t->open_count; i++) {
		struct buf payload = {0};

		payload_put_permission_resolved(
		    &payload, &(struct permission_resolved){.turn_id = t->id,
				  .request_id = t->open[i],
				  .decision = "deny",
				  .decided_by = "daemon",
				  .reason = "cancelled"});
		append(t, EVENT_PERMISSION_RESOLVED, &payload);
		store_permission_resolve(
		    s->core->opts.store, s->row.num, t->open[i], "deny", "daemon", NULL, NULL);
	}
	/* An end that is told closes the call: the next one is the first again. */
	for (size_t i = 0; history_open_call(t->history, i, &call);)
		if (call.started)
			end_open_call(t, &call);
		else
			i++;
}

void turn_save_messages(struct turn *t)
{
	struct session *s = t->session;
	size_t count = history_count(t->history);

	/* A turn that never started leaves nothing; the user's words were stored with its start. */
	if (!count)
		return;
	for (size_t i = 1; i < count; i++)
		save_message(t, i);
	s->row.message_count = t->first_message - 1 + count;
}

void turn_forget(struct turn *t)
{
	history_forget(t->history, log_durable(t->session->log));
	if (t->first_message)
		t->session->row.message_count =
		    t->first_message - 1 + (history_count(t->history) > 0);
}

/* --- beginning and ending --- */

/* turn.start and the user's message, once, when the turn has left the queue. */
static void begin(struct turn *t, const char *model, uint64_t context_tokens)
{
	struct session *s = t->session;
	struct buf payload = {0};

	if (t->start_seq)
		return;
	if (!history_knows(t->history, t->id)) {
		payload_put_queued(&payload, &t->names, 0, 0, t->content, t->content_len);
		history_take(t->history, t->queued_seq, EVENT_TURN_QUEUED,
		    (struct str){payload.p, payload.len});
		history_settle(t->history, t->queued_seq);
		buf_clear(&payload);
	}
	payload_put_start(&payload, &t->names, model, context_tokens);
	t->start_seq = log_last(s->log) + 1;
	session_append(s, EVENT_TURN_START, &payload);
	t->first_message = s->row.message_count + 1;
	save_message(t, 0);
	s->row.message_count = t->first_message;
	buf_finish(&payload);
}

/* Leave the running state; the caller appends the stop event. */
static void stop_running(struct turn *t)
{
	if (t->state == TURN_READING || t->state == TURN_ASKING)
		begin(t, t->session->row.model, 0);
	move(t, TURN_ENDING);
	model_ask_cancel(t->ask);
	t->ask = NULL;
	if (!t->round)
		return;
	round_cancel(t->round, &t->open, &t->open_count);
	round_free(t->round);
	t->round = NULL;
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
	permission_lost(t->session);
	turn_forget(t);
	if (t->state == TURN_ENDING)
		return;
	if (t->start_seq > log_durable(t->session->log))
		t->start_seq = 0;
	core_notice(t->session->core, LOG_ERROR,
	    "turn %s of session %s ends: its events could not be stored (%s)", t->id,
	    t->session->row.id, err_name(rc));
	turn_end_early(t, TURN_ERROR_STORAGE_FULL,
	    "the disk is full or cannot be written: free some space, then ask again");
}

/* --- the model's answer --- */

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
	if (log_unwritten(t->session->log) > LOG_PAUSE_BYTES && !t->paused) {
		t->paused = true;
		model_ask_read(t->ask, false);
	}
}

void turn_log_moved(struct turn *t, uint64_t seq)
{
	history_settle(t->history, seq);
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
	struct turn *t = data;

	/* Once is enough to know what is wrong with the server. */
	if (strcmp(phase, "model.spoken_call") == 0 && t->told_spoken)
		return;
	t->told_spoken |= strcmp(phase, "model.spoken_call") == 0;
	put_progress(t, phase, message);
}

/* The model that a snapshot shows from now on. */
static void note_answering(struct session *s, const char *model)
{
	if (strcmp(s->row.answered, model) == 0)
		return;
	free(s->row.answered);
	s->row.answered = mem_strdup(model);
	store_session_answered(s->core->opts.store, s->row.num, model);
}

/* The prompt as things are now. 0, or ERR_LIMIT when it does not fit. */
static int make_prompt(struct turn *t)
{
	struct buf workspace = {0};
	int rc;

	session_workspace(t->session, &workspace);
	prompt_finish(&t->prompt);
	rc = prompt_make(&t->prompt,
	    &(struct prompt_opts){.config = t->session->core->opts.config,
		.context_tokens = t->context_tokens,
		.mode = t->mode,
		.workspace = buf_cstr(&workspace),
		.past = t->past,
		.past_count = t->past_count,
		.turn = t->history,
		.tools_len = t->tools.len,
		.bytes_per_1000_tokens = model_server_bytes_per_1000(t->server, t->model),
		.max_bytes = t->max_bytes,
		.front = &t->front});
	buf_finish(&workspace);
	return rc;
}

/* The front moved: for a person, and for the turns to come. */
static void tell_trimmed(struct turn *t)
{
	const struct prompt *p = &t->prompt;
	char message[200];
	int n = 0;

	if (p->dropped_messages)
		n = snprintf(message, sizeof message,
		    "%zu oldest messages (%zu turns) were left out to fit the model's context",
		    p->dropped_messages, p->dropped_turns);
	if (p->shortened)
		snprintf(message + n, sizeof message - (size_t)n,
		    "%s%zu old tool results were shortened to fit the model's context",
		    n ? "; " : "", p->shortened);
	if (!p->dropped_messages && !p->shortened)
		return;
	t->session->row.front_message = t->past_left_out + t->front.first + 1;
	store_session_front(
	    t->session->core->opts.store, t->session->row.num, t->session->row.front_message);
	put_progress(t, "context.trimmed", message);
}

static bool on_ready(void *data, const char *model, uint64_t context_tokens)
{
	struct turn *t = data;
	const char *label = model_server_label(t->server);
	struct buf shown = {0};

	free(t->model);
	t->model = mem_strdup(model);
	t->context_tokens = context_tokens;
	if (label[0])
		buf_addf(&shown, "%s/", label);
	buf_adds(&shown, model);
	note_answering(t->session, buf_cstr(&shown));
	begin(t, buf_cstr(&shown), context_tokens);
	buf_finish(&shown);
	if (make_prompt(t) != 0)
		return false;
	tell_trimmed(t);
	return true;
}

static void on_prompt(void *data, struct put *put)
{
	struct turn *t = data;

	/* Its items may have moved since. */
	make_prompt(t);
	put->system = buf_cstr(&t->prompt.system);
	put->items = t->prompt.items;
	put->count = t->prompt.count;
}

/* The server's own count is the one that counts: half of what was sent, if the past allows it. */
static bool on_overflow(void *data)
{
	struct turn *t = data;
	uint64_t before = t->prompt.bytes;

	t->max_bytes = before / 2;
	make_prompt(t);
	tell_trimmed(t);
	return t->prompt.bytes < before;
}

static void on_no_ws(void *data)
{
	struct turn *t = data;
	struct core *core = t->session->core;
	char name[300];

	core_note_no_ws(core, t->session->row.id);
	model_server_name(t->server, name, sizeof name);
	core_notice(core, LOG_INFO, "no WebSocket at the model server %s: session %s uses SSE",
	    name, t->session->row.id);
}

static void on_preflight_failed(void *data, const char *why)
{
	struct turn *t = data;

	core_notice(t->session->core, LOG_ERROR, "lmx preflight failed: %s", why);
}

static void ask(struct turn *t);

static void fail(struct turn *t, const char *code, const char *message)
{
	struct buf payload = {0};

	payload_put_error(&payload, &t->names, message, code);
	end(t, EVENT_TURN_ERROR, &payload);
}

/* --- tools --- */

static int64_t max_calls(const struct turn *t)
{
	return t->overrides.max_tool_calls
		   ? t->overrides.max_tool_calls
		   : config_int(t->session->core->opts.config, "agent.maxToolCalls");
}

/* "the limit of 30 tool calls …: 12 x read_file, 18 x run_command" */
static void stop_at_limit(struct turn *t)
{
	struct buf text = {0};
	bool first = true;

	buf_addf(&text,
	    "the limit of %lld tool calls in one turn was reached (agent.maxToolCalls):",
	    (long long)max_calls(t));
	for (size_t i = 0; tools[i] && t->used; i++) {
		if (!t->used[i])
			continue;
		buf_addf(&text, "%s %u x %s", first ? "" : ",", t->used[i], tools[i]->name);
		first = false;
	}
	buf_adds(&text, "; say \"go on\" to let it continue");
	fail(t, TURN_ERROR_TOOL_LIMIT, buf_cstr(&text));
	buf_finish(&text);
}

static void count_call(struct turn *t, const char *name)
{
	size_t count = 0;

	while (tools[count])
		count++;
	if (!t->used)
		t->used = mem_zalloc(count, sizeof *t->used);
	t->calls++;
	for (size_t i = 0; i < count; i++)
		t->used[i] += strcmp(tools[i]->name, name) == 0;
}

static void on_round_done(void *data)
{
	struct turn *t = data;
	struct round *round = t->round;

	t->round = NULL;
	round_free(round);
	if (t->calls >= max_calls(t)) {
		stop_at_limit(t);
		return;
	}
	ask(t);
}

static void start_round(struct turn *t, const struct model_result *result)
{
	size_t left = (size_t)(max_calls(t) - t->calls),
	       count = result->call_count < left ? result->call_count : left;

	char server[300];

	move(t, TURN_CALLING);
	model_server_name(t->server, server, sizeof server);
	for (size_t i = 0; i < count; i++)
		count_call(t, result->calls[i].name);
	t->round = round_start(&(struct round_opts){.session = t->session,
	    .names = &t->names,
	    .overrides = &t->overrides,
	    .calls = result->calls,
	    .count = count,
	    .dropped = result->call_count - count,
	    .server = server,
	    .dialect = result->dialect,
	    .model = t->model,
	    .parts = result->parts,
	    .answer = ++t->answers,
	    .on_done = on_round_done,
	    .data = t});
}

static bool want_tool(void *data, const struct tool *tool)
{
	const struct turn *t = data;

	/* Without a workspace the others have nothing to work on; a model that calls one all the
	 * same is told so. */
	if (tool->kind != TOOL_QUESTION && !t->has_workspace)
		return false;
	return !rules_never(t->session->core->opts.config, t->mode, &t->overrides, tool);
}

/* --- the end of an answer --- */

static void on_answered(void *data, const struct model_result *result)
{
	struct turn *t = data;
	uint64_t now = clock_mono_us();
	struct turn_stats stats = {.tool_calls = t->calls,
	    .elapsed_ms = (now - t->begun_us) / 1000,
	    .first_token_ms = t->first_us ? (t->first_us - t->begun_us) / 1000 : 0};
	struct buf payload = {0};

	t->ask = NULL;
	t->has_usage |= result->has_usage;
	t->prompt_tokens += result->prompt_tokens;
	t->completion_tokens += result->completion_tokens;
	if (result->has_usage && !result->continued && t->model)
		model_server_note_tokens(
		    t->server, t->model, t->prompt.bytes, result->prompt_tokens);
	t->dropped = result->dropped;
	if (result->code) {
		fail(t, result->code, result->message);
	} else if (result->call_count) {
		start_round(t, result);
	} else {
		stats.completion_tokens = t->has_usage ? t->completion_tokens : t->deltas;
		stats.tokens = stats.completion_tokens;
		stats.prompt_tokens = t->prompt_tokens;
		stats.context_tokens = result->prompt_tokens + result->completion_tokens;
		payload_put_done(&payload, &t->names, result->finish_reason, &stats);
		end(t, EVENT_TURN_DONE, &payload);
	}
}

/*
 * Which server is asked for which model: the one the session names itself, else the one the model's
 * name means. NULL: too many are named.
 */
static struct model_server *server_of(const struct session *s, const char **ret_model)
{
	const struct config *config = s->core->opts.config;
	json_t *metadata = NULL;
	struct model_server *server;
	const char *device;

	*ret_model = s->row.model[0] ? s->row.model : config_text(config, "model.default");
	json_parse(s->row.metadata, strlen(s->row.metadata), &metadata, NULL);
	device = json_cstr(metadata, "device", "");
	server = device[0] ? model_servers_device(s->core->servers, device)
			   : model_servers_of(s->core->servers, *ret_model, ret_model);
	json_decref(metadata);
	return server;
}

static void ask(struct turn *t)
{
	struct session *s = t->session;
	const struct config *config = s->core->opts.config;
	const char *model;

	if (t->state != TURN_ASKING)
		move(t, TURN_ASKING);
	buf_clear(&t->tools);
	t->has_workspace = session_workspace(s, NULL);
	t->server = server_of(s, &model);
	if (!t->server) {
		fail(t, TURN_ERROR_UNREACHABLE,
		    "too many sessions name model servers of their own (metadata.device)");
		return;
	}
	tool_put_all(&t->tools, want_tool, t);
	t->ask = model_ask_start(s->core->opts.loop,
	    &(struct model_ask_opts){.server = t->server,
		.model = model,
		.tools = t->tools.len ? buf_cstr(&t->tools) : NULL,
		.max_tokens = (uint64_t)config_int(config, "model.maxTokens"),
		.context_tokens = (uint64_t)config_int(config, "model.contextTokens"),
		.keep_alive = config_text(config, "model.keepAlive"),
		.first_token_ms = (uint64_t)config_int(config, "model.firstTokenTimeoutMs"),
		.idle_ms = (uint64_t)config_int(config, "model.idleTimeoutMs"),
		.no_ws = core_lacks_ws(s->core, s->row.id),
		.dropped = t->dropped,
		.on_ready = on_ready,
		.on_prompt = on_prompt,
		.on_overflow = on_overflow,
		.on_text = on_text,
		.on_progress = on_progress,
		.on_no_ws = on_no_ws,
		.on_preflight_failed = on_preflight_failed,
		.on_end = on_answered,
		.data = t});
}

static void on_past(void *data, int rc, struct item *items, size_t count, uint64_t left_out)
{
	struct turn_read *read = data;
	struct turn *t = read->turn;

	free(read);
	if (t)
		t->read = NULL;
	if (!t || t->state != TURN_READING) {
		free_items(items, count);
		return;
	}
	if (rc != 0) {
		free_items(items, count);
		turn_end_early(t, TURN_ERROR_INTERRUPTED,
		    "the session's history cannot be read from the disk");
		return;
	}
	t->past = items;
	t->past_count = count;
	t->past_left_out = left_out;
	if (t->session->row.front_message > left_out + 1)
		t->front.first = (size_t)(t->session->row.front_message - left_out - 1);
	if (t->front.first > count)
		t->front.first = count;
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
	store_items_load(s->core->opts.store, s->row.num, TURN_PAST_BYTES, on_past, t->read);
}
