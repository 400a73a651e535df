/* Tables for people. */
#include "cli/table.h"

#include <assert.h>
#include <stdarg.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"
#include "cli/term.h"
#include "cli/view.h"

struct table {
	size_t columns, count;
	const char *const *heads;
	unsigned widths[TABLE_MAX_COLUMNS];
	char **cells; /* owned, row by row */
};

static void widen(struct table *t, size_t column, const char *text)
{
	unsigned n = view_columns(text, strlen(text));

	if (n > t->widths[column])
		t->widths[column] = n;
}

struct table *table_new(size_t columns, const char *const *heads)
{
	struct table *t = mem_zalloc(1, sizeof *t);

	assert(columns > 0 && columns <= TABLE_MAX_COLUMNS);
	t->columns = columns;
	t->heads = heads;
	for (size_t i = 0; i < columns; i++)
		widen(t, i, heads[i]);
	return t;
}

void table_free(struct table *t)
{
	if (!t)
		return;
	for (size_t i = 0; i < t->count; i++)
		free(t->cells[i]);
	free(t->cells);
	free(t);
}

void table_add(struct table *t, const char *fmt, ...)
{
	struct buf text = {0}, safe = {0};
	va_list ap;

	va_start(ap, fmt);
	buf_addv(&text, fmt, ap);
	va_end(ap);
	term_put_flat(&safe, text.p, text.len);
	t->cells = mem_realloc(t->cells, (t->count + 1) * sizeof *t->cells);
	t->cells[t->count] = mem_strdup(buf_cstr(&safe));
	widen(t, t->count % t->columns, t->cells[t->count]);
	t->count++;
	buf_finish(&text);
	buf_finish(&safe);
}

static void put_row(
    const struct table *t, struct buf *out, const char *const *cells, unsigned width)
{
	unsigned left = width;

	for (size_t i = 0; i < t->columns; i++) {
		const char *text = cells[i];
		unsigned columns = view_columns(text, strlen(text));
		bool last = i + 1 == t->columns;

		if (last && width && columns > left) {
			unsigned cut;
			size_t n = view_fit(text, strlen(text), left > 1 ? left - 1 : 0, &cut);

			buf_add(out, text, n);
			buf_adds(out, left ? "…" : "");
		} else {
			buf_adds(out, text);
			if (!last)
				buf_addf(out, "%*s", (int)(t->widths[i] - columns + 2), "");
		}
		left = left > t->widths[i] + 2 ? left - t->widths[i] - 2 : 0;
	}
	while (out->len && out->p[out->len - 1] == ' ')
		out->len--;
}

void table_put(const struct table *t, struct buf *out, unsigned width, bool color)
{
	buf_adds(out, color ? "\033[1m" : "");
	put_row(t, out, t->heads, width);
	buf_adds(out, color ? "\033[m\n" : "\n");
	for (size_t i = 0; i + t->columns <= t->count; i += t->columns) {
		put_row(t, out, (const char *const *)t->cells + i, width);
		buf_addc(out, '\n');
	}
}

void table_print(const struct table *t)
{
	struct buf out = {0};

	table_put(t, &out, term_is_terminal(STDOUT_FILENO) ? term_width(STDOUT_FILENO) : 0,
	    term_color(STDOUT_FILENO));
	term_write(&out);
	buf_finish(&out);
}
