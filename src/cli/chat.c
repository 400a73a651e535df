/* The loop of chat: keyboard, session, clock. */
#include "cli/chat.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/file.h"
#include "base/ids.h"
#include "base/json.h"
#include "cli/ask.h"
#include "cli/cmd.h"
#include "cli/history.h"
#include "cli/markdown.h"
#include "cli/term.h"
#include "cli/transcript.h"

enum {
	CHAT_REQUEST_MS = 10000,
	CHAT_TICK_MS = 100,   /* the spinner */
	CHAT_SETTLE_MS = 50,  /* after which a lone ESC is the key */
	CHAT_AGAIN_MS = 2000, /* a second Ctrl+C within leaves */
	CHAT_SHOWN = 6,	      /* messages shown when a session is resumed */
};

/* --- the terminal --- */

static struct termios before;
static bool raw;

static void leave_raw(void)
{
	static const char off[] = "\033[?2004l\033[?25h";

	if (!raw)
		return;
	raw = false;
	file_write_all(STDOUT_FILENO, off, sizeof off - 1);
	tcsetattr(STDIN_FILENO, TCSADRAIN, &before);
}

static int enter_raw(void)
{
	static const char on[] = "\033[?2004h";
	struct termios t;

	if (tcgetattr(STDIN_FILENO, &before) != 0)
		return -errno;
	t = before;
	t.c_iflag &= ~(tcflag_t)(ICRNL | INLCR | IXON | ISTRIP | BRKINT);
	t.c_lflag &= ~(tcflag_t)(ICANON | ECHO | ISIG | IEXTEN);
	t.c_cc[VMIN] = 1;
	t.c_cc[VTIME] = 0;
	if (tcsetattr(STDIN_FILENO, TCSADRAIN, &t) != 0)
		return -errno;
	raw = true;
	/* However it ends, the person gets their terminal back. */
	atexit(leave_raw);
	file_write_all(STDOUT_FILENO, on, sizeof on - 1);
	return 0;
}

/* --- requests --- */

json_t *chat_request(struct chat *c, const char *method, const char *target, const char *body)
{
	struct err err;
	json_t *root = client_json(&c->client, method, target, body, CHAT_REQUEST_MS, NULL, &err);

	if (!root)
		chat_warn(c, "%s", err.text);
	return root;
}

bool chat_new_session(
    struct chat *c, const char *model, const char *device, const char *messages, char *ret_id)
{
	struct buf body = {0};
	char cwd[4096];
	json_t *root;

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
	root = chat_request(c, "POST", "/v3/sessions", buf_cstr(&body));
	snprintf(ret_id, 72, "%s", json_cstr(root, "id", ""));
	json_decref(root);
	buf_finish(&body);
	return ret_id[0] != '\0';
}

bool chat_submit(struct chat *c, const char *p, size_t n)
{
	struct buf json = {0};
	char key[40];
	bool sent;

	ids_make("chat_", 12, key, sizeof key);
	buf_adds(&json, "{\"type\":\"turn.submit\",\"sessionId\":");
	json_put_cstr(&json, c->session);
	buf_addf(&json,
	    ",\"clientId\":\"%s\",\"writerId\":\"%s\",\"mode\":\"%s\",\"idempotencyKey\":\"%s\"",
	    c->client_id, c->client_id, c->mode, key);
	buf_addf(&json, ",\"overrides\":{\"auto\":%s,\"dangerous\":%s},\"content\":",
	    c->allow_edits ? "true" : "false", c->allow_all ? "true" : "false");
	json_put_str(&json, p, n);
	buf_addc(&json, '}');
	sent = follow_send(c->follow, json.p, json.len);
	buf_finish(&json);
	if (sent)
		c->waiting++;
	else
		snprintf(c->hint, sizeof c->hint,
		    "not connected to the daemon just now: try again in a moment");
	return sent;
}

void chat_cancel(struct chat *c)
{
	struct buf json = {0};

	buf_adds(&json, "{\"type\":\"turn.cancel\",\"sessionId\":");
	json_put_cstr(&json, c->session);
	buf_addc(&json, '}');
	if (!follow_send(c->follow, json.p, json.len))
		snprintf(c->hint, sizeof c->hint,
		    "not connected to the daemon just now: try again in a moment");
	buf_finish(&json);
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
	if (!follow_send(c->follow, json.p, json.len))
		snprintf(c->hint, sizeof c->hint,
		    "not connected to the daemon just now: answer again in a moment");
	buf_finish(&json);
}

/* --- the session --- */

static void on_up(void *data)
{
	struct chat *c = data;

	c->down = false;
	chat_touch(c);
}

static void on_down(void *data)
{
	struct chat *c = data;

	c->down = true;
	chat_end_text(c);
	chat_note(c, "Connection interrupted, reconnecting...");
	chat_touch(c);
}

static void on_lost(void *data, const char *why)
{
	struct chat *c = data;

	chat_end_text(c);
	chat_warn(c, "%s", why);
	chat_paint(c);
	chat_leave(c);
}

bool chat_switch(struct chat *c, const char *session, bool show)
{
	struct buf target = {0};
	json_t *root;
	char id[72];

	snprintf(id, sizeof id, "%s", session);
	buf_addf(&target, "/v3/sessions/%s", id);
	root = chat_request(c, "GET", buf_cstr(&target), NULL);
	buf_finish(&target);
	if (!root)
		return false;
	follow_stop(c->follow);
	snprintf(c->session, sizeof c->session, "%s", json_cstr(root, "id", id));
	snprintf(c->model, sizeof c->model, "%s", json_cstr(root, "model", ""));
	c->turn[0] = c->asked[0] = '\0';
	c->waiting = 0;
	c->context_used = 0;
	if (show) {
		chat_note(c, "session %s  %s", c->session, json_cstr(root, "title", ""));
		transcript_put_messages(&c->done, &c->view, root, false, CHAT_SHOWN);
	}
	c->follow = follow_start(&(struct follow_opts){.loop = &c->loop,
	    .client = &c->client,
	    .session = c->session,
	    .seq = (uint64_t)json_int(root, "lastSeq", 0),
	    .on_event = chat_on_event,
	    .on_frame = chat_on_frame,
	    .on_up = on_up,
	    .on_down = on_down,
	    .on_lost = on_lost,
	    .data = c});
	json_decref(root);
	return true;
}

/* --- keys --- */

void chat_leave(struct chat *c)
{
	if (c->leaving)
		return;
	/* What is typed and painted goes; what was said stays. */
	chat_end_text(c);
	live_update(&c->live, c->done.p, c->done.len, NULL, 0, 0, 0);
	c->leaving = true;
	follow_stop(c->follow);
	uv_close((uv_handle_t *)&c->input, NULL);
	uv_close((uv_handle_t *)&c->settle, NULL);
	uv_close((uv_handle_t *)&c->tick, NULL);
	uv_close((uv_handle_t *)&c->frame, NULL);
	uv_close((uv_handle_t *)&c->resize, NULL);
	uv_close((uv_handle_t *)&c->terminate, NULL);
}

static void on_interrupt(struct chat *c)
{
	uint64_t now = clock_mono_us();
	bool again = c->interrupted_us && now - c->interrupted_us < CHAT_AGAIN_MS * 1000ULL;

	c->interrupted_us = now;
	if (again && !c->edit.text.len) {
		chat_leave(c);
	} else if (c->turn[0] || c->waiting) {
		chat_cancel(c);
		snprintf(c->hint, sizeof c->hint, "cancelling; Ctrl+C again leaves");
	} else if (c->edit.text.len) {
		edit_set(&c->edit, "", 0);
	} else {
		snprintf(c->hint, sizeof c->hint, "Ctrl+C again, or Ctrl+D, leaves");
	}
}

/* A line was typed. */
static void on_line(struct chat *c)
{
	struct buf line = {0};
	struct str words;

	buf_add(&line, c->edit.text.p, c->edit.text.len);
	words = str_trim((struct str){line.p, line.len});
	if (!words.n)
		goto out;
	if (c->asked[0] && c->question) {
		line.len = (size_t)(words.p - line.p) + words.n;
		chat_answer(c, true, false, buf_cstr(&line) + (words.p - line.p));
		chat_put_words(c, "› ", words.p, words.n);
	} else if (words.p[0] == '/') {
		line.len = (size_t)(words.p - line.p) + words.n;
		edit_accept(&c->edit);
		slash_run(c, buf_cstr(&line) + (words.p - line.p));
		goto out;
	} else if (chat_submit(c, words.p, words.n)) {
		chat_end_text(c);
		chat_put_words(c, "› ", words.p, words.n);
		history_add(&c->client.paths, words.p, words.n);
	} else {
		goto out; /* it stays to be sent again */
	}
	edit_accept(&c->edit);
out:
	buf_finish(&line);
}

/* The keys that answer a request. True: it was one. */
static bool answer_key(struct chat *c, enum key key, const char *text, size_t n)
{
	if (!c->asked[0] || c->question || key != KEY_TEXT || n != 1)
		return false;
	switch (text[0]) {
	case 'a':
	case 'y':
		chat_answer(c, true, false, NULL);
		return true;
	case 'A':
		chat_answer(c, true, true, NULL);
		return true;
	case 'd':
	case 'D':
	case 'n':
		chat_answer(c, false, false, NULL);
		return true;
	case 'q':
	case 'Q':
		chat_cancel(c);
		return true;
	default:
		return true; /* nothing is typed meanwhile */
	}
}

static void on_key(void *data, enum key key, const char *text, size_t n, bool pasted)
{
	static const char clear[] = "\033[2J\033[H";
	struct chat *c = data;

	if (c->leaving)
		return;
	c->hint[0] = '\0';
	if (key != KEY_CANCEL)
		c->interrupted_us = 0;
	if (c->asked[0] && !c->question && pasted)
		return; /* a paste is no answer */
	if (answer_key(c, key, text, n) || edit_key(&c->edit, key, text, n))
		return;
	switch (key) {
	case KEY_ENTER:
		/* A backslash at the end goes on in the next line. */
		if (c->edit.cursor && c->edit.text.p[c->edit.cursor - 1] == '\\') {
			edit_key(&c->edit, KEY_BACKSPACE, NULL, 0);
			edit_key(&c->edit, KEY_NEWLINE, NULL, 0);
		} else {
			on_line(c);
		}
		break;
	case KEY_CANCEL:
		on_interrupt(c);
		break;
	case KEY_EOF:
		chat_leave(c);
		break;
	case KEY_TAB:
		slash_complete(c);
		break;
	case KEY_CLEAR:
		file_write_all(STDOUT_FILENO, clear, sizeof clear - 1);
		c->live.count = c->live.row = c->live.column = 0;
		buf_clear(&c->live.rows);
		break;
	default:
		break;
	}
}

static void on_settle(uv_timer_t *timer)
{
	struct chat *c = timer->data;

	if (keys_settle(&c->keys, on_key, c))
		chat_touch(c);
}

static void on_input(uv_poll_t *poll, int status, int events)
{
	struct chat *c = poll->data;
	char bytes[4096];
	ssize_t n = read(STDIN_FILENO, bytes, sizeof bytes);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		chat_leave(c);
		return;
	}
	keys_feed(&c->keys, bytes, (size_t)n, on_key, c);
	if (c->leaving)
		return;
	uv_timer_start(&c->settle, on_settle, CHAT_SETTLE_MS, 0);
	chat_paint(c);
}

/* --- the clock and the window --- */

static void on_tick(uv_timer_t *timer)
{
	struct chat *c = timer->data;

	c->spin++;
	/* While nothing goes on nothing is painted. */
	if (c->turn[0] || c->call_count)
		chat_touch(c);
}

static void measure(struct chat *c)
{
	live_resize(&c->live, term_width(STDOUT_FILENO), term_height(STDOUT_FILENO));
	c->view.width = c->live.width;
	markdown_stream_set_width(c->markdown, c->live.width);
}

static void on_resize(uv_signal_t *signal, int signum)
{
	struct chat *c = signal->data;

	measure(c);
	chat_touch(c);
}

static void on_terminate(uv_signal_t *signal, int signum)
{
	chat_leave(signal->data);
}

static void start(struct chat *c)
{
	uv_poll_init(&c->loop, &c->input, STDIN_FILENO);
	uv_timer_init(&c->loop, &c->settle);
	uv_timer_init(&c->loop, &c->tick);
	uv_timer_init(&c->loop, &c->frame);
	uv_signal_init(&c->loop, &c->resize);
	uv_signal_init(&c->loop, &c->terminate);
	c->input.data = c->settle.data = c->tick.data = c->frame.data = c->resize.data =
	    c->terminate.data = c;
	uv_poll_start(&c->input, UV_READABLE, on_input);
	uv_timer_start(&c->tick, on_tick, CHAT_TICK_MS, CHAT_TICK_MS);
	uv_signal_start(&c->resize, on_resize, SIGWINCH);
	uv_signal_start(&c->terminate, on_terminate, SIGTERM);
}

static void greet(struct chat *c)
{
	chat_note(c, "/help lists what can be typed; Alt+Enter makes a new line, Ctrl+C cancels, "
		     "Ctrl+D leaves");
	if (c->allow_all)
		chat_warn(c, "--dangerous: everything the model asks for is done without asking");
}

static void finish(struct chat *c)
{
	live_finish(&c->live);
	keys_finish(&c->keys);
	edit_finish(&c->edit);
	markdown_stream_free(c->markdown);
	buf_finish(&c->done);
	buf_finish(&c->answer);
	buf_finish(&c->thinking);
}

int chat_run(const struct chat_opts *o)
{
	static struct chat chat; /* large */
	struct chat *c = &chat;
	char id[72] = "";
	struct err err;
	bool good;

	*c = (struct chat){.allow_edits = o->allow_edits, .allow_all = o->allow_all};
	if (client_open(&c->client, &err) != 0)
		return cmd_error("%s", err.text);
	snprintf(c->mode, sizeof c->mode, "%s", o->mode);
	ids_make("chat-", 4, c->client_id, sizeof c->client_id);
	c->view = (struct view){.color = term_color(STDOUT_FILENO)};
	c->markdown = markdown_stream_new(80, c->view.color);
	c->live.fd = STDOUT_FILENO;
	measure(c);
	uv_loop_init(&c->loop);
	start(c);
	history_load(&c->client.paths, &c->edit);
	greet(c);
	good = o->session ? chat_switch(c, o->session, true)
			  : chat_new_session(c, o->model, o->device, NULL, id) &&
				chat_switch(c, id, false);
	if (!good || enter_raw() != 0) {
		/* The reason stands in what was to be painted. */
		file_write_all(STDERR_FILENO, c->done.p, c->done.len);
		c->leaving = true;
		finish(c);
		return EXIT_ERROR;
	}
	chat_paint(c);
	uv_run(&c->loop, UV_RUN_DEFAULT);
	uv_loop_close(&c->loop);
	leave_raw();
	if (c->session[0])
		term_note("go on with: opta chat --resume %s", c->session);
	finish(c);
	return EXIT_DONE;
}
