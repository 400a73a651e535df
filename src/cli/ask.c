/* One turn from the command line. */
#include "cli/ask_turn.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <unistd.h>
#include <uv.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/ids.h"
#include "base/json.h"
#include "base/lingering.h"
#include "base/map.h"
#include "cli/client.h"
#include "cli/client_call.h"
#include "cli/cmd.h"
#include "cli/follow.h"
#include "cli/live.h"
#include "cli/outbox.h"
#include "cli/page.h"
#include "cli/term.h"

enum {
	ASK_REQUEST_MS = 30000,
	ASK_CANCEL_MS = 5000,	  /* for a cancel to be in the log */
	ASK_LAST_WORDS_MS = 1000, /* for a slow reader, once a signal ends us */
};

/* --- the end --- */

void ask_finish(struct ask *a, int code)
{
	if (a->exit_code >= 0)
		return;
	ask_end_prompt(a);
	ask_end_text(a);
	ask_paint(a);
	a->exit_code = code;
	follow_stop(a->follow);
	client_call_cancel(a->call);
	client_open_cancel(a->opening);
	a->call = NULL;
	uv_stop(&a->loop);
	uv_close((uv_handle_t *)&a->timer, NULL);
	uv_close((uv_handle_t *)&a->frame, NULL);
	if (a->watches_reader)
		uv_close((uv_handle_t *)&a->reader, NULL);
	for (unsigned i = 0; i < a->signal_count; i++)
		uv_close((uv_handle_t *)&a->signals[i], NULL);
}

/* End with a sentence; code: the machine's word for it, or NULL. */
void ask_fail(struct ask *a, int exit_code, const char *text, const char *code)
{
	if (a->exit_code >= 0)
		return;
	ask_finish(a, exit_code);
	err_set(&a->error, ERR_REFUSED, "%s", text);
	snprintf(a->error_code, sizeof a->error_code, "%s", code ? code : "");
}

/* What went wrong and, for what a first user meets first, what to do. */
static void ask_say_error(const struct ask *a)
{
	if (!a->error_code[0]) {
		cmd_error("%s", a->error.text);
		return;
	}
	if (a->opts->format == ASK_JSON)
		return;
	cmd_error("%s (%s)", a->error.text, a->error_code);
	if (strcmp(a->error_code, TURN_ERROR_UNREACHABLE) == 0)
		term_note(
		    "say where your model server is: opta config set connection.host HOST:PORT; "
		    "or try the built-in one: opta lmx demo");
}

/* --- cancelling --- */

int ask_cancelled_code(const struct ask *a)
{
	return a->lost_reader ? EXIT_ERROR : a->signum ? 128 + a->signum : EXIT_CANCELLED;
}

static void on_ask_cancel_late(uv_timer_t *timer)
{
	struct ask *a = timer->data;

	ask_fail(a, ask_cancelled_code(a),
	    "the daemon did not say that the turn is cancelled: `opta status` tells", NULL);
}

static void on_ask_cancel_answered(void *data, int status, struct buf *out, const struct err *err)
{
	struct ask *a = data;

	a->call = NULL;
	/* session.cancelled comes as an event; without a cursor nothing would. */
	if (status > 0 && !a->follow)
		ask_finish(a, ask_cancelled_code(a));
}

static void send_ask_cancel(struct ask *a)
{
	struct buf target = {0}, body = {0};

	client_call_cancel(a->call);
	buf_addf(&target, "/v3/sessions/%s/cancel", a->opts->session);
	buf_addf(&body, "{\"turnId\":\"%s\"}", a->turn_id);
	a->call = client_call_start(&a->loop, &(struct client_call_opts){.client = a->client,
						  .method = "POST",
						  .target = buf_cstr(&target),
						  .body = buf_cstr(&body),
						  .ms = ASK_CANCEL_MS,
						  .on_done = on_ask_cancel_answered,
						  .data = a});
	buf_finish(&target);
	buf_finish(&body);
}

/* Cancel the turn and end; a second time: end at once. */
void ask_cancel(struct ask *a)
{
	if (a->exit_code >= 0)
		return;
	if (a->cancelling) {
		ask_finish(a, ask_cancelled_code(a));
		return;
	}
	a->cancelling = true;
	uv_timer_start(&a->timer, on_ask_cancel_late, ASK_CANCEL_MS, 0);
	/* Not accepted yet: its answer is waited for, so that nothing is left running behind. */
	if (a->turn_id[0])
		send_ask_cancel(a);
}

static void on_ask_signal(uv_signal_t *handle, int signum)
{
	struct ask *a = handle->data;

	/* While a pager has the terminal Ctrl+C is the pager's. */
	if (signum == SIGINT && a->pager)
		return;
	if (signum != SIGINT)
		a->signum = signum;
	if (signum != SIGINT && a->opts->leave_running)
		ask_finish(a, ask_cancelled_code(a));
	else
		ask_cancel(a);
}

/* Nobody reads any more: what the model would still do is done for nobody. */
static void ask_lose_reader(struct ask *a)
{
	if (a->lost_reader || a->exit_code >= 0)
		return;
	a->lost_reader = true;
	if (a->cancelling || a->opts->leave_running)
		ask_finish(a, EXIT_ERROR);
	else
		ask_cancel(a);
}

static void on_reader_gone(uv_poll_t *poll, int status, int events)
{
	uv_poll_stop(poll);
	ask_lose_reader(poll->data);
}

static void on_ask_written(void *data, int error)
{
	struct ask *a = data;

	a->write_error = error;
	if (error)
		ask_lose_reader(a);
	else if (a->live.out == a->out && a->exit_code < 0)
		live_continue(&a->live);
}

static void on_screen_written(void *data, int error)
{
	struct ask *a = data;

	if (!error && a->exit_code < 0)
		live_continue(&a->live);
}

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

static void put_ask_overrides(const struct ask_opts *o, struct buf *body)
{
	buf_addf(body, ",\"overrides\":{\"auto\":%s,\"dangerous\":%s,\"nonInteractive\":%s",
	    o->allow_edits ? "true" : "false", o->allow_all ? "true" : "false",
	    o->non_interactive ? "true" : "false");
	if (o->max_tool_calls)
		buf_addf(body, ",\"maxToolCalls\":%" PRIu64, o->max_tool_calls);
	buf_addc(body, '}');
}

static void ask_submit(struct ask *a);

static void on_ask_opened_again(
    void *data, int rc, const struct client *found, const struct err *err)
{
	struct ask *a = data;

	a->opening = NULL;
	if (rc != 0) {
		ask_fail(a, EXIT_ERROR, err->text, NULL);
		return;
	}
	*a->client = *found;
	ask_submit(a);
}

static void on_ask_down(void *data)
{
	ask_note(data, "Connection interrupted, reconnecting...");
}

static void on_ask_lost(void *data, const char *why)
{
	ask_fail(data, EXIT_ERROR, why, NULL);
}

static void ask_follow(struct ask *a)
{
	a->follow = follow_start(&(struct follow_opts){.loop = &a->loop,
	    .client = a->client,
	    .session = a->opts->session,
	    .seq = a->seq,
	    .on_event = ask_on_event,
	    .on_down = on_ask_down,
	    .on_lost = on_ask_lost,
	    .data = a});
}

static void on_ask_submitted(void *data, int status, struct buf *out, const struct err *err)
{
	struct ask *a = data;
	struct err why = *err;
	char text[500];
	json_t *root;

	a->call = NULL;
	/* The answer may be what was lost: asked again, with the same key, it is the same turn. */
	if (status <= 0 && !a->submitted_again && !a->cancelling) {
		a->submitted_again = true;
		a->opening = client_open_start(&a->loop, false, on_ask_opened_again, a);
		return;
	}
	root = client_parse_answer(status, out, &why);
	if (root)
		snprintf(a->turn_id, sizeof a->turn_id, "%s", json_cstr(root, "turnId", ""));
	json_decref(root);
	if (!a->turn_id[0]) {
		snprintf(text, sizeof text, "the turn was not accepted: %.400s", why.text);
		ask_fail(a, EXIT_ERROR, text, NULL);
		return;
	}
	ask_follow(a);
	if (a->cancelling)
		send_ask_cancel(a);
}

static void ask_submit(struct ask *a)
{
	struct buf target = {0}, body = {0};

	buf_addf(&target, "/v3/sessions/%s/turns", a->opts->session);
	buf_adds(&body, "{\"content\":");
	json_put_str(&body, a->opts->content, a->opts->content_len);
	buf_addf(&body, ",\"mode\":\"%s\",\"clientId\":\"opta-cli\",\"idempotencyKey\":\"%s\"",
	    a->opts->mode, a->key);
	put_ask_overrides(a->opts, &body);
	buf_addc(&body, '}');
	a->call = client_call_start(&a->loop, &(struct client_call_opts){.client = a->client,
						  .method = "POST",
						  .target = buf_cstr(&target),
						  .body = buf_cstr(&body),
						  .ms = ASK_REQUEST_MS,
						  .on_done = on_ask_submitted,
						  .data = a});
	buf_finish(&target);
	buf_finish(&body);
}

static void on_ask_session(void *data, int status, struct buf *out, const struct err *err)
{
	struct ask *a = data;
	struct err why = *err;
	json_t *root = client_parse_answer(status, out, &why);

	a->call = NULL;
	if (!root) {
		ask_fail(a, EXIT_ERROR, why.text, NULL);
		return;
	}
	a->seq = (uint64_t)json_int(root, "lastSeq", 0);
	json_decref(root);
	if (a->cancelling)
		ask_finish(a, ask_cancelled_code(a));
	else
		ask_submit(a);
}

/* Where the log stands before our turn. */
static void ask_look_at_session(struct ask *a)
{
	struct buf target = {0};

	buf_addf(&target, "/v3/sessions/%s", a->opts->session);
	a->call = client_call_start(&a->loop, &(struct client_call_opts){.client = a->client,
						  .method = "GET",
						  .target = buf_cstr(&target),
						  .ms = ASK_REQUEST_MS,
						  .on_done = on_ask_session,
						  .data = a});
	buf_finish(&target);
}

/* --- the whole --- */

/* Whoever started us may have asked for a signal to be ignored (nohup). */
static void ask_heed_signal(struct ask *a, int signum)
{
	uv_signal_t *handle = &a->signals[a->signal_count];
	struct sigaction act;

	if (sigaction(signum, NULL, &act) == 0 && act.sa_handler == SIG_IGN)
		return;
	uv_signal_init(&a->loop, handle);
	handle->data = a;
	uv_signal_start(handle, on_ask_signal, signum);
	a->signal_count++;
}

/* A pipe whose reader goes says so (poll(2), POLLERR); a file never does. */
static void ask_watch_reader(struct ask *a)
{
	int flags = fcntl(STDOUT_FILENO, F_GETFL);

	if (term_is_terminal(STDOUT_FILENO) ||
	    uv_poll_init(&a->loop, &a->reader, STDOUT_FILENO) != 0)
		return;
	/* libuv makes it non-blocking, for all who share it. */
	fcntl(STDOUT_FILENO, F_SETFL, flags);
	a->watches_reader = true;
	a->reader.data = a;
	uv_poll_start(&a->reader, UV_DISCONNECT, on_reader_gone);
}

static void ask_begin(struct ask *a)
{
	/* Those that end a program and can be caught, but for those of a crash and the real-time
	   ones (signal(7)). */
	static const int signums[ASK_SIGNALS] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2,
	    SIGALRM, SIGVTALRM, SIGPROF, SIGXCPU, SIGXFSZ, SIGIO, SIGPWR, SIGSTKFLT};

	uv_loop_init(&a->loop);
	uv_timer_init(&a->loop, &a->timer);
	uv_timer_init(&a->loop, &a->frame);
	a->timer.data = a->frame.data = a;
	/* Before the turn exists, so that nothing leaves one running behind. */
	for (size_t i = 0; i < ASK_SIGNALS; i++)
		ask_heed_signal(a, signums[i]);
	ask_watch_reader(a);
	a->out = outbox_new(&a->loop, STDOUT_FILENO, on_ask_written, a);
	if (term_moves(STDOUT_FILENO))
		a->screen = a->out;
	else if (term_moves(STDERR_FILENO))
		a->screen = outbox_new(&a->loop, STDERR_FILENO, on_screen_written, a);
	a->live.out = a->screen;
	live_resize(&a->live, term_width(STDERR_FILENO), term_height(STDERR_FILENO));
	a->painting = a->opts->format == ASK_MARKDOWN && term_moves(STDOUT_FILENO);
	page_init(&a->page, a->live.width, term_color(STDOUT_FILENO));
	ids_make("cli_", 12, a->key, sizeof a->key);
}

static void ask_end(struct ask *a)
{
	int ms = a->signum ? ASK_LAST_WORDS_MS : -1;
	struct started *s;
	size_t at = 0;

	if (a->live.out)
		live_finish(&a->live);
	if (!outbox_flush(a->out, ms) && !a->write_error)
		a->write_error = outbox_error(a->out);
	if (a->screen && a->screen != a->out) {
		outbox_flush(a->screen, ms);
		outbox_stop(a->screen);
	}
	outbox_stop(a->out);
	/* A search for the daemon that hangs is left to the end of the process. */
	if (!lingering_any()) {
		uv_run(&a->loop, UV_RUN_DEFAULT);
		uv_loop_close(&a->loop);
	}
	if (a->write_error)
		cmd_error("cannot write standard output: %s%s", strerror(-a->write_error),
		    a->exit_code == EXIT_DONE || a->opts->leave_running
			? ""
			: "; the turn was cancelled");
	else if (a->lost_reader)
		cmd_error("standard output is not read any more; the turn %s",
		    a->opts->leave_running ? "goes on" : "was cancelled");
	else if (a->error.code)
		ask_say_error(a);
	page_finish(&a->page);
	buf_finish(&a->waiting);
	while ((s = map_next(&a->started, &at)))
		ask_free_started(s);
	map_finish(&a->started);
}

int ask_run(struct client *c, const struct ask_opts *opts)
{
	struct ask a = {.client = c, .opts = opts, .exit_code = -1};

	ask_begin(&a);
	ask_look_at_session(&a);
	uv_run(&a.loop, UV_RUN_DEFAULT);
	ask_end(&a);
	if (opts->ret_gone && (a.signum || a.lost_reader || a.write_error))
		*opts->ret_gone = true;
	if (a.exit_code == EXIT_DONE && a.write_error)
		a.exit_code = EXIT_ERROR;
	return a.exit_code < 0 ? EXIT_ERROR : a.exit_code;
}
