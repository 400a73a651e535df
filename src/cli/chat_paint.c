/* What chat looks like. */
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/str.h"
#include "cli/chat.h"
#include "cli/term.h"

enum {
	PAINT_CALLS = 4,      /* running calls shown */
	PAINT_QUEUED = 3,     /* messages that wait */
	PAINT_MAX_TYPED = 10, /* rows of the text being typed */
};

static const char *const spinner[] = {"⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"};

static void put_chat_line(struct chat *c, const char *style, const char *fmt, va_list ap)
    __attribute__((format(printf, 3, 0)));

static void put_chat_line(struct chat *c, const char *style, const char *fmt, va_list ap)
{
	struct buf safe = {0}, line = {0};
	char text[2000];

	vsnprintf(text, sizeof text, fmt, ap);
	/* What others wrote has no line of its own to pretend with. */
	term_put_flat(&safe, text, strlen(text));
	view_put_styled(&line, &c->view, style, safe.p, safe.len);
	buf_addc(&line, '\n');
	page_add_notice(&c->page, line.p, line.len);
	buf_finish(&safe);
	buf_finish(&line);
}

void chat_note(struct chat *c, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	put_chat_line(c, "2", fmt, ap);
	va_end(ap);
}

void chat_warn(struct chat *c, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	put_chat_line(c, "31", fmt, ap);
	va_end(ap);
}

void chat_put_words(struct chat *c, const char *who, const char *p, size_t n)
{
	struct buf safe = {0}, name = {0}, lines = {0};
	struct str rest, line;
	bool first = true;

	term_put_harmless(&safe, p, n);
	term_put_flat(&name, who, strlen(who));
	rest = (struct str){safe.p, safe.len};
	buf_addc(&lines, '\n');
	while (rest.n) {
		rest = str_cut(rest, '\n', &line);
		view_put_styled(
		    &lines, &c->view, "1;34", first ? name.p : "  ", first ? name.len : 2);
		view_put_styled(&lines, &c->view, "1", line.p, line.n);
		buf_addc(&lines, '\n');
		first = false;
	}
	buf_addc(&lines, '\n');
	page_add_lines(&c->page, lines.p, lines.len);
	buf_finish(&safe);
	buf_finish(&name);
	buf_finish(&lines);
}

void chat_show_request(struct chat *c)
{
	struct buf lines = {0};

	if (!c->request)
		return;
	chat_end_text(c);
	view_put_request(&lines, &c->view, c->request, &c->consent.hidden);
	page_add_lines(&c->page, lines.p, lines.len);
	buf_finish(&lines);
	if (!c->question)
		consent_show(&c->consent, clock_mono_us());
}

/* --- the rows below --- */

static void put_elapsed(struct buf *out, uint64_t since_us)
{
	uint64_t now = clock_mono_us(), ms = now > since_us ? (now - since_us) / 1000 : 0;

	if (ms < 60000)
		buf_addf(out, "%" PRIu64 ".%" PRIu64 "s", ms / 1000, ms / 100 % 10);
	else
		buf_addf(out, "%" PRIu64 "m%02" PRIu64 "s", ms / 60000, ms / 1000 % 60);
}

/* One dim row, cut to the width. */
static void put_chat_row(
    struct chat *c, struct buf *rows, const char *style, const struct buf *text)
{
	size_t fits = view_fit(text->p, text->len, c->live.width - 1, NULL);

	view_put_styled(rows, &c->view, style, text->p, fits);
	buf_addc(rows, '\n');
}

static void put_calls(struct chat *c, struct buf *rows)
{
	struct view narrow = {.width = c->live.width > 20 ? c->live.width - 12 : c->live.width};

	for (size_t i = 0; i < c->call_count && i < PAINT_CALLS; i++) {
		struct buf row = {0};

		buf_addf(&row, "%s ", spinner[c->spin % 10]);
		view_put_call(&row, &narrow, c->calls[i].name, c->calls[i].args);
		buf_adds(&row, "  ");
		put_elapsed(&row, c->calls[i].since_us);
		put_chat_row(c, rows, "36", &row);
		buf_finish(&row);
	}
	if (c->call_count > PAINT_CALLS) {
		struct buf row = {0};

		buf_addf(&row, "  and %zu more", c->call_count - PAINT_CALLS);
		put_chat_row(c, rows, "2", &row);
		buf_finish(&row);
	}
}

/* The last words of the thinking, folded into one row. */
static void put_chat_thinking(struct chat *c, struct buf *rows)
{
	struct buf row = {0}, tail = {0};
	size_t room = c->live.width > 40 ? c->live.width - 30 : 10, from;

	buf_addf(&row, "%s thinking ", spinner[c->spin % 10]);
	put_elapsed(&row, c->thinking_us);
	from = c->thinking.len > room ? c->thinking.len - room : 0;
	while (from < c->thinking.len && ((unsigned char)c->thinking.p[from] & 0xC0) == 0x80)
		from++;
	term_put_harmless(&tail, c->thinking.p ? c->thinking.p + from : "", c->thinking.len - from);
	for (size_t i = 0; i < tail.len; i++)
		if (tail.p[i] == '\n' || tail.p[i] == '\t')
			tail.p[i] = ' ';
	buf_addf(&row, "  %s", buf_cstr(&tail));
	put_chat_row(c, rows, "2", &row);
	buf_finish(&row);
	buf_finish(&tail);
}

static void put_waiting(struct chat *c, struct buf *rows)
{
	struct buf row = {0};

	buf_addf(&row, "%s ", spinner[c->spin % 10]);
	put_elapsed(&row, c->turn_us);
	put_chat_row(c, rows, "2", &row);
	buf_finish(&row);
}

static void put_status(struct chat *c, struct buf *rows)
{
	struct buf row = {0};

	if (c->hint[0]) {
		term_put_flat(&row, c->hint, strlen(c->hint));
	} else {
		term_put_flat(&row, c->model[0] ? c->model : "no model yet",
		    c->model[0] ? strlen(c->model) : strlen("no model yet"));
		buf_addf(&row, " · %s", c->session);
		if (strcmp(c->mode, "chat") != 0)
			buf_addf(&row, " · %s", c->mode);
		if (c->allow_all)
			buf_adds(&row, " · DANGEROUS");
		else if (c->allow_edits)
			buf_adds(&row, " · auto");
		if (c->speed > 0)
			buf_addf(&row, " · %.0f tok/s", c->speed);
		if (c->context_size > 0 && c->context_used > 0)
			buf_addf(&row, " · context %" PRId64 "%%",
			    c->context_used * 100 / c->context_size);
		if (c->call)
			buf_adds(&row, " · asking the daemon");
		if (c->down)
			buf_adds(&row, " · reconnecting");
	}
	put_chat_row(c, rows, c->hint[0] ? "33" : "2", &row);
	buf_finish(&row);
}

/* The messages that wait. */
static void put_queue(struct chat *c, struct buf *rows)
{
	struct buf row = {0};
	size_t i;

	for (i = 0; i < c->queue_count && i < PAINT_QUEUED; i++) {
		const struct chat_message *m = &c->queue[i];

		buf_clear(&row);
		buf_adds(&row, m->turn ? "  waits: " : "  sending: ");
		term_put_flat(&row, m->who, strlen(m->who));
		term_put_flat(&row, m->text, strlen(m->text));
		put_chat_row(c, rows, "2", &row);
	}
	if (i < c->queue_count) {
		buf_clear(&row);
		buf_addf(&row, "  and %zu more wait", c->queue_count - i);
		put_chat_row(c, rows, "2", &row);
	}
	buf_finish(&row);
}

/* The keys that answer the request. */
static void put_question(struct chat *c, struct buf *rows)
{
	struct buf question = {0};
	struct str rest, line;

	consent_put_question(&c->consent, c->live.width - 1, &question);
	rest = (struct str){question.p, question.len};
	while (rest.n) {
		rest = str_cut(rest, '\n', &line);
		view_put_styled(rows, &c->view, "1;33", line.p, line.n);
		buf_addc(rows, '\n');
	}
	buf_finish(&question);
}

/* The text being typed; of a very long one the rows around the cursor. */
static void put_typed(struct chat *c, struct buf *rows, unsigned *row, unsigned *column)
{
	struct buf typed = {0};
	struct str rest, line;
	unsigned at = 0, first;

	edit_rows(&c->edit,
	    c->reason			 ? "no, because › "
	    : c->asked[0] && c->question ? "? "
					 : "› ",
	    c->live.width, &typed, row, column);
	first = *row >= PAINT_MAX_TYPED ? *row - PAINT_MAX_TYPED + 1 : 0;
	rest = (struct str){typed.p, typed.len};
	while (rest.n && at < first + PAINT_MAX_TYPED) {
		rest = str_cut(rest, '\n', &line);
		if (at++ < first)
			continue;
		buf_add(rows, line.p, line.n);
		buf_addc(rows, '\n');
	}
	*row -= first;
	buf_finish(&typed);
}

static unsigned count_rows(const struct buf *rows)
{
	unsigned n = 0;

	for (size_t i = 0; i < rows->len; i++)
		n += rows->p[i] == '\n';
	return n;
}

/* The terminal may have become another size since; then what is below is painted for that. */
static void measure(struct chat *c)
{
	live_resize(&c->live, term_width(STDOUT_FILENO), term_height(STDOUT_FILENO));
	c->view.width = c->live.width;
	c->view.height = c->live.height;
	page_set_width(&c->page, c->live.width);
}

void chat_paint(struct chat *c)
{
	struct buf rows = {0}, done = {0};
	unsigned row = 0, column = 0, above;
	bool open;

	if (c->leaving || c->pager)
		return;
	c->painted_us = clock_mono_us();
	measure(c);
	page_take(&c->page, &done);
	page_put_open(&c->page, &rows);
	open = rows.len > 0;
	put_calls(c, &rows);
	if (c->thinking_us)
		put_chat_thinking(c, &rows);
	else if (c->turn[0] && !open && !c->call_count && !c->asked[0])
		put_waiting(c, &rows);
	put_queue(c, &rows);
	put_status(c, &rows);
	if (c->consent.open && !c->reason)
		put_question(c, &rows);
	above = count_rows(&rows);
	put_typed(c, &rows, &row, &column);
	/* Whatever goes above moves the request: it is a new sight. */
	if (c->consent.open && done.len)
		consent_show(&c->consent, c->painted_us);
	live_update(&c->live, done.p, done.len, rows.p, rows.len, above + row, column);
	buf_finish(&done);
	buf_finish(&rows);
}

static void on_chat_frame(uv_timer_t *timer)
{
	chat_paint(timer->data);
}

void chat_touch(struct chat *c)
{
	uint64_t since = (clock_mono_us() - c->painted_us) / 1000;

	if (!c->leaving && !c->pager && !uv_is_active((uv_handle_t *)&c->frame))
		uv_timer_start(
		    &c->frame, on_chat_frame, since < CHAT_FRAME_MS ? CHAT_FRAME_MS - since : 0, 0);
}
