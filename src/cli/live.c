/* Painting the bottom of a terminal; ECMA-48 control sequences. */
#include "cli/live.h"

#include <assert.h>
#include <string.h>

#include "base/str.h"
#include "cli/door.h"
#include "cli/outbox.h"
#include "cli/view.h"

/* A list of lines, to be walked. */
struct lines {
	struct str rest;
};

static bool next_live_line(struct lines *lines, struct str *ret_line)
{
	if (!lines->rest.n)
		return false;
	lines->rest = str_cut(lines->rest, '\n', ret_line);
	return true;
}

/* The columns of a painted row: escape sequences of our own (SGR) take none. */
static unsigned row_columns(struct str row)
{
	struct buf plain = {0};
	unsigned columns;

	for (size_t i = 0; i < row.n; i++) {
		if (row.p[i] == '\033') {
			while (i < row.n && row.p[i] != 'm')
				i++;
			continue;
		}
		buf_addc(&plain, row.p[i]);
	}
	columns = view_columns(plain.p, plain.len);
	buf_finish(&plain);
	return columns;
}

/* The lines of the screen that a row takes: a terminal wraps one that is too wide, and does so anew
 * when it became narrower. */
static unsigned row_lines(const struct live *l, struct str row)
{
	unsigned columns = row_columns(row);

	return columns > l->width && l->width ? (columns + l->width - 1) / l->width : 1;
}

/* How many lines of the screen are above the cursor and are ours. */
static unsigned lines_above(const struct live *l)
{
	const struct live_rows *at = &l->painted;
	struct lines rows = {{at->text.p, at->text.len}};
	struct str row;
	unsigned lines = 0;

	for (unsigned i = 0; i < at->row && next_live_line(&rows, &row); i++)
		lines += row_lines(l, row);
	/* A row that fills the width keeps the cursor on its last column. */
	if (l->width && at->column && at->column != l->painted_width)
		lines += at->column / l->width;
	else if (l->width && at->column)
		lines += (at->column - 1) / l->width;
	return lines;
}

/* The last rows that the screen has room for. *ret_cut: how many are left out above. */
static struct str visible_rows(const struct live *l, struct str rows, unsigned *ret_cut)
{
	unsigned lines = 0, room = l->height > 1 ? l->height - 1 : 1;
	struct lines walk = {rows};
	struct str row;

	while (next_live_line(&walk, &row))
		lines += row_lines(l, row);
	for (*ret_cut = 0; lines > room && rows.n; ++*ret_cut) {
		rows = str_cut(rows, '\n', &row);
		lines -= row_lines(l, row);
	}
	return rows;
}

static unsigned count_lines(struct str text)
{
	struct lines walk = {text};
	struct str line;
	unsigned n = 0;

	while (next_live_line(&walk, &line))
		n++;
	return n;
}

/* Does the row end without a style, so that what is appended has none either? */
static bool ends_plain(struct str row)
{
	for (size_t i = row.n; i > 0; i--)
		if (row.p[i - 1] == '\033')
			return str_starts((struct str){row.p + i - 1, row.n - i + 1}, "\033[0m");
	return true;
}

/* Where a frame stands while it is made. */
struct painter {
	struct live *l;
	unsigned line;	/* of the screen, from the first painted one on, where the cursor is */
	unsigned old;	/* lines of the screen that were painted */
	unsigned full;	/* the columns of the last line written, when it fills the width; else 0 */
	bool new_width; /* the terminal has another one than when it was painted */
};

static void move_to(struct painter *p, unsigned line)
{
	if (line < p->line)
		buf_addf(&p->l->frame, "\033[%uA", p->line - line);
	else if (line > p->line)
		buf_addf(&p->l->frame, "\033[%uB", line - p->line);
	p->line = line;
}

/* A whole row, the cursor at its beginning. */
static void put_live_row(struct painter *p, struct str row)
{
	struct live *l = p->l;
	unsigned columns = row_columns(row), lines = row_lines(l, row);

	/* After a change of width whole lines must go first: one that the terminal wrapped by
	 * itself stays joined to the next in its memory, however it is written over. (Not all at
	 * once: tmux keeps what is erased from the first line on, as if it had scrolled away.) */
	if (p->new_width && p->line < p->old)
		buf_adds(&l->frame, "\033[2K");
	buf_add(&l->frame, row.p, row.n);
	p->line += lines - 1;
	p->full = columns && l->width && columns % l->width == 0 ? columns : 0;
	/* In a line that is full an erasure would take its last character. */
	if (!p->full && p->line < p->old)
		buf_adds(&l->frame, "\033[K");
}

/* Below the last row nothing of ours is left. */
static void erase_below(struct painter *p)
{
	if (p->line + 1 >= p->old)
		return;
	if (p->full)
		buf_adds(&p->l->frame, "\r\n\033[J\033[A");
	else
		buf_adds(&p->l->frame, "\033[J");
}

/* The first of the old rows that is not what it has to be. Both lists are left there. */
static unsigned skip_same(struct lines *old, struct lines *now)
{
	unsigned same = 0;

	for (;;) {
		struct lines a = *old, b = *now;
		struct str x, y;

		if (!next_live_line(&a, &x) || !next_live_line(&b, &y) || x.n != y.n ||
		    memcmp(x.p, y.p, x.n) != 0)
			return same;
		*old = a;
		*now = b;
		same++;
	}
}

/* Resolve LIVE_END in the cursor of the new rows. True: it stands behind the last of them. */
static bool place_cursor(struct live_rows *rows)
{
	struct lines walk = {{rows->text.p, rows->text.len}};
	unsigned count = count_lines(walk.rest), end;
	struct str line = {0};

	if (!count) {
		rows->row = rows->column = 0;
		return true;
	}
	if (rows->row >= count)
		rows->row = count - 1;
	for (unsigned i = 0; i <= rows->row; i++)
		next_live_line(&walk, &line);
	end = row_columns(line);
	if (rows->column == LIVE_END)
		rows->column = end;
	return rows->row + 1 == count && rows->column == end;
}

/* Lines of the screen above row number `row` of all. */
static unsigned lines_before(const struct live *l, struct str all, unsigned row)
{
	struct lines walk = {all};
	struct str line;
	unsigned lines = 0;

	for (unsigned i = 0; i < row && next_live_line(&walk, &line); i++)
		lines += row_lines(l, line);
	return lines;
}

/*
 * Where the old rows stand as they were, and the cursor behind the last of them, where new text
 * follows: nothing but that is written. old, now: what is left of both behind the rows they share.
 */
static bool append_only(struct live *l, struct lines old, struct lines now, bool shared)
{
	bool below = shared;
	struct str x, y, row;

	if (next_live_line(&old, &x)) {
		if (old.rest.n || !next_live_line(&now, &y) || y.n < x.n ||
		    memcmp(x.p, y.p, x.n) != 0 || !ends_plain(x) ||
		    row_columns(x) != l->painted.column || row_columns(y) > l->width)
			return false;
		buf_add(&l->frame, y.p + x.n, y.n - x.n);
		below = true;
	}
	while (next_live_line(&now, &row)) {
		if (below)
			buf_adds(&l->frame, "\r\n");
		buf_add(&l->frame, row.p, row.n);
		below = true;
	}
	return true;
}

/* The frame that makes of what is painted `all`, its last rows being `next`. */
static void make_frame(struct live *l, struct str all, const struct live_rows *next, bool at_end)
{
	struct lines old = {{l->painted.text.p, l->painted.text.len}}, now = {all};
	unsigned old_last = count_lines(old.rest), first = count_lines(all);
	struct painter p = {.l = l, .line = lines_above(l), .old = lines_before(l, old.rest, ~0U)};
	bool same_width = l->painted_width == l->width;
	unsigned same = same_width ? skip_same(&old, &now) : 0;
	struct str row;

	p.new_width = !same_width;
	first -= count_lines((struct str){next->text.p, next->text.len});
	/* Without rows the cursor has the empty line below the text. */
	if (!next->text.len && first)
		first--;
	if (at_end && (!old_last || (same_width && l->painted.row + 1 == old_last)) &&
	    append_only(l, old, now, same > 0))
		return;
	buf_clear(&l->frame);
	buf_adds(&l->frame, "\033[?2026h\033[?25l\r");
	if (now.rest.n && !old.rest.n && same) {
		/* All old rows stay: go on below the last one, which may scroll. */
		move_to(&p, p.old - 1);
		buf_adds(&l->frame, "\r\n");
		p.line++;
	} else if (now.rest.n || old.rest.n) {
		move_to(&p, lines_before(l, all, same));
	}
	if (!now.rest.n && old.rest.n)
		buf_adds(&l->frame, "\033[J");
	while (next_live_line(&now, &row)) {
		put_live_row(&p, row);
		if (now.rest.n) {
			buf_adds(&l->frame, "\r\n");
			p.line++;
		} else {
			erase_below(&p);
		}
	}
	move_to(&p, lines_before(l, all, first + next->row));
	buf_adds(&l->frame, "\r");
	if (next->column)
		buf_addf(&l->frame, "\033[%uC",
		    next->column < l->width || !l->width ? next->column : l->width - 1);
	buf_adds(&l->frame, "\033[?25h\033[?2026l");
}

/* The text that stays passes the last door too; the rows are made of pieces that did. */
static void add_through_door(struct buf *out, const char *p, size_t n)
{
	struct door door = {0};

	door_put(&door, p, n, out);
	door_end(&door, out);
}

static void paint_now(
    struct live *l, struct str text, struct str rows, unsigned row, unsigned column)
{
	struct buf all = {0};
	struct live_rows next = {.row = row, .column = column};
	unsigned cut;
	bool at_end;

	add_through_door(&all, text.p, text.n);
	rows = visible_rows(l, rows, &cut);
	add_through_door(&next.text, rows.p, rows.n);
	if (next.row != LIVE_END)
		next.row = next.row > cut ? next.row - cut : 0;
	at_end = place_cursor(&next);
	buf_add(&all, next.text.p, next.text.len);
	/* Without rows the cursor goes below the text that stays. */
	if (!next.text.len && all.len)
		buf_addc(&all, '\n');
	buf_clear(&l->frame);
	make_frame(l, (struct str){all.p, all.len}, &next, at_end);
	if (l->frame.len)
		outbox_put(l->out, l->frame.p, l->frame.len);
	buf_finish(&l->painted.text);
	l->painted = next;
	l->painted_width = l->width;
	buf_finish(&all);
}

void live_update(struct live *l, const char *text, size_t text_len, const char *p, size_t n,
    unsigned row, unsigned column)
{
	assert(l->out);
	if (l->holding || !outbox_is_idle(l->out)) {
		buf_add(&l->held_text, text, text_len);
		buf_clear(&l->held.text);
		buf_add(&l->held.text, p, n);
		l->held.row = row;
		l->held.column = column;
		l->holding = true;
		live_continue(l);
		return;
	}
	paint_now(l, (struct str){text, text_len}, (struct str){p, n}, row, column);
}

static void paint_held(struct live *l)
{
	if (!l->holding)
		return;
	l->holding = false;
	paint_now(l, (struct str){l->held_text.p, l->held_text.len},
	    (struct str){l->held.text.p, l->held.text.len}, l->held.row, l->held.column);
	buf_clear(&l->held_text);
}

void live_continue(struct live *l)
{
	if (outbox_is_idle(l->out))
		paint_held(l);
}

void live_resize(struct live *l, unsigned width, unsigned height)
{
	l->width = width;
	l->height = height;
}

void live_forget(struct live *l)
{
	paint_held(l);
	buf_clear(&l->painted.text);
	l->painted.row = l->painted.column = 0;
	l->painted_width = 0;
}

void live_clear(struct live *l)
{
	static const char clear[] = "\033[2J\033[H";

	live_forget(l);
	outbox_put(l->out, clear, sizeof clear - 1);
}

void live_finish(struct live *l)
{
	/* In order behind what the terminal has not taken yet. */
	paint_held(l);
	if (l->painted.text.len)
		paint_now(l, (struct str){0}, (struct str){0}, 0, 0);
	buf_finish(&l->painted.text);
	buf_finish(&l->held.text);
	buf_finish(&l->held_text);
	buf_finish(&l->frame);
}
