/* One turn from the command line. */
#include "cli/ask.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <unistd.h>
#include <uv.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/ids.h"
#include "base/json.h"
#include "base/map.h"
#include "base/mem.h"
#include "cli/client.h"
#include "cli/cmd.h"
#include "cli/follow.h"
#include "cli/live.h"
#include "cli/markdown.h"
#include "cli/prompt.h"
#include "cli/term.h"
#include "cli/view.h"
#include "protocol/envelope.h"

enum {
	ASK_REQUEST_MS = 30000,
	ASK_CANCEL_MS = 5000, /* after Ctrl+C, for the cancel to be in the log */
};

/* A tool call that runs. */
struct started {
	char *id, *args; /* owned */
};

struct ask {
	struct client *client;
	const struct ask_opts *opts;
	uv_loop_t loop;
	uv_signal_t interrupt;
	uv_timer_t timer;      /* the end of a cancel */
	struct follow *follow; /* NULL: not yet */
	uint64_t seq;	       /* where the log stood before our turn */
	struct prompt *prompt; /* the terminal's answer to a request, or NULL */
	struct markdown_stream
	    *markdown;	    /* the answer on its way to the terminal, or NULL: as it is */
	struct live live;   /* the block of it that is still open */
	struct map started; /* call id -> struct started */
	char turn_id[64];
	char asked[64]; /* the request that is open, "" none */
	int exit_code;	/* -1: the turn goes on */
	bool cancelling, text_open;
};

/* --- the session and the turn --- */

int ask_new_session(
    const struct client *c, const char *model, const char *device, char *ret_id, struct err *reterr)
{
	struct buf body = {0};
	char cwd[4096];
	struct err err;
	json_t *root;
	int rc = 0;

	buf_adds(&body, "{\"metadata\":{");
	if (getcwd(cwd, sizeof cwd)) {
		buf_adds(&body, "\"workspace\":");
		json_put_cstr(&body, cwd);
	}
	if (device && device[0]) {
		buf_addf(&body, "%s\"device\":", body.p[body.len - 1] == '{' ? "" : ",");
		json_put_cstr(&body, device);
	}
	buf_addc(&body, '}');
	if (model) {
		buf_adds(&body, ",\"model\":");
		json_put_cstr(&body, model);
	}
	buf_addc(&body, '}');
	root = client_json(c, "POST", "/v3/sessions", buf_cstr(&body), ASK_REQUEST_MS, NULL, &err);
	if (root)
		snprintf(ret_id, 72, "%s", json_cstr(root, "id", ""));
	else
		rc = err_set(reterr, err.code, "no session could be made: %.400s", err.text);
	json_decref(root);
	buf_finish(&body);
	return rc;
}

/* Where the log stands before our turn. */
static int read_last_seq(struct ask *a, struct err *reterr)
{
	struct buf target = {0};
	json_t *root;
	bool found;

	buf_addf(&target, "/v3/sessions/%s", a->opts->session);
	root = client_json(a->client, "GET", buf_cstr(&target), NULL, ASK_REQUEST_MS, NULL, reterr);
	found = root != NULL;
	a->seq = (uint64_t)json_int(root, "lastSeq", 0);
	json_decref(root);
	buf_finish(&target);
	return found ? 0 : ERR_REFUSED;
}

static void put_overrides(const struct ask_opts *o, struct buf *body)
{
	buf_addf(body, ",\"overrides\":{\"auto\":%s,\"dangerous\":%s,\"nonInteractive\":%s",
	    o->allow_edits ? "true" : "false", o->allow_all ? "true" : "false",
	    o->non_interactive ? "true" : "false");
	if (o->max_tool_calls)
		buf_addf(body, ",\"maxToolCalls\":%" PRIu64, o->max_tool_calls);
	buf_addc(body, '}');
}

static int submit(struct ask *a, struct err *reterr)
{
	struct buf target = {0}, body = {0}, out = {0};
	char key[40], why[300];
	json_t *root = NULL;
	int status = 0;

	/* With a key a repeated request is the same turn: a lost answer may be asked for again. */
	ids_make("cli_", 12, key, sizeof key);
	buf_addf(&target, "/v3/sessions/%s/turns", a->opts->session);
	buf_adds(&body, "{\"content\":");
	json_put_str(&body, a->opts->content, a->opts->content_len);
	buf_addf(&body, ",\"mode\":\"%s\",\"clientId\":\"opta-cli\",\"idempotencyKey\":\"%s\"",
	    a->opts->mode, key);
	put_overrides(a->opts, &body);
	buf_addc(&body, '}');
	for (int try = 0; try < 2; try++) {
		buf_clear(&out);
		status = client_request(a->client, "POST", buf_cstr(&target), buf_cstr(&body),
		    ASK_REQUEST_MS, &out, reterr);
		if (status > 0 || client_open(a->client, NULL) != 0)
			break;
	}
	if (status == 202 && json_parse(out.p, out.len, &root, reterr) == 0) {
		snprintf(a->turn_id, sizeof a->turn_id, "%s", json_cstr(root, "turnId", ""));
		status = 0;
	} else if (status > 0) {
		client_error_text(&out, why, sizeof why);
		status = err_set(reterr, ERR_REFUSED, "the turn was not accepted: %s", why);
	}
	json_decref(root);
	buf_finish(&target);
	buf_finish(&body);
	buf_finish(&out);
	return status;
}

/* --- the end --- */

/* Show what came of the answer: complete blocks for good, the open one as it looks now. */
static void paint(struct ask *a, bool end)
{
	struct buf done = {0}, open = {0};

	live_resize(&a->live, term_width(STDOUT_FILENO), term_height(STDOUT_FILENO));
	markdown_stream_set_width(a->markdown, a->live.width);
	markdown_stream_take(a->markdown, end, &done);
	markdown_stream_open(a->markdown, &open);
	live_update(&a->live, done.p, done.len, open.p, open.len, ~0U, 0);
	buf_finish(&done);
	buf_finish(&open);
}

/* What of the answer is still held back goes out, and its line ends. */
static void end_text(struct ask *a)
{
	if (a->text_open && a->markdown) {
		paint(a, true);
		live_finish(&a->live);
	} else if (a->text_open && a->opts->format != ASK_JSON) {
		term_end_line();
	}
	a->text_open = false;
}

/* A note comes between: what is painted must stand first. In a pipe the answer is not cut for it.
 */
static void make_room(struct ask *a)
{
	if (a->markdown)
		end_text(a);
}

static void end_prompt(struct ask *a, const char *note)
{
	prompt_free(a->prompt);
	if (a->prompt && note)
		term_note("%s", note);
	a->prompt = NULL;
	a->asked[0] = '\0';
}

static void finish(struct ask *a, int code)
{
	if (a->exit_code >= 0)
		return;
	a->exit_code = code;
	end_prompt(a, NULL);
	end_text(a);
	follow_stop(a->follow);
	uv_close((uv_handle_t *)&a->timer, NULL);
	uv_close((uv_handle_t *)&a->interrupt, NULL);
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

/* What went wrong and, for what a first user meets first, what to do. */
static void say_error(const char *message, const char *code)
{
	cmd_error("%s (%s)", message, code);
	if (strcmp(code, TURN_ERROR_UNREACHABLE) == 0)
		term_note(
		    "say where your model server is: opta config set connection.host HOST:PORT\n"
		    "or try the built-in one: opta lmx demo");
}

/* --- what is asked --- */

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
		term_note(
		    "there is no connection to the daemon just now: answer again in a moment");
	buf_finish(&json);
}

static void cancel_turn(struct ask *a);

static void on_answer(void *data, enum prompt_answer answer, const char *text)
{
	struct ask *a = data;

	switch (answer) {
	case PROMPT_APPROVE:
	case PROMPT_ALL:
		send_decision(a, true, answer == PROMPT_ALL, NULL);
		break;
	case PROMPT_DENY:
		send_decision(a, false, false, NULL);
		break;
	case PROMPT_TEXT:
		send_decision(a, true, false, text);
		break;
	case PROMPT_QUIT:
		cancel_turn(a);
		break;
	}
}

static struct view view_of(const struct ask *a)
{
	return (struct view){.color = term_color(STDERR_FILENO),
	    .width = term_is_terminal(STDERR_FILENO) ? term_width(STDERR_FILENO) : 0};
}

static void show_request(struct ask *a, const json_t *payload)
{
	struct view view = view_of(a);
	bool question = strcmp(json_cstr(payload, "toolName", ""), "ask_user") == 0;
	struct buf out = {0};

	end_text(a);
	end_prompt(a, NULL);
	snprintf(a->asked, sizeof a->asked, "%s", json_cstr(payload, "requestId", ""));
	view_put_request(&out, &view, payload);
	term_put_note(out.p, out.len);
	buf_finish(&out);
	a->prompt = prompt_new(&a->loop, question, on_answer, a);
	if (!a->prompt)
		term_note("waiting: `opta approve %s` or `opta deny %s` answers from any terminal",
		    a->asked, a->asked);
}

static void show_resolved(struct ask *a, const json_t *payload)
{
	const char *reason = json_cstr(payload, "reason", ""),
		   *decision = json_cstr(payload, "decision", "");

	if (strcmp(json_cstr(payload, "requestId", ""), a->asked) != 0)
		return;
	end_prompt(a, NULL);
	if (a->opts->quiet)
		return;
	if (strcmp(reason, "client") == 0)
		term_note("%s by %s", strcmp(decision, "allow") == 0 ? "allowed" : "denied",
		    json_cstr(payload, "decidedBy", "?"));
	else
		term_note("denied: %s", reason);
}

/* --- events --- */

static void remember_start(struct ask *a, const json_t *payload)
{
	struct started *s = mem_zalloc(1, sizeof *s);

	s->id = mem_strdup(json_cstr(payload, "callId", ""));
	s->args = mem_strdup(json_cstr(payload, "args", "{}"));
	map_put(&a->started, s->id, s);
}

static void free_started(struct started *s)
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
	struct view view = view_of(a);
	struct buf out = {0};

	if (!a->opts->quiet && a->opts->format != ASK_JSON) {
		end_text(a);
		view_put_tool(&out, &view, s ? s->args : "{}", payload);
		term_put_note(out.p, out.len);
		buf_finish(&out);
	}
	free_started(s);
}

static void show_done(struct ask *a, const json_t *payload)
{
	struct buf out = {0};

	finish(a, EXIT_DONE);
	if (a->opts->quiet || a->opts->format == ASK_JSON || !term_is_terminal(STDERR_FILENO))
		return;
	view_put_stats(&out, json_object_get(payload, "stats"));
	term_note("%s", buf_cstr(&out));
	buf_finish(&out);
}

static void show(struct ask *a, enum event_kind kind, const json_t *payload)
{
	struct str text = json_str(payload, "text");
	bool json = a->opts->format == ASK_JSON;

	switch (kind) {
	case EVENT_TURN_TOKEN:
		a->text_open = true;
		if (a->markdown) {
			markdown_stream_add(a->markdown, text.p, text.n);
			paint(a, false);
		} else if (!json)
			term_put_text(text.p, text.n);
		break;
	case EVENT_TURN_PROGRESS:
		make_room(a);
		if (!json && !a->opts->quiet)
			term_note("%s", json_cstr(payload, "message", ""));
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
		finish(a, EXIT_ERROR);
		if (!json)
			say_error(
			    json_cstr(payload, "message", "?"), json_cstr(payload, "code", "?"));
		break;
	case EVENT_SESSION_SNAPSHOT:
	case EVENT_SESSION_UPDATED:
	case EVENT_SESSION_CANCELLED:
	case EVENT_SESSION_LOST:
	case EVENT_TURN_QUEUED:
	case EVENT_TURN_START:
	case EVENT_TURN_THINKING:
	case EVENT_BACKGROUND_OUTPUT:
	case EVENT_BACKGROUND_STATUS:
	case EVENT_KINDS:
		break;
	}
}

static void on_event(void *data, struct str json, const struct envelope_view *e)
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
		term_put_line(json.p, json.n);
	if (ours && e->kind == EVENT_SESSION_CANCELLED) {
		finish(a, EXIT_CANCELLED);
		if (a->opts->format != ASK_JSON)
			term_note("cancelled");
	} else if (ours) {
		show(a, e->kind, payload);
	}
	json_decref(payload);
}

static void on_down(void *data)
{
	struct ask *a = data;

	make_room(a);
	term_note("Connection interrupted, reconnecting...");
}

static void on_lost(void *data, const char *why)
{
	finish(data, EXIT_ERROR);
	cmd_error("%s", why);
}

/* --- Ctrl+C --- */

static void on_cancel_late(uv_timer_t *timer)
{
	finish(timer->data, EXIT_CANCELLED);
}

static void cancel_turn(struct ask *a)
{
	struct buf target = {0}, body = {0}, out = {0};

	if (a->cancelling) {
		finish(a, EXIT_CANCELLED);
		return;
	}
	a->cancelling = true;
	buf_addf(&target, "/v3/sessions/%s/cancel", a->opts->session);
	buf_addf(&body, "{\"turnId\":\"%s\"}", a->turn_id);
	/* Its own short loop; events go on arriving in the socket meanwhile. */
	client_request(
	    a->client, "POST", buf_cstr(&target), buf_cstr(&body), ASK_CANCEL_MS, &out, NULL);
	buf_finish(&target);
	buf_finish(&body);
	buf_finish(&out);
	if (a->exit_code < 0)
		uv_timer_start(&a->timer, on_cancel_late, ASK_CANCEL_MS, 0);
}

static void on_interrupt(uv_signal_t *handle, int signum)
{
	cancel_turn(handle->data);
}

static void free_all_started(struct ask *a)
{
	struct started *s;
	size_t at = 0;

	while ((s = map_next(&a->started, &at)))
		free_started(s);
	map_finish(&a->started);
}

int ask_run(struct client *c, const struct ask_opts *opts)
{
	struct ask a = {.client = c, .opts = opts, .exit_code = -1};
	struct err err;

	uv_loop_init(&a.loop);
	uv_timer_init(&a.loop, &a.timer);
	a.timer.data = &a;
	/* Before the turn exists, so that Ctrl+C never leaves one running behind. */
	uv_signal_init(&a.loop, &a.interrupt);
	a.interrupt.data = &a;
	uv_signal_start(&a.interrupt, on_interrupt, SIGINT);
	a.live.fd = STDOUT_FILENO;
	if (opts->format == ASK_MARKDOWN && term_moves(STDOUT_FILENO))
		a.markdown =
		    markdown_stream_new(term_width(STDOUT_FILENO), term_color(STDOUT_FILENO));
	if (read_last_seq(&a, &err) != 0 || submit(&a, &err) != 0) {
		finish(&a, EXIT_ERROR);
		cmd_error("%s", err.text);
	} else {
		a.follow = follow_start(&(struct follow_opts){.loop = &a.loop,
		    .client = c,
		    .session = opts->session,
		    .seq = a.seq,
		    .on_event = on_event,
		    .on_down = on_down,
		    .on_lost = on_lost,
		    .data = &a});
	}
	uv_run(&a.loop, UV_RUN_DEFAULT);
	uv_loop_close(&a.loop);
	markdown_stream_free(a.markdown);
	free_all_started(&a);
	return a.exit_code < 0 ? EXIT_ERROR : a.exit_code;
}
