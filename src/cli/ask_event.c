/* What `opta do` makes of the events of its turn, and of the requests in it. */
#include "cli/ask_turn.h"

#include <errno.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/map.h"
#include "base/mem.h"
#include "cli/cmd.h"
#include "cli/follow.h"
#include "cli/live.h"
#include "cli/page.h"
#include "cli/pager.h"
#include "cli/prompt.h"
#include "cli/term.h"
#include "cli/view.h"
#include "protocol/envelope.h"

/* --- what is asked --- */

void ask_end_prompt(struct ask *a)
{
	prompt_free(a->prompt);
	a->prompt = NULL;
	a->asked[0] = '\0';
	json_decref(a->request);
	a->request = NULL;
}

static void send_decision(struct ask *a, bool allow, bool remember, const char *answer)
{
	struct buf json = {0};

	buf_adds(&json, "{\"type\":\"permission.resolve\",\"sessionId\":");
	json_put_cstr(&json, a->opts->session);
	buf_addf(&json,
	    ",\"requestId\":\"%s\",\"decision\":\"%s\",\"decidedBy\":\"opta-cli\",\"remember\":%s",
	    a->asked, allow ? "allow" : "deny", remember ? "true" : "false");
	if (answer) {
		buf_adds(&json, ",\"answer\":");
		json_put_cstr(&json, answer);
	}
	buf_addc(&json, '}');
	if (!follow_send(a->follow, json.p, json.len))
		ask_note(
		    a, "there is no connection to the daemon just now: answer again in a moment");
	buf_finish(&json);
}

static void on_ask_paged(void *data, bool shown)
{
	struct ask *a = data;

	a->pager = NULL;
	if (a->exit_code >= 0)
		return;
	live_forget(&a->live);
	if (a->prompt)
		prompt_resume(a->prompt, shown);
	if (!shown)
		ask_note(a, "the pager could not be run: set PAGER, or install less");
	ask_touch(a);
}

static void view_request(struct ask *a)
{
	struct buf text = {0};

	view_put_whole_request(&text, a->request);
	prompt_pause(a->prompt);
	a->pager = pager_start(&a->loop, text.p, text.len, on_ask_paged, a);
	if (!a->pager)
		on_ask_paged(a, false);
	buf_finish(&text);
}

static void on_ask_answer(void *data, enum prompt_answer answer, const char *text)
{
	struct ask *a = data;

	switch (answer) {
	case PROMPT_YES:
	case PROMPT_SESSION:
		send_decision(a, true, answer == PROMPT_SESSION, NULL);
		break;
	case PROMPT_NO:
		send_decision(a, false, false, text);
		break;
	case PROMPT_TEXT:
		send_decision(a, true, false, text);
		break;
	case PROMPT_VIEW:
		view_request(a);
		break;
	case PROMPT_QUIT:
		ask_cancel(a);
		break;
	}
}

static void show_request(struct ask *a, const json_t *payload)
{
	struct view view = ask_view_of(a);
	const char *tool = json_cstr(payload, "toolName", "");
	struct buf out = {0};
	size_t hidden;

	ask_end_prompt(a);
	snprintf(a->asked, sizeof a->asked, "%s", json_cstr(payload, "requestId", ""));
	a->request = json_incref((json_t *)(uintptr_t)payload);
	view_put_request(&out, &view, payload, &hidden);
	ask_put_lines(a, out.p, out.len, false);
	buf_finish(&out);
	ask_paint(a);
	if (a->live.out)
		a->prompt = prompt_new(&(struct prompt_opts){.loop = &a->loop,
		    .live = &a->live,
		    .line = strcmp(tool, "ask_user") == 0,
		    .command = strcmp(tool, "run_command") == 0 || strcmp(tool, "bg_start") == 0,
		    .hidden = hidden,
		    .on_answer = on_ask_answer,
		    .data = a});
	if (!a->prompt)
		ask_note(a,
		    "waiting: `opta approve %s` or `opta deny %s` answers from any terminal",
		    a->asked, a->asked);
}

static void show_resolved(struct ask *a, const json_t *payload)
{
	const char *reason = json_cstr(payload, "reason", ""),
		   *decision = json_cstr(payload, "decision", "");

	if (strcmp(json_cstr(payload, "requestId", ""), a->asked) != 0)
		return;
	ask_end_prompt(a);
	if (a->opts->quiet)
		return;
	if (strcmp(reason, "client") == 0)
		ask_note(a, "%s by %s", strcmp(decision, "allow") == 0 ? "allowed" : "denied",
		    json_cstr(payload, "decidedBy", "?"));
	else
		ask_note(a, "denied: %s", reason);
}

/* --- events --- */

static void remember_start(struct ask *a, const json_t *payload)
{
	struct started *s = mem_zalloc(1, sizeof *s);

	s->id = mem_strdup(json_cstr(payload, "callId", ""));
	s->args = mem_strdup(json_cstr(payload, "args", "{}"));
	map_put(&a->started, s->id, s);
}

void ask_free_started(struct started *s)
{
	if (!s)
		return;
	free(s->id);
	free(s->args);
	free(s);
}

static void show_tool(struct ask *a, const json_t *payload)
{
	struct started *s = map_remove(&a->started, json_cstr(payload, "callId", ""));
	struct view view = ask_view_of(a);
	struct buf out = {0};

	if (!a->opts->quiet && a->opts->format != ASK_JSON) {
		view_put_tool(&out, &view, s ? s->args : "{}", payload);
		ask_put_lines(a, out.p, out.len, false);
		buf_finish(&out);
	}
	ask_free_started(s);
}

static void show_text(struct ask *a, struct str text)
{
	if (a->opts->format == ASK_JSON)
		return;
	if (a->painting)
		page_add_text(&a->page, text.p, text.n);
	else
		ask_put_plain(a, text.p, text.n);
	ask_touch(a);
}

static void show_done(struct ask *a, const json_t *payload)
{
	struct buf out = {0};

	ask_end_text(a);
	if (!a->opts->quiet && a->opts->format != ASK_JSON && term_is_terminal(STDERR_FILENO)) {
		view_put_stats(&out, json_object_get(payload, "stats"));
		ask_note(a, "%s", buf_cstr(&out));
		buf_finish(&out);
	}
	ask_finish(a, EXIT_DONE);
}

static void ask_show_event(struct ask *a, enum event_kind kind, const json_t *payload)
{
	switch (kind) {
	case EVENT_TURN_TOKEN:
		show_text(a, json_str(payload, "text"));
		break;
	case EVENT_TURN_PROGRESS:
		if (a->opts->format != ASK_JSON && !a->opts->quiet)
			ask_note(a, "%s", json_cstr(payload, "message", ""));
		break;
	case EVENT_TOOL_START:
		remember_start(a, payload);
		break;
	case EVENT_TOOL_END:
		show_tool(a, payload);
		break;
	case EVENT_PERMISSION_REQUEST:
		show_request(a, payload);
		break;
	case EVENT_PERMISSION_RESOLVED:
		show_resolved(a, payload);
		break;
	case EVENT_TURN_DONE:
		show_done(a, payload);
		break;
	case EVENT_TURN_ERROR:
		ask_fail(a, EXIT_ERROR, json_cstr(payload, "message", "?"),
		    json_cstr(payload, "code", "?"));
		break;
	case EVENT_SESSION_SNAPSHOT:
	case EVENT_SESSION_UPDATED:
	case EVENT_SESSION_CANCELLED:
	case EVENT_SESSION_LOST:
	case EVENT_TURN_QUEUED:
	case EVENT_TURN_START:
	case EVENT_TURN_THINKING:
	case EVENT_TURN_ANSWER:
	case EVENT_BACKGROUND_OUTPUT:
	case EVENT_BACKGROUND_STATUS:
	case EVENT_KINDS:
		break;
	}
}

static bool names_turn(const json_t *list, const char *turn_id)
{
	const json_t *one;
	size_t i;

	json_array_foreach (list, i, one) {
		if (json_is_string(one) && strcmp(json_string_value(one), turn_id) == 0)
			return true;
	}
	return false;
}

void ask_on_event(void *data, struct str json, const struct envelope_view *e)
{
	struct ask *a = data;
	json_t *payload = NULL;
	bool ours;

	if (a->exit_code >= 0 || json_parse(e->payload.p, e->payload.n, &payload, NULL) != 0)
		return;
	ours = strcmp(json_cstr(payload, "turnId", ""), a->turn_id) == 0;
	if (e->kind == EVENT_SESSION_CANCELLED)
		ours = names_turn(json_object_get(payload, "turnIds"), a->turn_id);
	if (ours && a->opts->format == ASK_JSON)
		ask_put_json(a, json);
	if (ours && e->kind == EVENT_SESSION_CANCELLED) {
		ask_end_text(a);
		if (a->opts->format != ASK_JSON)
			ask_note(a, "cancelled");
		ask_finish(a, ask_cancelled_code(a));
	} else if (ours) {
		ask_show_event(a, e->kind, payload);
	}
	json_decref(payload);
}
