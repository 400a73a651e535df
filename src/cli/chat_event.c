/* What chat makes of the session's events. */
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "cli/chat.h"

/* When something happened, in our monotonic time: what is read again happened earlier. */
static uint64_t event_us(const struct envelope_view *e)
{
	int64_t age_ms = clock_wall_ms() - e->ts_ms;

	return clock_mono_us() - (age_ms > 0 ? (uint64_t)age_ms * 1000 : 0);
}

static void fold_thinking(struct chat *c, uint64_t now_us)
{
	if (!c->thinking_us)
		return;
	chat_note(c, "∴ thought for %.1f s",
	    now_us > c->thinking_us ? (double)(now_us - c->thinking_us) / 1e6 : 0.0);
	buf_finish(&c->thinking);
	c->thinking_us = 0;
}

void chat_end_text(struct chat *c)
{
	fold_thinking(c, clock_mono_us());
	page_end_text(&c->page);
}

static void free_chat_call(struct chat_call *call)
{
	free(call->id);
	free(call->name);
	free(call->args);
}

/* No request is open any more; what was being typed for it, or before it, stays typed. */
static void close_request(struct chat *c)
{
	c->asked[0] = '\0';
	json_decref(c->request);
	c->request = NULL;
	if (c->consent.open)
		c->hint[0] = '\0';
	c->consent = (struct consent){0};
	if (c->reason && !c->edit.text.len)
		edit_set(&c->edit, c->draft.p, c->draft.len);
	c->reason = false;
	buf_clear(&c->draft);
}

static void chat_end_turn(struct chat *c)
{
	chat_end_text(c);
	for (size_t i = 0; i < c->call_count; i++)
		free_chat_call(&c->calls[i]);
	c->call_count = 0;
	c->turn[0] = '\0';
	close_request(c);
}

void chat_forget_turn(struct chat *c)
{
	chat_end_turn(c);
	chat_queue_clear(c);
}

/* --- tools --- */

static void on_chat_call(struct chat *c, const json_t *payload, uint64_t now_us)
{
	/* Read again later, it has thought no longer. */
	fold_thinking(c, now_us);
	chat_end_text(c);
	if (c->call_count == CHAT_MAX_RUNNING)
		return;
	c->calls[c->call_count++] =
	    (struct chat_call){.id = mem_strdup(json_cstr(payload, "callId", "")),
		.name = mem_strdup(json_cstr(payload, "toolName", "?")),
		.args = mem_strdup(json_cstr(payload, "args", "{}")),
		.since_us = now_us};
}

static void on_chat_called(struct chat *c, const json_t *payload)
{
	const char *id = json_cstr(payload, "callId", "");
	struct buf lines = {0};
	size_t i = 0;

	while (i < c->call_count && strcmp(c->calls[i].id, id) != 0)
		i++;
	view_put_tool(&lines, &c->view, i < c->call_count ? c->calls[i].args : "{}", payload);
	chat_end_text(c);
	page_add_lines(&c->page, lines.p, lines.len);
	buf_finish(&lines);
	if (i == c->call_count)
		return;
	free_chat_call(&c->calls[i]);
	memmove(&c->calls[i], &c->calls[i + 1], (c->call_count - i - 1) * sizeof c->calls[0]);
	c->call_count--;
}

/* --- permissions --- */

static void on_chat_request(struct chat *c, const json_t *payload)
{
	const char *tool = json_cstr(payload, "toolName", "");

	close_request(c);
	snprintf(c->asked, sizeof c->asked, "%s", json_cstr(payload, "requestId", ""));
	c->request = json_incref((json_t *)(uintptr_t)payload);
	c->question = strcmp(tool, "ask_user") == 0;
	c->consent.command = strcmp(tool, "run_command") == 0 || strcmp(tool, "bg_start") == 0;
	chat_show_request(c);
}

static void on_chat_resolved(struct chat *c, const json_t *payload)
{
	const char *by = json_cstr(payload, "decidedBy", "?"),
		   *reason = json_cstr(payload, "reason", "");
	bool allow = strcmp(json_cstr(payload, "decision", ""), "allow") == 0;

	if (strcmp(json_cstr(payload, "requestId", ""), c->asked) != 0)
		return;
	close_request(c);
	if (strcmp(reason, "client") != 0)
		chat_note(c, "denied: %s", reason);
	else if (strcmp(by, c->client_id) == 0)
		chat_note(c, "%s", allow ? "allowed" : "denied");
	else
		chat_note(c, "%s by %s", allow ? "allowed" : "denied", by);
}

/* --- turns --- */

static void on_chat_start(struct chat *c, const json_t *payload, uint64_t now_us)
{
	chat_queue_start(c, payload);
	snprintf(c->turn, sizeof c->turn, "%s", json_cstr(payload, "turnId", ""));
	snprintf(c->model, sizeof c->model, "%s", json_cstr(payload, "model", ""));
	c->context_size = json_int(payload, "contextTokens", c->context_size);
	c->turn_us = now_us;
	buf_clear(&c->answer);
}

static void on_chat_done(struct chat *c, const json_t *payload)
{
	const json_t *stats = json_object_get(payload, "stats");
	struct buf line = {0};
	char text[100];

	chat_end_turn(c);
	c->speed = json_number_value(json_object_get(stats, "speed"));
	c->context_used = json_int(stats, "contextTokens",
	    json_int(stats, "promptTokens", 0) + json_int(stats, "completionTokens", 0));
	view_put_stats(&line, stats);
	snprintf(text, sizeof text, "%s", buf_cstr(&line));
	chat_note(c, "%s", text);
	buf_finish(&line);
}

static void on_chat_error(struct chat *c, const json_t *payload)
{
	const char *code = json_cstr(payload, "code", "?");

	chat_end_turn(c);
	c->compacting = false;
	chat_warn(c, "%s (%s)", json_cstr(payload, "message", "?"), code);
	if (strcmp(code, TURN_ERROR_UNREACHABLE) == 0)
		chat_note(
		    c, "say where your model server is: opta config set connection.host HOST:PORT");
}

static void on_chat_cancelled(struct chat *c, const json_t *payload)
{
	const json_t *ids = json_object_get(payload, "turnIds"), *id;
	bool running = false;
	size_t i;

	json_array_foreach (ids, i, id) {
		const char *turn = json_is_string(id) ? json_string_value(id) : "";

		running |= c->turn[0] && strcmp(turn, c->turn) == 0;
		chat_queue_cancelled(c, turn);
	}
	if (!running)
		return;
	chat_end_turn(c);
	c->compacting = false;
	c->hint[0] = '\0';
	chat_note(c, "cancelled");
}

static void on_chat_text(struct chat *c, struct str text, uint64_t now_us)
{
	fold_thinking(c, now_us);
	buf_add(&c->answer, text.p, text.n);
	page_add_text(&c->page, text.p, text.n);
}

static void on_chat_thinking(struct chat *c, struct str text, uint64_t now_us)
{
	if (!c->thinking_us)
		c->thinking_us = now_us;
	/* Only its end is shown. */
	if (c->thinking.len > 4096)
		buf_consume(&c->thinking, c->thinking.len - 1024);
	buf_add(&c->thinking, text.p, text.n);
}

/* The summary is there: go on in a session that begins with it. The old one stays as it is. */
static void finish_compacting(struct chat *c)
{
	struct buf messages = {0};

	if (!c->answer.len) {
		c->compacting = false;
		return;
	}
	buf_adds(&messages,
	    "[{\"role\":\"user\",\"content\":\"What was said and done before, in short:\"},"
	    "{\"role\":\"assistant\",\"content\":");
	json_put_str(&messages, c->answer.p, c->answer.len);
	buf_adds(&messages, "}]");
	chat_begin_session(c, c->model, NULL, buf_cstr(&messages));
	buf_finish(&messages);
}

/* Is it of a turn that had ended when we came? Then it is in the history already. */
static bool is_old(const struct chat *c, const struct envelope_view *e, const json_t *payload)
{
	const char *turn = json_cstr(payload, "turnId", NULL);
	const json_t *one;
	size_t i;

	if (e->seq > c->replay_until)
		return false;
	json_array_foreach (c->open_turns, i, one)
		if (turn && strcmp(turn, json_cstr(one, "turnId", "")) == 0)
			return false;
	return true;
}

void chat_on_event(void *data, struct str json, const struct envelope_view *e)
{
	struct chat *c = data;
	json_t *payload = NULL;

	if (json_parse(e->payload.p, e->payload.n, &payload, NULL) != 0)
		return;
	if (is_old(c, e, payload)) {
		json_decref(payload);
		return;
	}
	switch (e->kind) {
	case EVENT_TURN_QUEUED:
		chat_queue_add(c, payload);
		break;
	case EVENT_TURN_START:
		on_chat_start(c, payload, event_us(e));
		break;
	case EVENT_TURN_TOKEN:
		on_chat_text(c, json_str(payload, "text"), event_us(e));
		break;
	case EVENT_TURN_THINKING:
		on_chat_thinking(c, json_str(payload, "text"), event_us(e));
		break;
	case EVENT_TURN_PROGRESS:
		chat_note(c, "%s", json_cstr(payload, "message", ""));
		break;
	case EVENT_TOOL_START:
		on_chat_call(c, payload, event_us(e));
		break;
	case EVENT_TOOL_END:
		on_chat_called(c, payload);
		break;
	case EVENT_PERMISSION_REQUEST:
		on_chat_request(c, payload);
		break;
	case EVENT_PERMISSION_RESOLVED:
		on_chat_resolved(c, payload);
		break;
	case EVENT_TURN_DONE:
		on_chat_done(c, payload);
		if (c->compacting)
			finish_compacting(c);
		break;
	case EVENT_TURN_ERROR:
		on_chat_error(c, payload);
		break;
	case EVENT_SESSION_CANCELLED:
		on_chat_cancelled(c, payload);
		break;
	case EVENT_SESSION_SNAPSHOT:
	case EVENT_SESSION_UPDATED:
	case EVENT_SESSION_LOST:
	case EVENT_TURN_ANSWER:
	case EVENT_BACKGROUND_OUTPUT:
	case EVENT_BACKGROUND_STATUS:
	case EVENT_KINDS:
		break;
	}
	json_decref(payload);
	chat_touch(c);
}

void chat_on_frame(void *data, const json_t *frame)
{
	struct chat *c = data;
	const json_t *result = json_object_get(frame, "result");
	const char *error = json_cstr(frame, "error", NULL);

	if (error) {
		chat_queue_refused(c, error);
	} else if (json_is_true(json_object_get(result, "conflict"))) {
		chat_note(c, "somebody was faster: %s by %s", json_cstr(result, "decision", "?"),
		    json_cstr(result, "decidedBy", "?"));
	} else {
		return;
	}
	chat_touch(c);
}
