/* What chat makes of the session's events. */
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "cli/chat.h"
#include "cli/markdown.h"
#include "cli/term.h"

static void fold_thinking(struct chat *c)
{
	if (!c->thinking_us)
		return;
	chat_note(c, "∴ thought for %.1f s", (double)(clock_mono_us() - c->thinking_us) / 1e6);
	buf_finish(&c->thinking);
	c->thinking_us = 0;
}

void chat_end_text(struct chat *c)
{
	fold_thinking(c);
	markdown_stream_take(c->markdown, true, &c->done);
}

static void end_turn(struct chat *c)
{
	chat_end_text(c);
	for (size_t i = 0; i < c->call_count; i++) {
		free(c->calls[i].id);
		free(c->calls[i].name);
		free(c->calls[i].args);
	}
	c->call_count = 0;
	c->turn[0] = c->asked[0] = '\0';
}

/* --- tools --- */

static void on_call(struct chat *c, const json_t *payload)
{
	chat_end_text(c);
	if (c->call_count == CHAT_MAX_RUNNING)
		return;
	c->calls[c->call_count++] =
	    (struct chat_call){.id = mem_strdup(json_cstr(payload, "callId", "")),
		.name = mem_strdup(json_cstr(payload, "toolName", "?")),
		.args = mem_strdup(json_cstr(payload, "args", "{}")),
		.since_us = clock_mono_us()};
}

static void on_called(struct chat *c, const json_t *payload)
{
	const char *id = json_cstr(payload, "callId", "");
	size_t i = 0;

	chat_end_text(c);
	while (i < c->call_count && strcmp(c->calls[i].id, id) != 0)
		i++;
	view_put_tool(&c->done, &c->view, i < c->call_count ? c->calls[i].args : "{}", payload);
	if (i == c->call_count)
		return;
	free(c->calls[i].id);
	free(c->calls[i].name);
	free(c->calls[i].args);
	memmove(&c->calls[i], &c->calls[i + 1], (c->call_count - i - 1) * sizeof c->calls[0]);
	c->call_count--;
}

/* --- permissions --- */

static void on_request(struct chat *c, const json_t *payload)
{
	chat_end_text(c);
	snprintf(c->asked, sizeof c->asked, "%s", json_cstr(payload, "requestId", ""));
	c->question = strcmp(json_cstr(payload, "toolName", ""), "ask_user") == 0;
	view_put_request(&c->done, &c->view, payload);
}

static void on_resolved(struct chat *c, const json_t *payload)
{
	const char *by = json_cstr(payload, "decidedBy", "?"),
		   *reason = json_cstr(payload, "reason", "");
	bool allow = strcmp(json_cstr(payload, "decision", ""), "allow") == 0;

	if (strcmp(json_cstr(payload, "requestId", ""), c->asked) != 0)
		return;
	c->asked[0] = '\0';
	if (strcmp(reason, "client") != 0)
		chat_note(c, "denied: %s", reason);
	else if (strcmp(by, c->client_id) == 0)
		chat_note(c, "%s", allow ? "allowed" : "denied");
	else
		chat_note(c, "%s by %s", allow ? "allowed" : "denied", by);
}

/* --- turns --- */

static void on_queued(struct chat *c, const json_t *payload)
{
	struct str content = json_str(payload, "content");
	char who[64];

	/* Our own words stand there already. */
	if (strcmp(json_cstr(payload, "clientId", ""), c->client_id) == 0)
		return;
	snprintf(who, sizeof who, "%.40s › ", json_cstr(payload, "clientId", "?"));
	chat_end_text(c);
	chat_put_words(c, who, content.p, content.n);
}

static void on_start(struct chat *c, const json_t *payload)
{
	snprintf(c->turn, sizeof c->turn, "%s", json_cstr(payload, "turnId", ""));
	snprintf(c->model, sizeof c->model, "%s", json_cstr(payload, "model", ""));
	c->context_size = json_int(payload, "contextTokens", c->context_size);
	c->turn_us = clock_mono_us();
	buf_clear(&c->answer);
	if (strcmp(json_cstr(payload, "clientId", ""), c->client_id) == 0 && c->waiting)
		c->waiting--;
}

static void on_done(struct chat *c, const json_t *payload)
{
	const json_t *stats = json_object_get(payload, "stats");
	struct buf line = {0};
	char text[100];

	end_turn(c);
	c->speed = json_number_value(json_object_get(stats, "speed"));
	c->context_used = json_int(stats, "contextTokens",
	    json_int(stats, "promptTokens", 0) + json_int(stats, "completionTokens", 0));
	view_put_stats(&line, stats);
	snprintf(text, sizeof text, "%s", buf_cstr(&line));
	chat_note(c, "%s", text);
	buf_finish(&line);
}

static void on_error(struct chat *c, const json_t *payload)
{
	const char *code = json_cstr(payload, "code", "?");

	end_turn(c);
	c->compacting = false;
	chat_warn(c, "%s (%s)", json_cstr(payload, "message", "?"), code);
	if (strcmp(code, TURN_ERROR_UNREACHABLE) == 0)
		chat_note(
		    c, "say where your model server is: opta config set connection.host HOST:PORT");
}

static void on_cancelled(struct chat *c, const json_t *payload)
{
	const json_t *ids = json_object_get(payload, "turnIds"), *id;
	bool ours = false;
	size_t i;

	json_array_foreach (ids, i, id)
		ours |= json_is_string(id) && strcmp(json_string_value(id), c->turn) == 0;
	if (ours)
		end_turn(c);
	c->waiting = 0;
	c->compacting = false;
	c->hint[0] = '\0';
	chat_note(c, "cancelled");
}

static void on_text(struct chat *c, struct str text)
{
	fold_thinking(c);
	buf_add(&c->answer, text.p, text.n);
	markdown_stream_add(c->markdown, text.p, text.n);
}

static void on_thinking(struct chat *c, struct str text)
{
	if (!c->thinking_us)
		c->thinking_us = clock_mono_us();
	/* Only its end is shown. */
	if (c->thinking.len > 4096)
		buf_consume(&c->thinking, c->thinking.len - 1024);
	buf_add(&c->thinking, text.p, text.n);
}

/* The summary is there: go on in a session that begins with it. The old one stays as it is. */
static void finish_compacting(struct chat *c)
{
	struct buf messages = {0};
	char id[72];

	c->compacting = false;
	if (!c->answer.len)
		return;
	buf_adds(&messages,
	    "[{\"role\":\"user\",\"content\":\"What was said and done before, in short:\"},"
	    "{\"role\":\"assistant\",\"content\":");
	json_put_str(&messages, c->answer.p, c->answer.len);
	buf_adds(&messages, "}]");
	if (chat_new_session(c, c->model, NULL, buf_cstr(&messages), id)) {
		chat_note(c,
		    "the conversation goes on in %s with this summary; /resume %s goes back", id,
		    c->session);
		chat_switch(c, id, false);
	}
	buf_finish(&messages);
}

void chat_on_event(void *data, struct str json, const struct envelope_view *e)
{
	struct chat *c = data;
	json_t *payload = NULL;

	if (json_parse(e->payload.p, e->payload.n, &payload, NULL) != 0)
		return;
	switch (e->kind) {
	case EVENT_TURN_QUEUED:
		on_queued(c, payload);
		break;
	case EVENT_TURN_START:
		on_start(c, payload);
		break;
	case EVENT_TURN_TOKEN:
		on_text(c, json_str(payload, "text"));
		break;
	case EVENT_TURN_THINKING:
		on_thinking(c, json_str(payload, "text"));
		break;
	case EVENT_TURN_PROGRESS:
		chat_end_text(c);
		chat_note(c, "%s", json_cstr(payload, "message", ""));
		break;
	case EVENT_TOOL_START:
		on_call(c, payload);
		break;
	case EVENT_TOOL_END:
		on_called(c, payload);
		break;
	case EVENT_PERMISSION_REQUEST:
		on_request(c, payload);
		break;
	case EVENT_PERMISSION_RESOLVED:
		on_resolved(c, payload);
		break;
	case EVENT_TURN_DONE:
		on_done(c, payload);
		if (c->compacting)
			finish_compacting(c);
		break;
	case EVENT_TURN_ERROR:
		on_error(c, payload);
		break;
	case EVENT_SESSION_CANCELLED:
		on_cancelled(c, payload);
		break;
	case EVENT_SESSION_SNAPSHOT:
	case EVENT_SESSION_UPDATED:
	case EVENT_SESSION_LOST:
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
		chat_warn(c, "%s", error);
		if (c->waiting)
			c->waiting--;
	} else if (json_is_true(json_object_get(result, "conflict"))) {
		chat_note(c, "somebody was faster: %s by %s", json_cstr(result, "decision", "?"),
		    json_cstr(result, "decidedBy", "?"));
	} else {
		return;
	}
	chat_touch(c);
}
