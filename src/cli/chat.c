/* The loop of chat: keyboard, session, clock; and whose the terminal is. */
#include "cli/chat.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/file.h"
#include "base/ids.h"
#include "cli/client_call.h"
#include "cli/cmd.h"
#include "cli/history.h"
#include "cli/outbox.h"
#include "cli/pager.h"
#include "cli/term.h"

enum {
	CHAT_TICK_MS = 100,	   /* the spinner */
	CHAT_SETTLE_MS = 50,	   /* after which a lone ESC is the key */
	CHAT_RESUMED_MS = 500,	   /* within which SIGCONT comes after Ctrl+Z and fg */
	CHAT_LAST_WORDS_MS = 1000, /* for a slow terminal, once a signal ends us */
};

/* --- the terminal --- */

static struct termios before; /* as we found it, once */
static bool known, raw;

static void leave_raw(void)
{
	static const char off[] = "\033[?2004l\033[?25h";

	if (!raw)
		return;
	raw = false;
	file_write_all(STDOUT_FILENO, off, sizeof off - 1);
	tcsetattr(STDIN_FILENO, TCSANOW, &before);
}

static int enter_raw(void)
{
	static const char on[] = "\033[?2004h";
	struct termios t;

	if (!known && tcgetattr(STDIN_FILENO, &before) != 0)
		return -errno;
	known = true;
	t = before;
	t.c_iflag &= ~(tcflag_t)(ICRNL | INLCR | IXON | ISTRIP | BRKINT);
	t.c_lflag &= ~(tcflag_t)(ICANON | ECHO | ISIG | IEXTEN);
	t.c_cc[VMIN] = 1;
	t.c_cc[VTIME] = 0;
	if (tcsetattr(STDIN_FILENO, TCSADRAIN, &t) != 0)
		return -errno;
	raw = true;
	file_write_all(STDOUT_FILENO, on, sizeof on - 1);
	return 0;
}

/* Our rows go, and what is written for good is on the screen: somebody else may write now. */
static void give_terminal(struct chat *c)
{
	uv_poll_stop(&c->input);
	live_update(&c->live, NULL, 0, NULL, 0, 0, 0);
	outbox_flush(c->out, -1);
	leave_raw();
}

static void on_input(uv_poll_t *poll, int status, int events);

/* It is ours again, wherever its cursor is. The request is shown anew before any key counts. */
static void take_terminal(struct chat *c)
{
	enter_raw();
	live_forget(&c->live);
	uv_poll_start(&c->input, UV_READABLE, on_input);
	chat_show_request(c);
	chat_paint(c);
}

void chat_suspend(struct chat *c)
{
	give_terminal(c);
	term_stop_self();
	c->resumed_us = clock_mono_us();
	take_terminal(c);
}

static void on_chat_paged(void *data, bool shown)
{
	struct chat *c = data;

	c->pager = NULL;
	if (c->leaving)
		return;
	c->consent.viewed |= shown;
	if (!shown)
		chat_warn(c, "the pager could not be run: set PAGER, or install less");
	take_terminal(c);
}

void chat_view_request(struct chat *c)
{
	struct buf text = {0};

	view_put_whole_request(&text, c->request);
	give_terminal(c);
	c->pager = pager_start(&c->loop, text.p, text.len, on_chat_paged, c);
	if (!c->pager)
		on_chat_paged(c, false);
	buf_finish(&text);
}

/* --- the end --- */

void chat_leave(struct chat *c, int exit_code)
{
	struct buf done = {0};

	if (c->leaving)
		return;
	/* What is typed and painted goes; what was said stays. */
	chat_end_text(c);
	page_take(&c->page, &done);
	if (!c->pager)
		live_update(&c->live, done.p, done.len, NULL, 0, 0, 0);
	buf_finish(&done);
	c->leaving = true;
	c->exit_code = exit_code;
	follow_stop(c->follow);
	chat_ask_no_more(c);
	uv_close((uv_handle_t *)&c->input, NULL);
	uv_close((uv_handle_t *)&c->settle, NULL);
	uv_close((uv_handle_t *)&c->tick, NULL);
	uv_close((uv_handle_t *)&c->frame, NULL);
	uv_close((uv_handle_t *)&c->hold, NULL);
	for (unsigned i = 0; i < c->signal_count; i++)
		uv_close((uv_handle_t *)&c->signals[i], NULL);
	uv_stop(&c->loop);
}

/* --- what comes in --- */

static void on_settle(uv_timer_t *timer)
{
	struct chat *c = timer->data;

	if (keys_settle(&c->keys, chat_on_key, c))
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
		chat_leave(c, EXIT_DONE);
		return;
	}
	keys_feed(&c->keys, bytes, (size_t)n, chat_on_key, c);
	if (c->leaving || c->pager)
		return;
	uv_timer_start(&c->settle, on_settle, CHAT_SETTLE_MS, 0);
	chat_paint(c);
}

static void on_tick(uv_timer_t *timer)
{
	struct chat *c = timer->data;

	c->spin++;
	/* While nothing goes on nothing is painted. */
	if (c->turn[0] || c->call_count)
		chat_touch(c);
}

static void on_chat_written(void *data, int error)
{
	struct chat *c = data;

	if (error)
		chat_leave(c, EXIT_ERROR);
	else if (!c->leaving)
		live_continue(&c->live);
}

static void on_chat_signal(uv_signal_t *handle, int signum)
{
	struct chat *c = handle->data;

	switch (signum) {
	case SIGWINCH:
		chat_touch(c);
		break;
	case SIGCONT:
		/* Stopped by somebody else, or by us: then all is done already. */
		if (!c->pager && clock_mono_us() - c->resumed_us > CHAT_RESUMED_MS * 1000ULL)
			take_terminal(c);
		break;
	case SIGINT:
		/* From elsewhere: the key is read as a key. A pager has its own. */
		if (!c->pager)
			chat_on_key(c, KEY_CANCEL, NULL, 0, false);
		break;
	default:
		c->signum = signum;
		chat_leave(c, 128 + signum);
		break;
	}
}

/* --- the whole --- */

static void chat_start(struct chat *c)
{
	static const int signums[CHAT_SIGNALS] = {SIGWINCH, SIGCONT, SIGINT, SIGTERM, SIGHUP};
	int flags = fcntl(STDIN_FILENO, F_GETFL);

	uv_loop_init(&c->loop);
	uv_poll_init(&c->loop, &c->input, STDIN_FILENO);
	/* libuv makes it non-blocking for all who share it: the shell, other jobs, our output. It
	 * is read only when there is something. */
	fcntl(STDIN_FILENO, F_SETFL, flags);
	uv_timer_init(&c->loop, &c->settle);
	uv_timer_init(&c->loop, &c->tick);
	uv_timer_init(&c->loop, &c->frame);
	uv_timer_init(&c->loop, &c->hold);
	c->input.data = c->settle.data = c->tick.data = c->frame.data = c->hold.data = c;
	for (unsigned i = 0; i < CHAT_SIGNALS; i++) {
		uv_signal_init(&c->loop, &c->signals[i]);
		c->signals[i].data = c;
		uv_signal_start(&c->signals[i], on_chat_signal, signums[i]);
	}
	c->signal_count = CHAT_SIGNALS;
	uv_poll_start(&c->input, UV_READABLE, on_input);
	uv_timer_start(&c->tick, on_tick, CHAT_TICK_MS, CHAT_TICK_MS);
	c->out = outbox_new(&c->loop, STDOUT_FILENO, on_chat_written, c);
	c->live.out = c->out;
}

static void greet(struct chat *c)
{
	chat_note(c, "/help lists what can be typed; Alt+Enter makes a new line, Ctrl+C cancels, "
		     "Ctrl+D leaves");
	if (c->allow_all)
		chat_warn(c, "--dangerous: everything the model asks for is done without asking");
}

static void chat_finish(struct chat *c)
{
	live_finish(&c->live);
	outbox_flush(c->out, c->signum ? CHAT_LAST_WORDS_MS : -1);
	leave_raw();
	outbox_stop(c->out);
	chat_queue_clear(c);
	json_decref(c->request);
	json_decref(c->open_turns);
	keys_finish(&c->keys);
	edit_finish(&c->edit);
	page_finish(&c->page);
	buf_finish(&c->answer);
	buf_finish(&c->thinking);
	buf_finish(&c->draft);
}

int chat_run(const struct chat_opts *o)
{
	static struct chat chat; /* large */
	struct chat *c = &chat;
	struct err err;

	*c = (struct chat){.allow_edits = o->allow_edits, .allow_all = o->allow_all};
	if (client_open(&c->client, &err) != 0)
		return cmd_fail(&err);
	snprintf(c->mode, sizeof c->mode, "%s", o->mode);
	ids_make("chat-", 4, c->client_id, sizeof c->client_id);
	c->view = (struct view){.color = term_color(STDOUT_FILENO)};
	page_init(&c->page, term_width(STDOUT_FILENO), c->view.color);
	if (enter_raw() != 0)
		return cmd_error("this terminal's keys cannot be read: %s", strerror(errno));
	chat_start(c);
	history_load(&c->client.paths, &c->edit);
	greet(c);
	if (o->session)
		chat_go_to(c, o->session, true);
	else
		chat_begin_session(c, o->model, o->device, NULL);
	chat_paint(c);
	uv_run(&c->loop, UV_RUN_DEFAULT);
	chat_finish(c);
	/* The handles that are closing are the process's to free. */
	if (c->session[0] && !c->signum)
		term_note("go on with: opta chat --resume %s", c->session);
	return c->exit_code;
}
