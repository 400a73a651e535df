/* What the keys do in chat. */
#include <string.h>

#include "base/clock.h"
#include "base/str.h"
#include "cli/chat.h"
#include "cli/cmd.h"
#include "cli/history.h"
#include "cli/outbox.h"

enum { CHAT_AGAIN_MS = 2000 }; /* a second Ctrl+C within leaves */

/* --- the words of a no --- */

static void begin_reason(struct chat *c)
{
	c->reason = true;
	buf_clear(&c->draft);
	buf_add(&c->draft, c->edit.text.p, c->edit.text.len);
	edit_set(&c->edit, "", 0);
}

static void end_reason(struct chat *c)
{
	c->reason = false;
	edit_set(&c->edit, c->draft.p, c->draft.len);
	buf_clear(&c->draft);
	consent_show(&c->consent, clock_mono_us());
}

/* --- Ctrl+C, Esc --- */

static void on_chat_interrupt(struct chat *c)
{
	uint64_t now = clock_mono_us();
	bool again = c->interrupted_us && now - c->interrupted_us < CHAT_AGAIN_MS * 1000ULL;

	c->interrupted_us = now;
	if (c->reason) {
		end_reason(c);
	} else if (c->call) {
		chat_ask_no_more(c);
		snprintf(c->hint, sizeof c->hint, "no longer waiting for the daemon's answer");
		if (!c->follow)
			chat_leave(c, EXIT_CANCELLED);
	} else if (again && !c->edit.text.len) {
		chat_leave(c, EXIT_DONE);
	} else if (c->turn[0]) {
		chat_cancel(c);
		if (!c->hint[0])
			snprintf(c->hint, sizeof c->hint, "cancelling; Ctrl+C again leaves");
	} else if (c->edit.text.len) {
		edit_set(&c->edit, "", 0);
	} else {
		snprintf(c->hint, sizeof c->hint, "Ctrl+C again, or Ctrl+D, leaves");
	}
}

static void on_escape(struct chat *c)
{
	if (c->reason)
		end_reason(c);
	else
		chat_cancel(c);
}

/* --- a line --- */

static void send_line(struct chat *c, const char *words, size_t n)
{
	if (c->reason) {
		chat_answer(c, false, false, words);
		edit_set(&c->edit, "", 0);
	} else if (c->asked[0] && c->question) {
		chat_answer(c, true, false, words);
		chat_put_words(c, "› ", words, n);
		edit_accept(&c->edit);
	} else if (words[0] == '/') {
		edit_accept(&c->edit);
		slash_run(c, words);
	} else if (chat_submit(c, words, n)) {
		history_add(&c->client.paths, words, n);
		edit_accept(&c->edit);
	}
	/* Else it stays, to be sent again. */
}

/* A line was typed. */
static void on_line(struct chat *c)
{
	struct str words = str_trim((struct str){c->edit.text.p, c->edit.text.len});
	struct buf line = {0};

	buf_add(&line, words.p, words.n);
	if (words.n || c->reason)
		send_line(c, buf_cstr(&line), words.n);
	buf_finish(&line);
}

static void on_enter(struct chat *c)
{
	/* A backslash at the end goes on in the next line. */
	if (c->edit.cursor && c->edit.text.p[c->edit.cursor - 1] == '\\') {
		edit_key(&c->edit, KEY_BACKSPACE, NULL, 0);
		edit_key(&c->edit, KEY_NEWLINE, NULL, 0);
	} else {
		on_line(c);
	}
}

/* --- answers --- */

static void carry_out_in_chat(struct chat *c, enum consent_answer answer)
{
	switch (answer) {
	case CONSENT_ONCE:
	case CONSENT_SESSION:
		chat_answer(c, true, answer == CONSENT_SESSION, NULL);
		break;
	case CONSENT_NO:
		chat_answer(c, false, false, NULL);
		break;
	case CONSENT_REASON:
		begin_reason(c);
		break;
	case CONSENT_VIEW:
		chat_view_request(c);
		break;
	case CONSENT_NONE:
	case CONSENT_HELD:
	case CONSENT_UNSEEN:
		break;
	}
}

static void on_chat_hold(uv_timer_t *timer)
{
	struct chat *c = timer->data;

	if (c->leaving || c->pager)
		return;
	carry_out_in_chat(c, consent_settle(&c->consent));
	chat_touch(c);
}

/* A key that answers the request. False: it is something else. */
static bool on_answer_key(struct chat *c, enum key key, const char *text, size_t n, bool pasted)
{
	char letter = key == KEY_ENTER ? '\r' : key == KEY_TEXT && n == 1 && !pasted ? text[0] : 0;
	uint64_t now = clock_mono_us();
	enum consent_answer answer;

	if (!c->consent.open || c->reason)
		return false;
	/* What the terminal has not taken yet nobody has seen. */
	if (!c->consent.held && !outbox_is_idle(c->out))
		consent_show(&c->consent, now);
	answer = consent_key(&c->consent, letter, c->edit.text.len > 0, now);
	if (c->consent.text)
		edit_key(&c->edit, KEY_TEXT, &c->consent.text, 1);
	c->consent.text = 0;
	if (answer == CONSENT_HELD)
		uv_timer_start(&c->hold, on_chat_hold, CONSENT_HOLD_MS, 0);
	else if (answer == CONSENT_UNSEEN)
		snprintf(c->hint, sizeof c->hint,
		    "not all of the request was shown: first press v, or answer n");
	else
		carry_out_in_chat(c, answer);
	return answer != CONSENT_NONE;
}

void chat_on_key(void *data, enum key key, const char *text, size_t n, bool pasted)
{
	struct chat *c = data;

	if (c->leaving || c->pager)
		return;
	c->hint[0] = '\0';
	if (key != KEY_CANCEL)
		c->interrupted_us = 0;
	if (on_answer_key(c, key, text, n, pasted))
		return;
	if (key == KEY_UP && !c->edit.text.len && !c->reason && chat_take_back(c))
		return;
	if (edit_key(&c->edit, key, text, n))
		return;
	switch (key) {
	case KEY_ENTER:
		on_enter(c);
		break;
	case KEY_CANCEL:
		on_chat_interrupt(c);
		break;
	case KEY_ESCAPE:
		on_escape(c);
		break;
	case KEY_EOF:
		chat_leave(c, EXIT_DONE);
		break;
	case KEY_TAB:
		slash_complete(c);
		break;
	case KEY_SUSPEND:
		chat_suspend(c);
		break;
	case KEY_CLEAR:
		live_clear(&c->live);
		chat_show_request(c);
		break;
	default:
		break;
	}
}
