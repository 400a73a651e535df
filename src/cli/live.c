/* Painting the bottom of a terminal; ECMA-48 control sequences. */
#include "cli/live.h"

#include <string.h>

#include "base/file.h"
#include "base/str.h"
#include "cli/view.h"

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

/* How many lines of the screen are above the cursor and are ours: rows wrap when it became
 * narrower. */
static unsigned lines_above(const struct live *l)
{
	struct str rest = {l->rows.p, l->rows.len}, row;
	unsigned lines = 0;

	for (unsigned i = 0; i < l->row && rest.n; i++) {
		unsigned columns;

		rest = str_cut(rest, '\n', &row);
		columns = row_columns(row);
		lines += columns > l->width && l->width ? (columns + l->width - 1) / l->width : 1;
	}
	return lines + (l->width ? l->column / l->width : 0);
}

static void put_text(struct buf *frame, struct str text)
{
	struct str line;

	while (text.n) {
		text = str_cut(text, '\n', &line);
		buf_add(frame, line.p, line.n);
		buf_adds(frame, "\033[K\r\n");
	}
}

/* The last rows that the screen has room for; *cut: how many are left out above. */
static struct str visible(const struct live *l, struct str rows, unsigned *cut)
{
	unsigned count = 0, room = l->height > 1 ? l->height - 1 : 1;

	for (size_t i = 0; i < rows.n; i++)
		count += rows.p[i] == '\n';
	*cut = 0;
	while (count > room) {
		struct str row;

		rows = str_cut(rows, '\n', &row);
		count--;
		++*cut;
	}
	return rows;
}

void live_update(struct live *l, const char *text, size_t text_len, const char *p, size_t n,
    unsigned row, unsigned column)
{
	unsigned above = lines_above(l), cut, count = 0;
	struct str rows = visible(l, (struct str){p, n}, &cut);

	buf_clear(&l->frame);
	buf_adds(&l->frame, "\033[?2026h\033[?25l\r");
	if (above)
		buf_addf(&l->frame, "\033[%uA", above);
	put_text(&l->frame, (struct str){text, text_len});
	for (size_t i = 0; i < rows.n; i++)
		count += rows.p[i] == '\n';
	/* No line end after the last row: it would scroll a full screen. */
	put_text(&l->frame, rows);
	if (count)
		l->frame.len -= 2;
	buf_adds(&l->frame, "\033[J");
	row = row > cut ? row - cut : 0;
	if (count && row >= count)
		row = count - 1;
	if (count && count - 1 - row)
		buf_addf(&l->frame, "\033[%uA", count - 1 - row);
	buf_adds(&l->frame, "\r");
	if (column)
		buf_addf(&l->frame, "\033[%uC", column);
	buf_adds(&l->frame, "\033[?25h\033[?2026l");
	file_write_all(l->fd, l->frame.p, l->frame.len);
	buf_clear(&l->rows);
	buf_add(&l->rows, rows.p, rows.n);
	l->count = count;
	l->row = row;
	l->column = column;
}

void live_print(struct live *l, const char *p, size_t n)
{
	struct buf rows = l->rows;

	l->rows = (struct buf){0};
	buf_add(&l->rows, rows.p, rows.len);
	live_update(l, p, n, rows.p, rows.len, l->row, l->column);
	buf_finish(&rows);
}

void live_set(struct live *l, const char *rows, size_t n, unsigned row, unsigned column)
{
	live_update(l, NULL, 0, rows, n, row, column);
}

void live_resize(struct live *l, unsigned width, unsigned height)
{
	l->width = width;
	l->height = height;
}

void live_finish(struct live *l)
{
	if (l->count)
		live_update(l, NULL, 0, NULL, 0, 0, 0);
	buf_finish(&l->rows);
	buf_finish(&l->frame);
	l->count = 0;
}
