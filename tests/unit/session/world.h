#ifndef UNIT_SESSION_WORLD_H
#define UNIT_SESSION_WORLD_H

/*
 * The session floor with everything below it, on a loop of its own: a store in
 * unit_dir, a core, and a model server in the same process that says what the
 * test tells it to.
 */

#include <uv.h>

#include "base/buf.h"
#include "base/config.h"
#include "base/err.h"
#include "base/mem.h"
#include "net/http_conn.h"
#include "net/listener.h"
#include "protocol/envelope.h"
#include "protocol/requests.h"
#include "session/core.h"
#include "session/recovery.h"
#include "session/roster.h"
#include "session/session.h"
#include "session/turn.h"
#include "store/log.h"
#include "store/segment.h"
#include "store/store.h"
#include "unit.h"

/* --- the model server --- */

enum fake_mood {
	FAKE_ANSWERS, /* "one " "two " "three", done */
	FAKE_WAITS,   /* "one ", and the rest when fake_go_on is called */
	FAKE_SILENT,  /* the head of a stream, and nothing more */
	FAKE_REFUSES, /* 400 */
	FAKE_EMPTY,   /* no model is loaded */
	FAKE_CHANGES, /* while it is asked what it has loaded, the settings lose it */
};

struct fake_conn {
	struct http_conn *http;
	struct list link;
	struct buf body, path;
};

struct fake {
	struct listener *listener;
	enum fake_mood mood;
	struct list conns;
	struct fake_conn *stream; /* the answer under way, or NULL */
	unsigned asked;		  /* questions that came */
	bool cut;		  /* the asker left within an answer */
	struct buf question;	  /* the last one's body */
};

static struct world {
	uv_loop_t loop;
	uv_timer_t alive; /* the store's handles alone do not keep a loop turning */
	struct config *config;
	struct store *store;
	struct store_stats stats;
	struct core *core;
	struct fake fake;
	struct buf notices;
	char artifacts[128];
	struct session *session; /* owned reference: what world_session made */
} * w;

static void fake_free(struct fake_conn *c)
{
	if (w->fake.stream == c)
		w->fake.stream = NULL;
	list_remove(&c->link);
	buf_finish(&c->body);
	buf_finish(&c->path);
	free(c);
}

static void fake_say(struct fake_conn *c, const char *text)
{
	struct buf out = {0};

	buf_addf(&out, "data: {\"choices\":[{\"delta\":{\"content\":\"%s\"}}]}\n\n", text);
	http_conn_send(c->http, out.p, out.len);
	buf_finish(&out);
}

static void fake_done(struct fake_conn *c)
{
	static const char last[] =
	    "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";

	http_conn_send(c->http, last, sizeof last - 1);
	http_conn_finish(c->http);
	fake_free(c);
}

/* The rest of an answer that waits. */
__attribute__((unused)) static void fake_go_on(void)
{
	assert_non_null(w->fake.stream);
	fake_say(w->fake.stream, "two ");
	fake_say(w->fake.stream, "three");
	fake_done(w->fake.stream);
}

static void fake_reply(struct fake_conn *c, int status, const char *json)
{
	struct http_reply head = {.status = status, .type = "application/json", .close = true};

	http_conn_reply(c->http, &head, json, strlen(json));
	http_conn_finish(c->http);
	fake_free(c);
}

static void fake_chat(struct fake_conn *c)
{
	static const char head[] = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
				   "Connection: close\r\n\r\n";

	w->fake.asked++;
	buf_clear(&w->fake.question);
	buf_add(&w->fake.question, c->body.p, c->body.len);
	if (w->fake.mood == FAKE_REFUSES) {
		fake_reply(c, 400, "{\"error\":{\"message\":\"not like this\"}}");
		return;
	}
	http_conn_streaming(c->http, false);
	http_conn_send(c->http, head, sizeof head - 1);
	w->fake.stream = c;
	if (w->fake.mood == FAKE_SILENT)
		return;
	fake_say(c, "one ");
	if (w->fake.mood == FAKE_ANSWERS)
		fake_go_on();
}

static enum http_verdict fake_on_head(void *data, const struct http_head *head)
{
	struct fake_conn *c = data;

	buf_clear(&c->path);
	buf_add(&c->path, head->target.p, head->target.n);
	return HTTP_GO_ON;
}

static bool fake_on_body(void *data, const char *p, size_t n)
{
	buf_add(&((struct fake_conn *)data)->body, p, n);
	return true;
}

static void fake_change(struct fake_conn *c)
{
	/* No host of that form. */
	assert_int_equal(config_set(w->config, "connection.host", "https://", NULL), 0);
	core_configure(w->core, w->config);
	fake_reply(c, 200, "{}");
}

static void fake_on_request(void *data)
{
	struct fake_conn *c = data;
	const char *path = buf_cstr(&c->path);

	if (strcmp(path, "/v1/chat/completions") == 0)
		fake_chat(c);
	else if (strcmp(path, "/readyz") != 0)
		fake_reply(c, 404, "{}");
	else if (w->fake.mood == FAKE_EMPTY)
		fake_reply(c, 503, "{\"error\":\"no-model-loaded\"}");
	else if (w->fake.mood == FAKE_CHANGES)
		fake_change(c);
	else
		fake_reply(c, 200, "{\"status\":\"ready\",\"model\":\"fake\"}");
}

static void fake_on_bad(void *data, const char *reason, bool too_large)
{
	fail_msg("the fake model server was sent nonsense: %s", reason);
}

static void fake_on_gone(void *data)
{
	struct fake_conn *c = data;

	w->fake.cut |= w->fake.stream == c;
	http_conn_close(c->http);
	fake_free(c);
}

static void fake_nothing(void *data)
{
}

static const struct http_conn_ops fake_ops = {.on_head = fake_on_head,
    .on_body = fake_on_body,
    .on_request = fake_on_request,
    .on_bad = fake_on_bad,
    .on_writable = fake_nothing,
    .on_timer = fake_nothing,
    .on_gone = fake_on_gone};

static void fake_on_accept(void *data, int fd, bool last)
{
	struct fake_conn *c = mem_zalloc(1, sizeof *c);

	list_append(&w->fake.conns, &c->link);
	c->http = http_conn_new(&w->loop, fd, &fake_ops, c);
	assert_non_null(c->http);
}

static void fake_open(void)
{
	struct err err;

	list_init(&w->fake.conns);
	if (listener_new(&w->loop, "127.0.0.1", 0, fake_on_accept, NULL, &w->fake.listener, &err) !=
	    0)
		fail_msg("%s", err.text);
}

static void fake_close(void)
{
	listener_close(w->fake.listener);
	list_each_safe (l, &w->fake.conns) {
		struct fake_conn *c = list_entry(l, struct fake_conn, link);

		http_conn_close(c->http);
		fake_free(c);
	}
	buf_finish(&w->fake.question);
}

/* --- the world --- */

static void world_alive(uv_timer_t *timer)
{
}

/* Turn the loop until the condition holds, at most twenty seconds. */
#define run_until(condition)                                                                       \
	do {                                                                                       \
		uint64_t until_ = uv_hrtime() + 20000000000ull;                                    \
		while (!(condition) && uv_hrtime() < until_)                                       \
			uv_run(&w->loop, UV_RUN_NOWAIT);                                           \
		if (!(condition))                                                                  \
			fail_msg("waited in vain for %s", #condition);                             \
	} while (0)

static void world_notice(void *data, enum log_level level, const char *text)
{
	buf_adds(&w->notices, text);
	buf_addc(&w->notices, '\n');
}

/* Open store and core on what is in unit_dir. */
static void world_open(void)
{
	struct err err;

	if (store_open(
		&w->loop, unit_dir, "daemon_a", recovery_end_turn, &w->store, &w->stats, &err) != 0)
		fail_msg("%s", err.text);
	snprintf(w->artifacts, sizeof w->artifacts, "%s/artifacts", unit_dir);
	w->core = core_new(&(struct core_opts){.loop = &w->loop,
	    .store = w->store,
	    .stats = &w->stats,
	    .config = w->config,
	    .daemon_id = "daemon_a",
	    .tool_program = "/nowhere/optad", /* no session has a workspace, so no tool runs */
	    .home = unit_dir,
	    .artifacts = w->artifacts,
	    .on_notice = world_notice});
}

/* End all turns, close; nothing may be left in memory. */
static void world_close(void)
{
	core_stop(w->core, 0, NULL, NULL);
	run_until(w->core->busy == 0);
	if (w->session)
		session_unref(w->session);
	w->session = NULL;
	run_until(w->core->sessions.len == 0);
	store_close(w->store);
	core_free(w->core);
}

/* A setup function. */
static int world_setup(void **state)
{
	char port[16];

	unit_make_dir(state);
	w = mem_zalloc(1, sizeof *w);
	uv_loop_init(&w->loop);
	uv_timer_init(&w->loop, &w->alive);
	uv_timer_start(&w->alive, world_alive, 1000000, 0);
	fake_open();
	w->config = config_new();
	snprintf(port, sizeof port, "%d", listener_port(w->fake.listener));
	assert_int_equal(config_set(w->config, "connection.host", "127.0.0.1", NULL), 0);
	assert_int_equal(config_set(w->config, "connection.port", port, NULL), 0);
	world_open();
	return 0;
}

/* Its teardown: no handle may be left on the loop. */
static int world_teardown(void **state)
{
	world_close();
	fake_close();
	uv_close((uv_handle_t *)&w->alive, NULL);
	uv_run(&w->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&w->loop), 0);
	config_free(w->config);
	buf_finish(&w->notices);
	free(w);
	return unit_remove_dir(state);
}

#define with_world(test) cmocka_unit_test_setup_teardown(test, world_setup, world_teardown)

/* --- making and doing --- */

/* What a callback of the roster or of a session said. */
struct told {
	unsigned times;
	enum api_error error;
	struct session *session; /* owned reference, or NULL */
};

__attribute__((unused)) static void on_told(void *data, enum api_error error, struct session *s)
{
	struct told *t = data;

	t->times++;
	t->error = error;
	if (t->session)
		session_unref(t->session);
	t->session = s ? session_ref(s) : NULL;
}

__attribute__((unused)) static void told_finish(struct told *t)
{
	if (t->session)
		session_unref(t->session);
	*t = (struct told){0};
}

/* Make the session `id` and hold it as w->session. */
__attribute__((unused)) static struct session *world_session(const char *id)
{
	struct told told = {0};

	roster_create(w->core, &(struct request_session){.session_id = id}, on_told, &told);
	run_until(told.times);
	assert_int_equal(told.error, API_OK);
	if (w->session)
		session_unref(w->session);
	w->session = told.session;
	/* No WebSocket at the fake: straight to SSE. */
	core_note_no_ws(w->core, id);
	return w->session;
}

/* Let go of w->session and load `id` anew from the database. */
__attribute__((unused)) static struct session *world_reload(const char *id)
{
	struct told told = {0};

	session_unref(w->session);
	w->session = NULL;
	run_until(w->core->sessions.len == 0);
	roster_get(w->core, id, on_told, &told);
	run_until(told.times);
	assert_int_equal(told.error, API_OK);
	w->session = told.session;
	return w->session;
}

/* What the callback of a submit said. */
struct submitted {
	unsigned times;
	enum api_error error;
	char turn_id[32], sentence[256];
	uint64_t queued, durable; /* durable: the log's end at that moment */
};

__attribute__((unused)) static void on_submitted(void *data, const struct submit_result *r)
{
	struct submitted *s = data;

	s->times++;
	s->error = r->error;
	snprintf(s->turn_id, sizeof s->turn_id, "%s", r->turn_id ? r->turn_id : "");
	snprintf(s->sentence, sizeof s->sentence, "%s", r->sentence ? r->sentence : "");
	s->queued = r->queued;
	s->durable = w->session ? session_last_seq(w->session) : 0;
}

/* A submit of writer "w", with what else is given. */
#define SUBMIT(s, text, told, ...)                                                                 \
	session_submit((s),                                                                        \
	    &(struct request_turn){.content = (text),                                              \
		.content_len = strlen(text),                                                       \
		.client_id = "c",                                                                  \
		.writer_id = "w",                                                                  \
		.mode = "chat",                                                                    \
		__VA_ARGS__},                                                                      \
	    on_submitted, (told))

/* Submit and wait for the yes. */
__attribute__((unused)) static struct submitted world_submit(const char *text)
{
	struct submitted told = {0};

	SUBMIT(w->session, text, &told);
	run_until(told.times);
	assert_int_equal(told.error, API_OK);
	return told;
}

static int world_run_full(struct db *db, struct store_job *job)
{
	return ERR_FULL;
}

static void world_done_full(struct store_job *job, int rc)
{
	free(job);
}

/* The disk is full for what goes to the writer in this turn of the loop. */
__attribute__((unused)) static void world_fail_batch(void)
{
	struct store_job *full = mem_zalloc(1, sizeof *full);

	full->run = world_run_full;
	full->done = world_done_full;
	store_write(w->store, full);
}

static uv_sem_t world_held; /* the writer waits for it */
static int world_held_rc;

static int world_run_held(struct db *db, struct store_job *job)
{
	uv_sem_wait(&world_held);
	return world_held_rc;
}

/* The writer is busy, and all that is submitted waits, until world_let_go. */
__attribute__((unused)) static void world_hold_writer(void)
{
	struct store_job *held = mem_zalloc(1, sizeof *held);

	uv_sem_init(&world_held, 0);
	held->run = world_run_held;
	held->done = world_done_full;
	store_write(w->store, held);
	/* It is handed over before the loop polls. */
	uv_run(&w->loop, UV_RUN_NOWAIT);
}

/* rc not 0: what the writer held, and all that was submitted since, fails with it. */
__attribute__((unused)) static void world_let_go(int rc)
{
	world_held_rc = rc;
	uv_sem_post(&world_held);
}

/* --- reading the log --- */

/* Append the names of the durable events from seq `from` on to out, each with a blank after it. */
__attribute__((unused)) static const char *world_events(uint64_t from, struct buf *out)
{
	buf_clear(out);
	for (uint64_t seq = from; seq <= session_last_seq(w->session); seq++) {
		struct segment *s = log_tail(w->session->log, seq);
		struct envelope_view view;
		struct str json;
		size_t at;

		assert_non_null(s);
		at = segment_find(s, seq);
		assert_true(envelope_frame(s->bytes + at, s->len - at, &json));
		assert_true(envelope_view(json, &view));
		assert_int_equal(view.seq, seq);
		buf_adds(out, event_name(view.kind));
		buf_addc(out, ' ');
	}
	return buf_cstr(out);
}

/* The payload of event seq as text, until the next call. */
__attribute__((unused)) static const char *world_payload(uint64_t seq)
{
	static char text[4096];
	struct segment *s = log_tail(w->session->log, seq);
	struct envelope_view view;
	struct str json;
	size_t at;

	assert_non_null(s);
	at = segment_find(s, seq);
	assert_true(envelope_frame(s->bytes + at, s->len - at, &json));
	assert_true(envelope_view(json, &view));
	snprintf(text, sizeof text, "%.*s", (int)view.payload.n, view.payload.p);
	return text;
}

#endif
