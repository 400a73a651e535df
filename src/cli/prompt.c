/* One question on the terminal. */
#include "cli/prompt.h"

#include <fcntl.h>
#include <signal.h>
#include <termios.h>
#include <unistd.h>
#include <uv.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "cli/consent.h"
#include "cli/edit.h"
#include "cli/keys.h"
#include "cli/live.h"
#include "cli/outbox.h"
#include "cli/term.h"

enum {
	PROMPT_MAX_LINE = 4096,
	PROMPT_RESUMED_MS = 500, /* within which SIGCONT comes after Ctrl+Z and fg */
};

static const char unseen_hint[] = "first press v: not all of the request was shown\n";

struct prompt {
	struct prompt_opts opts;
	uv_poll_t poll;
	uv_timer_t hold; /* a key that answers, until it is sure that it is no word's beginning */
	uv_signal_t stop, go_on; /* Ctrl+Z and fg */
	unsigned handles;	 /* open ones; the last frees */
	int fd;			 /* the terminal, our own descriptor */
	struct termios before;
	uint64_t resumed_us;
	bool answered; /* within one read: one answer, and p may be given up */
	bool unseen;   /* yes was said to what was not shown */
	struct keys keys;
	struct consent consent;
	bool reason;	  /* the words of a no are being typed */
	struct edit edit; /* they */
	struct buf text;  /* a line, when one answers */
};

static void paint_prompt(struct prompt *p)
{
	struct live *live = p->opts.live;
	struct buf rows = {0};
	unsigned row = LIVE_END, column = LIVE_END;

	if (p->reason) {
		edit_rows(&p->edit, "no, because › ", live->width, &rows, &row, &column);
	} else {
		if (p->unseen)
			buf_adds(&rows, unseen_hint);
		consent_put_question(&p->consent, live->width, &rows);
	}
	live_update(live, NULL, 0, rows.p, rows.len, row, column);
	buf_finish(&rows);
}

/* p is there until the loop goes on, also when the callback frees it. */
static void answer_with(struct prompt *p, enum prompt_answer answer, const char *text)
{
	if (p->answered)
		return;
	p->answered = true;
	p->opts.on_answer(p->opts.data, answer, text);
}

/* The words of a no. */
static void on_reason_key(struct prompt *p, enum key key, const char *text, size_t n)
{
	if (key == KEY_ENTER) {
		struct str words = str_trim((struct str){p->edit.text.p, p->edit.text.len});
		struct buf why = {0};

		buf_add(&why, words.p, words.n);
		answer_with(p, PROMPT_NO, buf_cstr(&why));
		buf_finish(&why);
	} else if (key == KEY_ESCAPE) {
		p->reason = false;
		consent_show(&p->consent, clock_mono_us());
	} else if (p->edit.text.len + n < PROMPT_MAX_LINE) {
		edit_key(&p->edit, key, text, n);
	}
}

static void carry_out_prompt(struct prompt *p, enum consent_answer answer)
{
	switch (answer) {
	case CONSENT_ONCE:
		answer_with(p, PROMPT_YES, NULL);
		break;
	case CONSENT_SESSION:
		answer_with(p, PROMPT_SESSION, NULL);
		break;
	case CONSENT_NO:
		answer_with(p, PROMPT_NO, NULL);
		break;
	case CONSENT_REASON:
		p->reason = true;
		break;
	case CONSENT_VIEW:
		answer_with(p, PROMPT_VIEW, NULL);
		break;
	case CONSENT_NONE:
	case CONSENT_HELD:
	case CONSENT_UNSEEN:
		break;
	}
}

static void on_prompt_hold(uv_timer_t *timer)
{
	struct prompt *p = timer->data;

	/* Asked again, where the decision could not be kept. */
	p->answered = false;
	carry_out_prompt(p, consent_settle(&p->consent));
	if (!p->answered)
		paint_prompt(p);
}

/* Arrows are not the letters they end in, and a paste is no answer. */
static void on_prompt_key(void *data, enum key key, const char *text, size_t n, bool pasted)
{
	struct prompt *p = data;
	char letter = key == KEY_ENTER ? '\r' : key == KEY_TEXT && !pasted && n == 1 ? text[0] : 0;
	enum consent_answer answer;

	if (p->answered)
		return;
	if (p->reason) {
		on_reason_key(p, key, text, n);
		return;
	}
	p->unseen = false;
	/* What the terminal has not taken yet nobody has seen. */
	if (!p->consent.held && !outbox_is_idle(p->opts.live->out))
		consent_show(&p->consent, clock_mono_us());
	answer = consent_key(&p->consent, letter, false, clock_mono_us());
	p->consent.text = 0; /* nothing is typed here */
	if (answer == CONSENT_HELD)
		uv_timer_start(&p->hold, on_prompt_hold, CONSENT_HOLD_MS, 0);
	else if (answer == CONSENT_UNSEEN)
		p->unseen = true;
	else if (answer == CONSENT_NONE && key == KEY_CANCEL)
		answer_with(p, PROMPT_QUIT, NULL);
	else
		carry_out_prompt(p, answer);
}

static void on_line_bytes(struct prompt *p, const char *bytes, size_t n)
{
	struct str line;

	buf_add(&p->text, bytes, n);
	if (p->text.p[p->text.len - 1] != '\n' && p->text.len < PROMPT_MAX_LINE)
		return;
	line = str_trim((struct str){p->text.p, p->text.len});
	p->text.len = (size_t)(line.p - p->text.p) + line.n;
	if (str_utf8_valid(p->text.p, p->text.len) != p->text.len)
		buf_clear(&p->text);
	p->opts.on_answer(p->opts.data, PROMPT_TEXT, buf_cstr(&p->text));
	buf_clear(&p->text);
}

static void on_prompt_readable(uv_poll_t *poll, int status, int events)
{
	struct prompt *p = poll->data;
	char bytes[256];
	ssize_t n = read(p->fd, bytes, sizeof bytes);

	if (n <= 0) {
		uv_poll_stop(poll);
		return;
	}
	/* Asked again, where the decision could not be kept. */
	p->answered = false;
	if (p->opts.line) {
		on_line_bytes(p, bytes, (size_t)n);
		return;
	}
	keys_feed(&p->keys, bytes, (size_t)n, on_prompt_key, p);
	keys_settle(&p->keys, on_prompt_key, p);
	if (!p->answered)
		paint_prompt(p);
}

static void enter_prompt(struct prompt *p)
{
	struct termios raw = p->before;

	if (p->opts.line) {
		outbox_put(p->opts.live->out, "> ", 2);
		return;
	}
	raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
	raw.c_iflag &= ~(tcflag_t)ICRNL;
	tcsetattr(p->fd, TCSADRAIN, &raw);
	paint_prompt(p);
	consent_show(&p->consent, clock_mono_us());
}

void prompt_repaint(struct prompt *p)
{
	if (p->opts.line)
		return;
	paint_prompt(p);
	consent_show(&p->consent, clock_mono_us());
}

void prompt_pause(struct prompt *p)
{
	uv_poll_stop(&p->poll);
	if (!p->opts.line)
		live_update(p->opts.live, NULL, 0, NULL, 0, 0, 0);
	outbox_flush(p->opts.live->out, -1);
	tcsetattr(p->fd, TCSADRAIN, &p->before);
}

void prompt_resume(struct prompt *p, bool viewed)
{
	p->consent.viewed |= viewed;
	p->answered = false;
	enter_prompt(p);
	uv_poll_start(&p->poll, UV_READABLE, on_prompt_readable);
}

/* Ctrl+Z: the terminal is the shell's until fg; then the question is asked anew. */
static void on_prompt_stop(uv_signal_t *handle, int signum)
{
	struct prompt *p = handle->data;

	prompt_pause(p);
	term_stop_self();
	p->resumed_us = clock_mono_us();
	if (!p->opts.line)
		live_forget(p->opts.live);
	prompt_resume(p, false);
}

static void on_prompt_go_on(uv_signal_t *handle, int signum)
{
	struct prompt *p = handle->data;

	/* After Ctrl+Z all of it is done already. */
	if (clock_mono_us() - p->resumed_us < PROMPT_RESUMED_MS * 1000ULL)
		return;
	if (!p->opts.line)
		live_forget(p->opts.live);
	prompt_resume(p, false);
}

static void on_prompt_closed(uv_handle_t *handle)
{
	struct prompt *p = handle->data;

	if (--p->handles)
		return;
	close(p->fd);
	buf_finish(&p->text);
	keys_finish(&p->keys);
	edit_finish(&p->edit);
	free(p);
}

struct prompt *prompt_new(const struct prompt_opts *opts)
{
	struct prompt *p;
	int fd;

	if (!term_is_terminal(STDERR_FILENO))
		return NULL;
	/* Standard input may be the context that was piped in. */
	fd = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		return NULL;
	p = mem_zalloc(1, sizeof *p);
	p->opts = *opts;
	p->fd = fd;
	p->consent = (struct consent){.command = opts->command, .hidden = opts->hidden};
	p->handles = 4;
	tcgetattr(fd, &p->before);
	uv_poll_init(opts->loop, &p->poll, fd);
	uv_timer_init(opts->loop, &p->hold);
	uv_signal_init(opts->loop, &p->stop);
	uv_signal_init(opts->loop, &p->go_on);
	p->poll.data = p->hold.data = p->stop.data = p->go_on.data = p;
	uv_signal_start(&p->stop, on_prompt_stop, SIGTSTP);
	uv_signal_start(&p->go_on, on_prompt_go_on, SIGCONT);
	enter_prompt(p);
	uv_poll_start(&p->poll, UV_READABLE, on_prompt_readable);
	return p;
}

void prompt_free(struct prompt *p)
{
	if (!p)
		return;
	if (!p->opts.line)
		live_update(p->opts.live, NULL, 0, NULL, 0, 0, 0);
	tcsetattr(p->fd, TCSADRAIN, &p->before);
	uv_close((uv_handle_t *)&p->poll, on_prompt_closed);
	uv_close((uv_handle_t *)&p->hold, on_prompt_closed);
	uv_close((uv_handle_t *)&p->stop, on_prompt_closed);
	uv_close((uv_handle_t *)&p->go_on, on_prompt_closed);
}
