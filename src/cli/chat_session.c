/* What chat asks of the daemon, and the session it is in. */
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/json.h"
#include "cli/chat.h"
#include "cli/client_call.h"
#include "cli/cmd.h"
#include "cli/transcript.h"

enum {
	CHAT_REQUEST_MS = 10000,
	CHAT_SHOWN = 6, /* messages shown when a session is resumed */
};

/* --- requests --- */

static void on_chat_answered(void *data, int status, struct buf *out, const struct err *err)
{
	struct chat *c = data;
	chat_then *then = c->then;
	struct err why = *err;
	json_t *root = client_parse_answer(status, out, &why);

	c->call = NULL;
	c->then = NULL;
	if (!root)
		chat_warn(c, "%s", why.text);
	then(c, root);
	json_decref(root);
	chat_touch(c);
}

bool chat_ask(struct chat *c, const char *method, const char *target, const char *body, int ms,
    chat_then *then)
{
	if (c->call) {
		snprintf(c->hint, sizeof c->hint,
		    "the daemon has not answered yet; Ctrl+C stops waiting for it");
		return false;
	}
	c->then = then;
	c->call = client_call_start(&c->loop, &(struct client_call_opts){.client = &c->client,
						  .method = method,
						  .target = target,
						  .body = body,
						  .ms = ms ? ms : CHAT_REQUEST_MS,
						  .on_done = on_chat_answered,
						  .data = c});
	return true;
}

void chat_ask_no_more(struct chat *c)
{
	client_call_cancel(c->call);
	c->call = NULL;
	c->then = NULL;
}

/* A command over the session's own connection. */
static void send_command(struct chat *c, const struct buf *json)
{
	if (!follow_send(c->follow, json->p, json->len))
		snprintf(c->hint, sizeof c->hint,
		    "not connected to the daemon just now: try again in a moment");
}

static void cancel_turns(struct chat *c, const char *turn)
{
	struct buf json = {0};

	buf_adds(&json, "{\"type\":\"turn.cancel\",\"sessionId\":");
	json_put_cstr(&json, c->session);
	if (turn) {
		buf_adds(&json, ",\"turnId\":");
		json_put_cstr(&json, turn);
	}
	buf_addc(&json, '}');
	send_command(c, &json);
	buf_finish(&json);
}

void chat_cancel(struct chat *c)
{
	if (c->turn[0])
		cancel_turns(c, c->turn);
}

void chat_cancel_all(struct chat *c)
{
	cancel_turns(c, NULL);
}

void chat_answer(struct chat *c, bool allow, bool remember, const char *answer)
{
	struct buf json = {0};

	buf_adds(&json, "{\"type\":\"permission.resolve\",\"sessionId\":");
	json_put_cstr(&json, c->session);
	buf_addf(&json,
	    ",\"requestId\":\"%s\",\"decision\":\"%s\",\"decidedBy\":\"%s\",\"remember\":%s",
	    c->asked, allow ? "allow" : "deny", c->client_id, remember ? "true" : "false");
	if (answer) {
		buf_adds(&json, ",\"answer\":");
		json_put_cstr(&json, answer);
	}
	buf_addc(&json, '}');
	send_command(c, &json);
	buf_finish(&json);
}

/* --- the session --- */

static void on_chat_up(void *data)
{
	struct chat *c = data;

	c->down = false;
	chat_resend(c);
	chat_touch(c);
}

static void on_chat_down(void *data)
{
	struct chat *c = data;

	c->down = true;
	chat_note(c, "Connection interrupted, reconnecting...");
	chat_touch(c);
}

static void on_chat_lost(void *data, const char *why)
{
	struct chat *c = data;

	chat_end_text(c);
	chat_warn(c, "%s", why);
	chat_leave(c, EXIT_ERROR);
}

/*
 * Where the log is read from: the first turn.queued of a turn that has not ended, so that all of
 * it is seen that a client that never left has seen; the end when there is none.
 */
static uint64_t first_seq(const json_t *root, uint64_t last)
{
	const json_t *turns = json_object_get(root, "openTurns"), *one;
	uint64_t first = last;
	size_t i;

	json_array_foreach (turns, i, one) {
		uint64_t queued = (uint64_t)json_int(one, "queuedSeq", 0);

		if (queued && queued - 1 < first)
			first = queued - 1;
	}
	return first;
}

/* The messages before the running turn: its own are in the events that are read again. */
static void show_history(struct chat *c, const json_t *root)
{
	const json_t *first = json_array_get(json_object_get(root, "openTurns"), 0);
	json_t *messages = json_object_get(root, "messages");
	struct buf lines = {0};

	if (json_int(first, "startSeq", 0) > 0 && json_array_size(messages))
		json_array_remove(messages, json_array_size(messages) - 1);
	chat_note(c, "session %s  %.200s", c->session, json_cstr(root, "title", ""));
	transcript_put_messages(&lines, &c->view, root, false, CHAT_SHOWN);
	page_add_lines(&c->page, lines.p, lines.len);
	buf_finish(&lines);
}

static void enter_session(struct chat *c, const json_t *root)
{
	uint64_t last = (uint64_t)json_int(root, "lastSeq", 0);

	/* What was said before there was a session is for the first one. */
	if (c->follow)
		chat_forget_turn(c);
	follow_stop(c->follow);
	snprintf(c->session, sizeof c->session, "%s", json_cstr(root, "id", c->wanted));
	snprintf(c->model, sizeof c->model, "%s", json_cstr(root, "model", ""));
	c->context_used = 0;
	c->replay_until = last;
	json_decref(c->open_turns);
	c->open_turns = json_incref(json_object_get(root, "openTurns"));
	if (c->show_history)
		show_history(c, root);
	c->follow = follow_start(&(struct follow_opts){.loop = &c->loop,
	    .client = &c->client,
	    .session = c->session,
	    .seq = first_seq(root, last),
	    .on_event = chat_on_event,
	    .on_frame = chat_on_frame,
	    .on_up = on_chat_up,
	    .on_down = on_chat_down,
	    .on_lost = on_chat_lost,
	    .data = c});
}

/* Without a session there is nothing to chat in. */
static void stay_or_leave(struct chat *c)
{
	if (!c->follow)
		chat_leave(c, EXIT_ERROR);
}

static void then_enter(struct chat *c, const json_t *root)
{
	if (root)
		enter_session(c, root);
	else
		stay_or_leave(c);
}

static void read_chat_session(struct chat *c, const char *id)
{
	struct buf target = {0};

	snprintf(c->wanted, sizeof c->wanted, "%s", id);
	buf_addf(&target, "/v3/sessions/%s", c->wanted);
	chat_ask(c, "GET", buf_cstr(&target), NULL, 0, then_enter);
	buf_finish(&target);
}

static void then_read(struct chat *c, const json_t *root)
{
	char id[72];

	if (client_match_session(root, c->wanted, id, c->hint, sizeof c->hint) == 0)
		read_chat_session(c, id);
	else
		stay_or_leave(c);
}

void chat_go_to(struct chat *c, const char *id, bool show)
{
	struct buf target = {0};

	client_put_session_query(id, &target);
	if (chat_ask(c, "GET", buf_cstr(&target), NULL, 0, then_read)) {
		snprintf(c->wanted, sizeof c->wanted, "%s", id);
		c->show_history = show;
	}
	buf_finish(&target);
}

static void then_go_on(struct chat *c, const json_t *root)
{
	const char *id = json_cstr(root, "id", "");

	if (!root) {
		stay_or_leave(c);
		return;
	}
	if (c->compacting)
		chat_note(c,
		    "the conversation goes on in %s with this summary; /resume %s goes back", id,
		    c->session);
	else if (c->follow)
		chat_note(c, "a new session: %s", id);
	c->compacting = false;
	read_chat_session(c, id);
}

void chat_begin_session(struct chat *c, const char *model, const char *device, const char *messages)
{
	struct buf body = {0};
	char cwd[4096];

	buf_adds(&body, "{\"metadata\":{");
	if (getcwd(cwd, sizeof cwd)) {
		buf_adds(&body, "\"workspace\":");
		json_put_cstr(&body, cwd);
	}
	if (device) {
		buf_addf(&body, "%s\"device\":", body.len > 13 ? "," : "");
		json_put_cstr(&body, device);
	}
	buf_addc(&body, '}');
	if (model && model[0]) {
		buf_adds(&body, ",\"model\":");
		json_put_cstr(&body, model);
	}
	if (messages)
		buf_addf(&body, ",\"messages\":%s", messages);
	buf_addc(&body, '}');
	if (chat_ask(c, "POST", "/v3/sessions", buf_cstr(&body), 0, then_go_on))
		c->show_history = false;
	buf_finish(&body);
}
