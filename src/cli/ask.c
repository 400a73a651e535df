/* One turn from the command line. */
#include "cli/ask.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <unistd.h>
#include <uv.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/ids.h"
#include "base/json.h"
#include "cli/client.h"
#include "cli/cmd.h"
#include "cli/term.h"
#include "net/ws_client.h"
#include "protocol/envelope.h"
#include "protocol/http.h"

enum {
	ASK_REQUEST_MS = 30000,
	ASK_CONNECT_MS = 5000,
	ASK_MAX_EVENT = 64 * 1024 * 1024, /* bytes of one event */
	/* Waits before the tries to reach the daemon again; the last one repeats. */
	ASK_RETRY_FIRST_MS = 20,
	ASK_RETRY_MAX_MS = 1000,
	ASK_RETRIES = 12,     /* about seven seconds */
	ASK_CANCEL_MS = 5000, /* after Ctrl+C, for the cancel to be in the log */
};

struct ask {
	struct client *client;
	const struct ask_opts *opts;
	uv_loop_t loop;
	uv_signal_t interrupt;
	uv_timer_t timer;   /* next try to connect, or the end of a cancel */
	struct ws_call *ws; /* NULL: not connected */
	char turn_id[64];
	char daemon_id[64]; /* of the last event seen */
	uint64_t seq;	    /* of the last event seen */
	unsigned tries;
	int exit_code; /* -1: the turn goes on */
	bool cancelling, thinking, text_open;
};

static void connect_ws(struct ask *a);

/* --- the session and the turn --- */

int ask_new_session(const struct client *c, const char *model, char *ret_id, struct err *reterr)
{
	struct buf body = {0}, out = {0};
	char cwd[4096], why[300];
	json_t *root = NULL;
	int status;

	buf_adds(&body, "{\"metadata\":{");
	if (getcwd(cwd, sizeof cwd)) {
		buf_adds(&body, "\"workspace\":");
		json_put_cstr(&body, cwd);
	}
	buf_addc(&body, '}');
	if (model) {
		buf_adds(&body, ",\"model\":");
		json_put_cstr(&body, model);
	}
	buf_addc(&body, '}');
	status = client_request(
	    c, "POST", "/v3/sessions", buf_cstr(&body), ASK_REQUEST_MS, &out, reterr);
	if (status == 201 && json_parse(out.p, out.len, &root, reterr) == 0) {
		snprintf(ret_id, 72, "%s", json_cstr(root, "id", ""));
		status = 0;
	} else if (status > 0) {
		client_error_text(&out, why, sizeof why);
		status = err_set(reterr, ERR_REFUSED, "no session could be made: %s", why);
	}
	json_decref(root);
	buf_finish(&body);
	buf_finish(&out);
	return status;
}

/* Where the log stands before our turn. */
static int read_last_seq(struct ask *a, struct err *reterr)
{
	struct buf target = {0}, out = {0};
	char why[300];
	json_t *root = NULL;
	int status;

	buf_addf(&target, "/v3/sessions/%s", a->opts->session);
	status =
	    client_request(a->client, "GET", buf_cstr(&target), NULL, ASK_REQUEST_MS, &out, reterr);
	if (status == 200 && json_parse(out.p, out.len, &root, reterr) == 0) {
		a->seq = (uint64_t)json_int(root, "lastSeq", 0);
		status = 0;
	} else if (status > 0) {
		client_error_text(&out, why, sizeof why);
		status = err_set(reterr, ERR_REFUSED, "%s", why);
	}
	json_decref(root);
	buf_finish(&target);
	buf_finish(&out);
	return status;
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
	buf_addf(&body, ",\"mode\":\"%s\",\"clientId\":\"opta-cli\",\"idempotencyKey\":\"%s\"}",
	    a->opts->mode, key);
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

/* --- events --- */

static void finish(struct ask *a, int code)
{
	if (a->exit_code >= 0)
		return;
	a->exit_code = code;
	if (a->text_open && !a->opts->json)
		term_end_line();
	ws_call_close(a->ws, 1000);
	a->ws = NULL;
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

static void show(struct ask *a, enum event_kind kind, const json_t *payload)
{
	struct str text = json_str(payload, "text");

	switch (kind) {
	case EVENT_TURN_TOKEN:
		a->text_open = true;
		if (!a->opts->json)
			term_put_text(text.p, text.n);
		break;
	case EVENT_TURN_PROGRESS:
		if (!a->opts->json)
			term_note("%s", json_cstr(payload, "message", ""));
		break;
	case EVENT_TURN_DONE:
		finish(a, EXIT_DONE);
		break;
	case EVENT_TURN_ERROR:
		finish(a, EXIT_ERROR);
		if (!a->opts->json)
			say_error(
			    json_cstr(payload, "message", "?"), json_cstr(payload, "code", "?"));
		break;
	default:
		break;
	}
}

static void take_event(struct ask *a, struct str json, const struct envelope_view *e)
{
	json_t *payload = NULL;
	bool ours;

	/* What was seen before a reconnect is not shown twice. */
	if (e->seq <= a->seq)
		return;
	a->seq = e->seq;
	snprintf(a->daemon_id, sizeof a->daemon_id, "%.*s", (int)e->daemon_id.n, e->daemon_id.p);
	if (json_parse(e->payload.p, e->payload.n, &payload, NULL) != 0)
		return;
	ours = strcmp(json_cstr(payload, "turnId", ""), a->turn_id) == 0;
	if (e->kind == EVENT_SESSION_CANCELLED)
		ours = names_turn(json_object_get(payload, "turnIds"), a->turn_id);
	if (ours && a->opts->json)
		term_put_line(json.p, json.n);
	if (ours && e->kind == EVENT_SESSION_CANCELLED) {
		finish(a, EXIT_CANCELLED);
		if (!a->opts->json)
			term_note("cancelled");
	} else if (ours) {
		show(a, e->kind, payload);
	}
	json_decref(payload);
}

static void on_message(void *data, const char *p, size_t n)
{
	struct ask *a = data;
	struct str json = {p, n};
	struct envelope_view e;
	json_t *frame = NULL;

	a->tries = 0;
	if (a->exit_code >= 0)
		return;
	if (envelope_view(json, &e)) {
		take_event(a, json, &e);
		return;
	}
	if (json_parse(p, n, &frame, NULL) != 0)
		return;
	/* The tail we saw was lost to a power cut: the log is read again, our turn ends as
	 * interrupted in it. */
	if (strcmp(json_cstr(frame, "type", ""), "resync") == 0)
		a->seq = 0;
	json_decref(frame);
}

/* --- connection --- */

static void on_retry(uv_timer_t *timer);

/* Try again a little later, or end with what went wrong. */
static void retry_or_give_up(struct ask *a, const char *why)
{
	unsigned wait = ASK_RETRY_FIRST_MS << (a->tries < 6 ? a->tries : 6);

	if (a->tries >= ASK_RETRIES) {
		finish(a, EXIT_ERROR);
		cmd_error("%s", why);
		return;
	}
	if (a->tries++ == 0)
		term_note("Connection interrupted, reconnecting...");
	uv_timer_start(&a->timer, on_retry, wait < ASK_RETRY_MAX_MS ? wait : ASK_RETRY_MAX_MS, 0);
}

static void on_retry(uv_timer_t *timer)
{
	struct ask *a = timer->data;
	struct err err;

	/*
	 * The daemon may be another one by now, elsewhere, with another token. One that
	 * died is started again; one that somebody stopped is not brought back from here,
	 * only waited for, as it may be a restart.
	 */
	if (client_find(a->client) == CLIENT_STOPPED && a->client->told_to_stop) {
		retry_or_give_up(a, "the daemon was stopped before this turn was done");
		return;
	}
	if (client_open(a->client, &err) != 0) {
		finish(a, EXIT_ERROR);
		cmd_error("%s", err.text);
		return;
	}
	connect_ws(a);
}

static void on_open(void *data)
{
	(void)data;
}

static void on_closed(void *data, bool opened, uint16_t code, int status, const struct err *err)
{
	struct ask *a = data;

	a->ws = NULL;
	if (a->exit_code >= 0)
		return;
	if (code == 4004) {
		finish(a, EXIT_ERROR);
		cmd_error("the session is gone");
		return;
	}
	retry_or_give_up(a, err->text);
}

static void connect_ws(struct ask *a)
{
	struct buf target = {0}, headers = {0};

	buf_addf(
	    &target, "/v3/ws?sessionId=%s&afterSeq=%" PRIu64 "&sync=1", a->opts->session, a->seq);
	if (a->daemon_id[0]) {
		buf_adds(&target, "&daemonId=");
		http_query_put(&target, a->daemon_id);
	}
	client_put_auth(a->client, &headers);
	a->ws = ws_call_start(&a->loop, &(struct ws_call_opts){.host = a->client->host,
					    .port = a->client->port,
					    .target = buf_cstr(&target),
					    .headers = buf_cstr(&headers),
					    .connect_ms = ASK_CONNECT_MS,
					    .max_message = ASK_MAX_EVENT,
					    .on_open = on_open,
					    .on_message = on_message,
					    .on_closed = on_closed,
					    .data = a});
	buf_finish(&target);
	buf_finish(&headers);
}

/* --- Ctrl+C --- */

static void on_cancel_late(uv_timer_t *timer)
{
	finish(timer->data, EXIT_CANCELLED);
}

static void on_interrupt(uv_signal_t *handle, int signum)
{
	struct ask *a = handle->data;
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
	if (a->exit_code < 0 && a->ws)
		uv_timer_start(&a->timer, on_cancel_late, ASK_CANCEL_MS, 0);
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
	if (read_last_seq(&a, &err) != 0 || submit(&a, &err) != 0) {
		finish(&a, EXIT_ERROR);
		cmd_error("%s", err.text);
	} else {
		connect_ws(&a);
	}
	uv_run(&a.loop, UV_RUN_DEFAULT);
	uv_loop_close(&a.loop);
	return a.exit_code < 0 ? EXIT_ERROR : a.exit_code;
}
