/* What `opta do` prints. */
#include "cli/ask_turn.h"

#include <stdarg.h>
#include <unistd.h>
#include <uv.h>

#include "base/buf.h"
#include "base/clock.h"
#include "cli/live.h"
#include "cli/outbox.h"
#include "cli/page.h"
#include "cli/prompt.h"
#include "cli/term.h"
#include "cli/view.h"

enum { ASK_FRAME_MS = 30 }; /* between paintings */

/* --- what is printed --- */

void ask_paint(struct ask *a)
{
	struct buf done = {0}, open = {0};

	if (!a->painting || a->pager || !a->live.out)
		return;
	a->painted_us = clock_mono_us();
	live_resize(&a->live, term_width(STDOUT_FILENO), term_height(STDOUT_FILENO));
	page_set_width(&a->page, a->live.width);
	page_take(&a->page, &done);
	page_put_open(&a->page, &open);
	/* The question stands where the open block would. */
	if (!a->prompt) {
		live_update(&a->live, done.p, done.len, open.p, open.len, LIVE_END, LIVE_END);
	} else if (done.len) {
		live_update(&a->live, done.p, done.len, NULL, 0, 0, 0);
		prompt_repaint(a->prompt);
	}
	buf_finish(&done);
	buf_finish(&open);
}

static void on_ask_frame(uv_timer_t *timer)
{
	ask_paint(timer->data);
}

/* Something changed: paint soon, at most every ASK_FRAME_MS however much comes. */
void ask_touch(struct ask *a)
{
	uint64_t since = (clock_mono_us() - a->painted_us) / 1000;

	if (a->painting && a->exit_code < 0 && !uv_is_active((uv_handle_t *)&a->frame))
		uv_timer_start(
		    &a->frame, on_ask_frame, since < ASK_FRAME_MS ? ASK_FRAME_MS - since : 0, 0);
}

static bool same_terminal(void)
{
	return term_is_terminal(STDOUT_FILENO) && term_is_terminal(STDERR_FILENO);
}

/* Unrendered text; what waited for its line's end follows it there. */
void ask_put_plain(struct ask *a, const char *p, size_t n)
{
	struct buf safe = {0};
	size_t first;

	if (!n)
		return;
	if (term_is_terminal(STDOUT_FILENO)) {
		term_put_harmless(&safe, p, n);
		p = safe.p;
		n = safe.len;
	}
	first = a->waiting.len && memchr(p, '\n', n)
		    ? (size_t)((const char *)memchr(p, '\n', n) - p) + 1
		    : 0;
	outbox_put(a->out, p, first);
	if (first) {
		outbox_put(a->out, a->waiting.p, a->waiting.len);
		buf_clear(&a->waiting);
	}
	outbox_put(a->out, p + first, n - first);
	if (n)
		a->line_open = p[n - 1] != '\n';
	buf_finish(&safe);
}

/* The answer so far ends: its open block and its open line, too. */
void ask_end_text(struct ask *a)
{
	if (a->painting)
		page_end_text(&a->page);
	if (a->line_open)
		outbox_put(a->out, "\n", 1);
	a->line_open = false;
	outbox_put(a->out, a->waiting.p, a->waiting.len);
	buf_clear(&a->waiting);
	ask_touch(a);
}

/* Whole styled lines of ours, on standard error; a notice waits where it would cut a text in two,
 * another thing ends the text. */
void ask_put_lines(struct ask *a, const char *p, size_t n, bool notice)
{
	if (a->painting && same_terminal()) {
		if (notice)
			page_add_notice(&a->page, p, n);
		else
			page_add_lines(&a->page, p, n);
		ask_touch(a);
		return;
	}
	/* In a pipe the answer is not cut by what goes elsewhere. */
	if (!notice && same_terminal())
		ask_end_text(a);
	if (same_terminal() && a->line_open)
		buf_add(&a->waiting, p, n);
	else if (same_terminal())
		outbox_put(a->out, p, n);
	else
		term_put_note(p, n);
}

/* A dim line. */
void ask_note(struct ask *a, const char *fmt, ...)
{
	struct view view = {.color = term_color(STDERR_FILENO)};
	struct buf text = {0}, safe = {0}, line = {0};
	va_list ap;

	va_start(ap, fmt);
	buf_addv(&text, fmt, ap);
	va_end(ap);
	term_put_flat(&safe, text.p, text.len);
	view_put_styled(&line, &view, "2", safe.p, safe.len);
	buf_addc(&line, '\n');
	ask_put_lines(a, line.p, line.len, true);
	buf_finish(&text);
	buf_finish(&safe);
	buf_finish(&line);
}

struct view ask_view_of(const struct ask *a)
{
	bool terminal = term_is_terminal(STDERR_FILENO);

	return (struct view){.color = term_color(STDERR_FILENO),
	    .width = terminal ? term_width(STDERR_FILENO) : 0,
	    .height = terminal ? term_height(STDERR_FILENO) : 0};
}

void ask_put_json(struct ask *a, struct str json)
{
	struct buf line = {0};

	if (term_is_terminal(STDOUT_FILENO))
		term_put_json(&line, json.p, json.n);
	else
		buf_add(&line, json.p, json.n);
	buf_addc(&line, '\n');
	outbox_put(a->out, line.p, line.len);
	buf_finish(&line);
}
