/* The line editor. */
#include "cli/edit.h"

#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "cli/view.h"

/* --- moving --- */

/* The length of the character at `at`, alone. */
static size_t length_at(const struct edit *e, size_t at)
{
	size_t n = 1;

	while (at + n < e->text.len && ((unsigned char)e->text.p[at + n] & 0xC0) == 0x80)
		n++;
	return n;
}

/* Does the character at `at` combine with the one before it? */
static bool combines(const struct edit *e, size_t at)
{
	return at < e->text.len && e->text.p[at] != '\n' && e->text.p[at] != '\t' &&
	       view_columns(e->text.p + at, length_at(e, at)) == 0;
}

/* Where the character before `at` begins, with what combines with it. */
static size_t before(const struct edit *e, size_t at)
{
	if (at == 0)
		return 0;
	do {
		at--;
		while (at > 0 && ((unsigned char)e->text.p[at] & 0xC0) == 0x80)
			at--;
	} while (at > 0 && combines(e, at));
	return at;
}

static size_t after(const struct edit *e, size_t at)
{
	if (at >= e->text.len)
		return at;
	at += length_at(e, at);
	while (combines(e, at))
		at += length_at(e, at);
	return at;
}

static bool is_word(const struct edit *e, size_t at)
{
	unsigned char c = (unsigned char)e->text.p[at];

	return c >= 0x80 || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
	       (c >= 'A' && c <= 'Z') || c == '_';
}

static size_t word_before(const struct edit *e, size_t at)
{
	while (at > 0 && !is_word(e, before(e, at)))
		at = before(e, at);
	while (at > 0 && is_word(e, before(e, at)))
		at = before(e, at);
	return at;
}

static size_t word_after(const struct edit *e, size_t at)
{
	while (at < e->text.len && !is_word(e, at))
		at = after(e, at);
	while (at < e->text.len && is_word(e, at))
		at = after(e, at);
	return at;
}

static size_t line_start(const struct edit *e, size_t at)
{
	while (at > 0 && e->text.p[at - 1] != '\n')
		at--;
	return at;
}

static size_t line_end(const struct edit *e, size_t at)
{
	while (at < e->text.len && e->text.p[at] != '\n')
		at++;
	return at;
}

/* --- changing --- */

static void insert(struct edit *e, const char *p, size_t n)
{
	if (!n)
		return;
	if (e->text.len + n > EDIT_MAX_TEXT)
		n = str_utf8_valid(p, EDIT_MAX_TEXT - e->text.len);
	buf_reserve(&e->text, n);
	memmove(e->text.p + e->cursor + n, e->text.p + e->cursor, e->text.len - e->cursor);
	memcpy(e->text.p + e->cursor, p, n);
	e->text.len += n;
	e->cursor += n;
}

static void cut(struct edit *e, size_t from, size_t to, bool keep)
{
	if (keep && to > from) {
		buf_clear(&e->kill);
		buf_add(&e->kill, e->text.p + from, to - from);
	}
	memmove(e->text.p + from, e->text.p + to, e->text.len - to);
	e->text.len -= to - from;
	e->cursor = from;
}

static void transpose(struct edit *e)
{
	size_t second = e->cursor == e->text.len ? before(e, e->cursor) : e->cursor,
	       first = before(e, second), end = after(e, second);
	char held[64];

	if (first == second || end - first > sizeof held)
		return;
	memcpy(held, e->text.p + first, second - first);
	memmove(e->text.p + first, e->text.p + second, end - second);
	memcpy(e->text.p + first + (end - second), held, second - first);
	e->cursor = end;
}

/* --- history --- */

void edit_set(struct edit *e, const char *text, size_t n)
{
	buf_clear(&e->text);
	buf_add(&e->text, text, n);
	e->cursor = e->text.len;
}

static bool walk_history(struct edit *e, int by)
{
	if ((by < 0 && e->at == 0) || (by > 0 && e->at >= e->history_count))
		return false;
	if (e->at == e->history_count) {
		buf_clear(&e->draft);
		buf_add(&e->draft, e->text.p, e->text.len);
	}
	e->at = by < 0 ? e->at - 1 : e->at + 1;
	if (e->at == e->history_count)
		edit_set(e, e->draft.p, e->draft.len);
	else
		edit_set(e, e->history[e->at], strlen(e->history[e->at]));
	return true;
}

void edit_remember(struct edit *e, const char *text, size_t n)
{
	if (!n || (e->history_count && strlen(e->history[e->history_count - 1]) == n &&
		      memcmp(e->history[e->history_count - 1], text, n) == 0)) {
		e->at = e->history_count;
		return;
	}
	if (!e->history)
		e->history = mem_zalloc(EDIT_MAX_HISTORY, sizeof *e->history);
	if (e->history_count == EDIT_MAX_HISTORY) {
		free(e->history[0]);
		memmove(e->history, e->history + 1, (EDIT_MAX_HISTORY - 1) * sizeof *e->history);
		e->history_count--;
	}
	e->history[e->history_count++] = mem_strndup(text, n);
	e->at = e->history_count;
}

void edit_accept(struct edit *e)
{
	edit_remember(e, e->text.p, e->text.len);
	buf_clear(&e->text);
	e->cursor = 0;
}

/* Up and Down: within the lines first, then through history. */
static bool move_line(struct edit *e, int by)
{
	size_t start = line_start(e, e->cursor), end = line_end(e, e->cursor), other;
	unsigned column = view_columns(e->text.p + start, e->cursor - start);

	if (by < 0 && start > 0)
		other = line_start(e, start - 1);
	else if (by > 0 && end < e->text.len)
		other = end + 1;
	else
		return walk_history(e, by);
	if (e->goal < column)
		e->goal = column;
	e->cursor = other + view_fit(e->text.p + other, line_end(e, other) - other, e->goal, NULL);
	return true;
}

/* The nearest older entry that holds what was typed. */
static bool search_history(struct edit *e)
{
	size_t at = e->at;

	if (e->at == e->history_count) {
		buf_clear(&e->draft);
		buf_add(&e->draft, e->text.p, e->text.len);
	}
	while (at-- > 0) {
		if (e->draft.len && !strstr(e->history[at], buf_cstr(&e->draft)))
			continue;
		e->at = at;
		edit_set(e, e->history[at], strlen(e->history[at]));
		return true;
	}
	return true;
}

/* --- keys --- */

bool edit_key(struct edit *e, enum key key, const char *text, size_t n)
{
	unsigned goal = e->goal;

	/* An address to count from, also where nothing was typed yet. */
	buf_reserve(&e->text, 1);

	e->goal = 0;
	switch (key) {
	case KEY_TEXT:
		insert(e, text, n);
		return true;
	case KEY_NEWLINE:
		insert(e, "\n", 1);
		return true;
	case KEY_BACKSPACE:
		cut(e, before(e, e->cursor), e->cursor, false);
		return true;
	case KEY_DELETE:
		cut(e, e->cursor, after(e, e->cursor), false);
		return true;
	case KEY_EOF:
		if (!e->text.len)
			return false;
		cut(e, e->cursor, after(e, e->cursor), false);
		return true;
	case KEY_LEFT:
		e->cursor = before(e, e->cursor);
		return true;
	case KEY_RIGHT:
		e->cursor = after(e, e->cursor);
		return true;
	case KEY_UP:
	case KEY_DOWN:
		e->goal = goal;
		return move_line(e, key == KEY_UP ? -1 : 1);
	case KEY_HOME:
		e->cursor = line_start(e, e->cursor);
		return true;
	case KEY_END:
		e->cursor = line_end(e, e->cursor);
		return true;
	case KEY_WORD_LEFT:
		e->cursor = word_before(e, e->cursor);
		return true;
	case KEY_WORD_RIGHT:
		e->cursor = word_after(e, e->cursor);
		return true;
	case KEY_WORD_BACKSPACE:
		cut(e, word_before(e, e->cursor), e->cursor, true);
		return true;
	case KEY_WORD_DELETE:
		cut(e, e->cursor, word_after(e, e->cursor), true);
		return true;
	case KEY_KILL_END: {
		size_t end = line_end(e, e->cursor);

		/* At a line's end its end goes. */
		cut(e, e->cursor, end == e->cursor ? after(e, end) : end, true);
		return true;
	}
	case KEY_KILL_LINE:
		cut(e, line_start(e, e->cursor), e->cursor, true);
		return true;
	case KEY_YANK:
		insert(e, e->kill.p, e->kill.len);
		return true;
	case KEY_TRANSPOSE:
		transpose(e);
		return true;
	case KEY_SEARCH:
		return search_history(e);
	case KEY_ENTER:
	case KEY_TAB:
	case KEY_CLEAR:
	case KEY_CANCEL:
	case KEY_ESCAPE:
	case KEY_SUSPEND:
		return false;
	}
	return false;
}

/* --- rows --- */

void edit_rows(const struct edit *e, const char *prompt, unsigned width, struct buf *out,
    unsigned *ret_row, unsigned *ret_column)
{
	unsigned margin = view_columns(prompt, strlen(prompt)), column, row = 0;
	size_t i = 0;

	if (margin + 4 > width)
		margin = 0, prompt = "";
	buf_adds(out, prompt);
	column = margin;
	*ret_row = 0;
	*ret_column = column;
	for (;;) {
		size_t len;
		unsigned one;

		if (i == e->cursor) {
			/* After the last column the cursor stands on the next row. */
			if (column >= width) {
				buf_addc(out, '\n');
				row++;
				for (column = 0; column < margin; column++)
					buf_addc(out, ' ');
			}
			*ret_row = row;
			*ret_column = column;
		}
		if (i >= e->text.len)
			break;
		if (e->text.p[i] == '\n') {
			buf_addc(out, '\n');
			row++;
			for (column = 0; column < margin; column++)
				buf_addc(out, ' ');
			i++;
			continue;
		}
		len = after(e, i) - i;
		one = e->text.p[i] == '\t' ? 4 : view_columns(e->text.p + i, len);
		if (column + one > width) {
			buf_addc(out, '\n');
			row++;
			for (column = 0; column < margin; column++)
				buf_addc(out, ' ');
		}
		if (e->text.p[i] == '\t')
			buf_adds(out, "    ");
		else
			buf_add(out, e->text.p + i, len);
		column += one;
		i += len;
	}
	buf_addc(out, '\n');
}

void edit_finish(struct edit *e)
{
	for (size_t i = 0; i < e->history_count; i++)
		free(e->history[i]);
	free(e->history);
	buf_finish(&e->text);
	buf_finish(&e->kill);
	buf_finish(&e->draft);
}
