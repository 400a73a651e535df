/*
 * Rendering: md4c calls for blocks, spans and text. The text of a leaf block is
 * collected with its styles, then wrapped as a whole when the block ends.
 */
#include "cli/markdown_part.h"

#include <assert.h>
#include <md4c.h>
#include <stdint.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/utf8.h"
#include "cli/markdown.h"
#include "cli/term.h"
#include "cli/view.h"

/* Styles of a piece of text; several may hold. */
enum {
	STYLE_STRONG = 1,
	STYLE_EMPHASIS = 2,
	STYLE_CODE = 4,
	STYLE_LINK = 8,
	STYLE_STRIKE = 16,
	STYLE_DIM = 32,
	STYLE_HEADING = 64,
};

/* Text with a style for each byte, and the place in the source it comes from. */
struct styled {
	struct buf text;
	struct buf style;  /* as many bytes */
	struct buf source; /* as many uint32_t; NOWHERE: not known */
};

enum { NOWHERE = -1 };

/* What a nested block puts before its lines. */
struct level {
	bool quote;
	bool ordered;
	unsigned number; /* of the next item */
	unsigned indent; /* columns */
	bool first;	 /* the next line carries the item's mark */
	char mark[16];
};

struct table {
	struct styled *cells;	  /* owned: rows * columns */
	size_t rows, columns, at; /* at: the next cell's place in its row */
	MD_ALIGN align[MARKDOWN_MAX_COLUMNS];
};

struct renderer {
	struct buf *out;
	const char *text; /* the source, to know where a piece of it stands */
	size_t text_len;
	struct markdown_cut *cut; /* where it could be cut, or NULL: of no interest */
	unsigned number;	  /* of the first item of a list that goes on; 0: its own */
	unsigned width;
	bool color;
	struct level levels[MARKDOWN_MAX_DEPTH];
	size_t depth;
	struct styled leaf;
	unsigned style;
	bool any;   /* something was put out: a blank line goes before the next block */
	bool tight; /* within a list without blank lines */
	bool in_code, in_table, in_cell;
	struct buf code;
	char language[32];
	struct buf href;
	const char *margin; /* what stands before each line; borrowed */
	size_t margin_len;
	struct table table;
};

/* --- styled text --- */

/* source: where the first byte stands; the others follow it there. */
static void styled_add(struct styled *s, const char *p, size_t n, unsigned style, int32_t source)
{
	buf_add(&s->text, p, n);
	memset(buf_reserve(&s->style, n), (int)style, n);
	s->style.len += n;
	for (size_t i = 0; i < n; i++) {
		int32_t at = source == NOWHERE ? NOWHERE : source + (int32_t)i;

		buf_add(&s->source, &at, sizeof at);
	}
}

static int32_t styled_source(const struct styled *s, size_t at)
{
	int32_t source;

	memcpy(&source, s->source.p + at * sizeof source, sizeof source);
	return source;
}

static void styled_clear(struct styled *s)
{
	buf_clear(&s->text);
	buf_clear(&s->style);
	buf_clear(&s->source);
}

static void styled_finish(struct styled *s)
{
	buf_finish(&s->text);
	buf_finish(&s->style);
	buf_finish(&s->source);
}

static void put_codes(struct buf *out, unsigned style)
{
	buf_adds(out, "\033[0");
	if (style & (STYLE_STRONG | STYLE_HEADING))
		buf_adds(out, ";1");
	if (style & STYLE_DIM)
		buf_adds(out, ";2");
	if (style & STYLE_EMPHASIS)
		buf_adds(out, ";3");
	if (style & STYLE_LINK)
		buf_adds(out, ";4");
	if (style & STYLE_STRIKE)
		buf_adds(out, ";9");
	if (style & STYLE_HEADING)
		buf_adds(out, ";36");
	else if (style & STYLE_CODE)
		buf_adds(out, ";33");
	buf_addc(out, 'm');
}

/* The bytes from..to of s with their styles. */
static void put_range(struct buf *out, const struct styled *s, size_t from, size_t to, bool color)
{
	unsigned now = 0;

	for (size_t i = from; i < to; i++) {
		unsigned style = (unsigned char)s->style.p[i];

		if (color && style != now) {
			put_codes(out, style);
			now = style;
		}
		buf_addc(out, s->text.p[i]);
	}
	if (now)
		buf_adds(out, "\033[0m");
}

/* --- lines --- */

static unsigned indent_of(const struct renderer *r)
{
	unsigned columns = 0;

	for (size_t i = 0; i < r->depth; i++)
		columns += r->levels[i].indent;
	/* However deep, some room for words stays. */
	return columns + 10 > r->width ? r->width - 10 : columns;
}

/* What stands before a line: quote bars, the mark of a list's item, or blanks. */
static void put_margin(struct renderer *r)
{
	unsigned left = indent_of(r);

	buf_add(r->out, r->margin, r->margin_len);

	for (size_t i = 0; i < r->depth; i++) {
		struct level *l = &r->levels[i];
		unsigned take = l->indent < left ? l->indent : left;

		left -= take;
		if (l->quote && take) {
			buf_adds(r->out, r->color ? "\033[2m│\033[0m" : "│");
			for (unsigned k = 1; k < take; k++)
				buf_addc(r->out, ' ');
		} else if (l->first && take) {
			unsigned used = view_columns(l->mark, strlen(l->mark));

			buf_adds(r->out, l->mark);
			for (unsigned k = used; k < take; k++)
				buf_addc(r->out, ' ');
			l->first = false;
		} else {
			for (unsigned k = 0; k < take; k++)
				buf_addc(r->out, ' ');
		}
	}
}

static void begin_block(struct renderer *r)
{
	if (r->any && !r->tight) {
		bool mark = false;

		/* The blank line above an item must not take its mark. */
		for (size_t i = 0; i < r->depth; i++)
			mark |= r->levels[i].quote;
		if (mark) {
			bool kept[MARKDOWN_MAX_DEPTH] = {false};

			for (size_t i = 0; i < r->depth; i++) {
				kept[i] = r->levels[i].first;
				r->levels[i].first = false;
			}
			put_margin(r);
			for (size_t i = 0; i < r->depth; i++)
				r->levels[i].first = kept[i];
		}
		while (r->out->len && r->out->p[r->out->len - 1] == ' ')
			r->out->len--;
		buf_addc(r->out, '\n');
	}
	r->any = true;
}

/*
 * One line of at most `room` columns from s, beginning at *at: as many words as
 * fit; a word that is longer than the room is cut. *ret_end: where its text ends.
 * False at the end.
 */
static bool next_line(
    const struct styled *s, unsigned room, size_t *at, size_t *ret_from, size_t *ret_end)
{
	const char *p = s->text.p;
	size_t n = s->text.len, i = *at, last = 0;
	unsigned columns = 0;

	while (i < n && p[i] == ' ')
		i++;
	if (i >= n)
		return false;
	*ret_from = i;
	while (i < n && p[i] != '\n') {
		unsigned one;
		size_t len = 1;

		while (i + len < n && ((unsigned char)p[i + len] & 0xC0) == 0x80)
			len++;
		one = view_columns(p + i, len);
		if (p[i] == ' ')
			last = i;
		if (columns + one > room && i > *ret_from) {
			if (p[i] == ' ') {
				*ret_end = i;
				*at = i + 1;
			} else if (last > *ret_from) {
				*ret_end = last;
				*at = last + 1;
			} else {
				*ret_end = i;
				*at = i;
			}
			return true;
		}
		columns += one;
		i += len;
	}
	*ret_end = i;
	*at = i < n ? i + 1 : i;
	return true;
}

/* May what is shown so far still change its look when its other end comes: emphasis, code, a link?
 */
static bool has_open_mark(const struct styled *s, size_t n)
{
	size_t brackets = 0;

	for (size_t i = 0; i < n; i++) {
		char c = s->text.p[i], next = i + 1 < s->text.len ? s->text.p[i + 1] : ' ';
		bool after_blank = i == 0 || strchr(" \n(\"'[", s->text.p[i - 1]);

		if (s->style.p[i])
			continue;
		if (c == '`' || (c == '<' && next != ' '))
			return true;
		if ((c == '*' || c == '_' || c == '~') && next != ' ' && after_blank)
			return true;
		brackets += c == '[';
		brackets -= brackets && c == ']';
		/* "[words](addr" becomes a link when its bracket closes. */
		if (c == ']' && next == '(' && !memchr(s->text.p + i, ')', n - i))
			return true;
	}
	return brackets > 0;
}

/*
 * A row of a paragraph begins at `from`: if the source can be cut there, so that what follows reads
 * as the same paragraph, it is the last place so far. row, margin: where they begin in the output.
 */
static void note_cut(struct renderer *r, size_t from, size_t row, size_t margin)
{
	const struct styled *s = &r->leaf;
	int32_t source = from ? styled_source(s, from) : NOWHERE;
	unsigned char c = (unsigned char)s->text.p[from];
	bool letter = c >= 0x80 || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');

	/* What begins with a sign or a digit could be read as a list, a heading … */
	if (!r->cut || source == NOWHERE || source == 0 || !letter)
		return;
	r->cut->any = (struct markdown_place){(size_t)source, row, margin};
	if (!s->style.p[from] && !s->style.p[from - 1] && !has_open_mark(s, from))
		r->cut->clean = r->cut->any;
}

/* The collected text of a leaf block as lines. */
static void put_leaf(struct renderer *r)
{
	unsigned room = r->width - indent_of(r);
	size_t at = 0, from, end;

	while (next_line(&r->leaf, room, &at, &from, &end)) {
		size_t row = r->out->len;

		put_margin(r);
		note_cut(r, from, row, r->out->len - row);
		put_range(r->out, &r->leaf, from, end, r->color);
		buf_addc(r->out, '\n');
	}
	styled_clear(&r->leaf);
}

/* --- code --- */

static unsigned code_room(const struct renderer *r)
{
	unsigned indent = indent_of(r);

	return r->width - indent > 4 ? r->width - indent - 2 : 2;
}

/* Harmless code, whole lines; what is longer than the width goes on in the next row. */
static void put_code_rows(struct renderer *r, struct str rest)
{
	unsigned room = code_room(r);
	struct str line;

	while (rest.n) {
		rest = str_cut(rest, '\n', &line);
		do {
			size_t fits = view_fit(line.p, line.n, room, NULL);

			if (!fits && line.n)
				fits = line.n;
			put_margin(r);
			buf_adds(r->out, "  ");
			if (r->color && fits)
				buf_adds(r->out, "\033[33m");
			buf_add(r->out, line.p, fits);
			if (r->color && fits)
				buf_adds(r->out, "\033[0m");
			buf_addc(r->out, '\n');
			line = (struct str){line.p + fits, line.n - fits};
		} while (line.n);
	}
}

static void put_code(struct renderer *r)
{
	begin_block(r);
	if (r->language[0]) {
		put_margin(r);
		buf_addf(r->out, r->color ? "\033[2m── %s ──\033[0m\n" : "── %s ──\n", r->language);
	}
	put_code_rows(r, (struct str){r->code.p, r->code.len});
	buf_clear(&r->code);
	r->language[0] = '\0';
}

/* A tab has no width of its own here. */
static void add_code(struct buf *out, const char *p, size_t n)
{
	struct buf safe = {0};

	term_put_harmless(&safe, p, n);
	for (size_t i = 0; i < safe.len; i++)
		if (safe.p[i] == '\t')
			buf_adds(out, "    ");
		else
			buf_addc(out, safe.p[i]);
	buf_finish(&safe);
}

/* Lines of code whose block began earlier. */
static void put_code_lines(struct renderer *r, struct str text)
{
	add_code(&r->code, text.p, text.n);
	put_code_rows(r, (struct str){r->code.p, r->code.len});
}

/* --- tables --- */

static struct styled *cell_of(struct table *t, size_t row, size_t column)
{
	return &t->cells[row * t->columns + column];
}

static void begin_row(struct renderer *r)
{
	struct table *t = &r->table;

	t->cells = mem_realloc(t->cells, (t->rows + 1) * t->columns * sizeof *t->cells);
	memset(&t->cells[t->rows * t->columns], 0, t->columns * sizeof *t->cells);
	t->rows++;
	t->at = 0;
}

/* The width of each column: what it wants, or, when all do not fit, the widest give way. */
static void share_width(struct renderer *r, unsigned *widths)
{
	struct table *t = &r->table;
	unsigned all = r->width - indent_of(r), frame = (unsigned)t->columns * 3 + 1, sum = 0;
	unsigned room = all > frame + t->columns ? all - frame : (unsigned)t->columns;

	for (size_t c = 0; c < t->columns; c++) {
		widths[c] = 1;
		for (size_t row = 0; row < t->rows; row++) {
			const struct styled *cell = cell_of(t, row, c);
			unsigned w = view_columns(cell->text.p, cell->text.len);

			if (w > widths[c])
				widths[c] = w;
		}
		sum += widths[c];
	}
	while (sum > room) {
		size_t widest = 0;

		for (size_t c = 1; c < t->columns; c++)
			if (widths[c] > widths[widest])
				widest = c;
		if (widths[widest] == 1)
			return;
		widths[widest]--;
		sum--;
	}
}

static void put_rule(struct renderer *r, const unsigned *widths, const char *left,
    const char *middle, const char *right)
{
	put_margin(r);
	if (r->color)
		buf_adds(r->out, "\033[2m");
	buf_adds(r->out, left);
	for (size_t c = 0; c < r->table.columns; c++) {
		for (unsigned k = 0; k < widths[c] + 2; k++)
			buf_adds(r->out, "─");
		buf_adds(r->out, c + 1 < r->table.columns ? middle : right);
	}
	buf_adds(r->out, r->color ? "\033[0m\n" : "\n");
}

static void put_bar(struct renderer *r)
{
	buf_adds(r->out, r->color ? "\033[2m│\033[0m" : "│");
}

/* One row: as many lines as its tallest cell has. */
static void put_row(struct renderer *r, size_t row, const unsigned *widths)
{
	struct table *t = &r->table;
	size_t at[MARKDOWN_MAX_COLUMNS] = {0};
	bool more = true;

	for (unsigned line = 0; more || line == 0; line++) {
		size_t mark = r->out->len;

		more = false;
		put_margin(r);
		for (size_t c = 0; c < t->columns; c++) {
			const struct styled *cell = cell_of(t, row, c);
			size_t from = 0, end = 0;
			bool has = next_line(cell, widths[c], &at[c], &from, &end);
			unsigned used = has ? view_columns(cell->text.p + from, end - from) : 0;
			unsigned pad = used < widths[c] ? widths[c] - used : 0;
			unsigned left = t->align[c] == MD_ALIGN_RIGHT	 ? pad
					: t->align[c] == MD_ALIGN_CENTER ? pad / 2
									 : 0;

			more |= has;
			put_bar(r);
			for (unsigned k = 0; k < left + 1; k++)
				buf_addc(r->out, ' ');
			if (has)
				put_range(r->out, cell, from, end, r->color);
			for (unsigned k = 0; k < pad - left + 1; k++)
				buf_addc(r->out, ' ');
		}
		put_bar(r);
		buf_addc(r->out, '\n');
		/* The line after the last text shows that there is none: it goes again. */
		if (!more && line)
			r->out->len = mark;
	}
}

static void put_table(struct renderer *r)
{
	struct table *t = &r->table;
	unsigned widths[MARKDOWN_MAX_COLUMNS] = {0};

	begin_block(r);
	if (t->rows) {
		share_width(r, widths);
		put_rule(r, widths, "┌", "┬", "┐");
		for (size_t row = 0; row < t->rows; row++) {
			put_row(r, row, widths);
			if (row == 0)
				put_rule(r, widths, "├", "┼", "┤");
		}
		put_rule(r, widths, "└", "┴", "┘");
	}
	for (size_t i = 0; i < t->rows * t->columns; i++)
		styled_finish(&t->cells[i]);
	free(t->cells);
	*t = (struct table){0};
}

/* --- md4c's calls --- */

static void push(struct renderer *r, struct level level)
{
	if (r->depth < MARKDOWN_MAX_DEPTH)
		r->levels[r->depth] = level;
	r->depth += r->depth < MARKDOWN_MAX_DEPTH;
}

static void begin_item(struct renderer *r, const MD_BLOCK_LI_DETAIL *d)
{
	struct level *l = r->depth ? &r->levels[r->depth - 1] : NULL;

	if (!l)
		return;
	if (l->ordered)
		snprintf(l->mark, sizeof l->mark, "%u. ", l->number++);
	else if (d->is_task)
		snprintf(l->mark, sizeof l->mark, "%s ", d->task_mark == ' ' ? "☐" : "☑");
	else
		snprintf(l->mark, sizeof l->mark, "• ");
	l->indent = view_columns(l->mark, strlen(l->mark));
	l->first = true;
}

static int on_enter_block(MD_BLOCKTYPE type, void *detail, void *data)
{
	struct renderer *r = data;

	switch (type) {
	case MD_BLOCK_QUOTE:
		begin_block(r);
		r->any = false;
		push(r, (struct level){.quote = true, .indent = 2});
		break;
	case MD_BLOCK_UL:
	case MD_BLOCK_OL: {
		bool ordered = type == MD_BLOCK_OL;
		bool tight = ordered ? ((MD_BLOCK_OL_DETAIL *)detail)->is_tight
				     : ((MD_BLOCK_UL_DETAIL *)detail)->is_tight;

		if (r->leaf.text.len)
			put_leaf(r);
		if (!r->tight)
			begin_block(r), r->any = false;
		push(r, (struct level){.ordered = ordered,
			    .number = !ordered	  ? 0
				      : r->number ? r->number
						  : ((MD_BLOCK_OL_DETAIL *)detail)->start});
		r->number = 0;
		r->tight = tight;
		break;
	}
	case MD_BLOCK_LI:
		begin_item(r, detail);
		break;
	case MD_BLOCK_H:
		begin_block(r);
		r->style |= STYLE_HEADING;
		break;
	case MD_BLOCK_CODE: {
		MD_BLOCK_CODE_DETAIL *d = detail;
		struct buf safe = {0};

		term_put_harmless(&safe, d->lang.text, d->lang.size);
		snprintf(r->language, sizeof r->language, "%.*s",
		    (int)str_utf8_valid(safe.p,
			safe.len < sizeof r->language - 1 ? safe.len : sizeof r->language - 1),
		    safe.len ? safe.p : "");
		buf_finish(&safe);
		r->in_code = true;
		break;
	}
	case MD_BLOCK_P:
		begin_block(r);
		break;
	case MD_BLOCK_TABLE: {
		size_t columns = ((MD_BLOCK_TABLE_DETAIL *)detail)->col_count;

		r->in_table = true;
		r->table.columns = columns < MARKDOWN_MAX_COLUMNS ? columns : MARKDOWN_MAX_COLUMNS;
		break;
	}
	case MD_BLOCK_TR:
		begin_row(r);
		break;
	case MD_BLOCK_TH:
	case MD_BLOCK_TD:
		styled_clear(&r->leaf);
		if (r->table.at < r->table.columns)
			r->table.align[r->table.at] = ((MD_BLOCK_TD_DETAIL *)detail)->align;
		break;
	case MD_BLOCK_DOC:
	case MD_BLOCK_HR:
	case MD_BLOCK_HTML:
	case MD_BLOCK_THEAD:
	case MD_BLOCK_TBODY:
		break;
	}
	return 0;
}

static int on_leave_block(MD_BLOCKTYPE type, void *detail, void *data)
{
	struct renderer *r = data;

	switch (type) {
	case MD_BLOCK_QUOTE:
		r->depth -= r->depth > 0;
		r->any = true;
		break;
	case MD_BLOCK_UL:
	case MD_BLOCK_OL:
		if (r->leaf.text.len)
			put_leaf(r);
		r->depth -= r->depth > 0;
		r->tight = r->depth > 0 && r->tight;
		r->any = true;
		break;
	case MD_BLOCK_LI:
		/* A tight item has its text without a paragraph. */
		if (r->leaf.text.len || (r->depth && r->levels[r->depth - 1].first)) {
			if (!r->leaf.text.len)
				styled_add(&r->leaf, "\n", 1, 0, NOWHERE);
			put_leaf(r);
		}
		r->any = true;
		break;
	case MD_BLOCK_H:
		r->style &= ~(unsigned)STYLE_HEADING;
		put_leaf(r);
		break;
	case MD_BLOCK_P:
	case MD_BLOCK_HTML:
		put_leaf(r);
		break;
	case MD_BLOCK_CODE:
		if (r->leaf.text.len)
			put_leaf(r);
		r->in_code = false;
		put_code(r);
		break;
	case MD_BLOCK_HR: {
		unsigned room = r->width - indent_of(r);

		begin_block(r);
		put_margin(r);
		buf_adds(r->out, r->color ? "\033[2m" : "");
		for (unsigned i = 0; i < room; i++)
			buf_adds(r->out, "─");
		buf_adds(r->out, r->color ? "\033[0m\n" : "\n");
		break;
	}
	case MD_BLOCK_TH:
	case MD_BLOCK_TD:
		if (r->table.at < r->table.columns && r->table.rows) {
			*cell_of(&r->table, r->table.rows - 1, r->table.at++) = r->leaf;
			r->leaf = (struct styled){{0}, {0}, {0}};
		}
		styled_clear(&r->leaf);
		break;
	case MD_BLOCK_TABLE:
		put_table(r);
		r->in_table = false;
		break;
	case MD_BLOCK_DOC:
	case MD_BLOCK_THEAD:
	case MD_BLOCK_TBODY:
	case MD_BLOCK_TR:
		break;
	}
	return 0;
}

static unsigned span_style(MD_SPANTYPE type)
{
	switch (type) {
	case MD_SPAN_STRONG:
		return STYLE_STRONG;
	case MD_SPAN_EM:
		return STYLE_EMPHASIS;
	case MD_SPAN_CODE:
		return STYLE_CODE;
	case MD_SPAN_A:
		return STYLE_LINK;
	case MD_SPAN_DEL:
		return STYLE_STRIKE;
	case MD_SPAN_IMG:
	case MD_SPAN_LATEXMATH:
	case MD_SPAN_LATEXMATH_DISPLAY:
	case MD_SPAN_WIKILINK:
	case MD_SPAN_U:
		break;
	}
	return 0;
}

static int on_enter_span(MD_SPANTYPE type, void *detail, void *data)
{
	struct renderer *r = data;

	r->style |= span_style(type);
	if (type == MD_SPAN_A) {
		MD_SPAN_A_DETAIL *d = detail;

		buf_clear(&r->href);
		term_put_harmless(&r->href, d->href.text, d->href.size);
		/* Where the last link's words begin, to see whether they are the address itself. */
		buf_addc(&r->href, '\0');
	}
	return 0;
}

static int on_leave_span(MD_SPANTYPE type, void *detail, void *data)
{
	struct renderer *r = data;
	size_t n = r->href.len ? r->href.len - 1 : 0;

	r->style &= ~span_style(type);
	if (type != MD_SPAN_A || !n)
		return 0;
	/* An address that is its own text need not be said twice. */
	if (r->leaf.text.len < n ||
	    memcmp(r->leaf.text.p + r->leaf.text.len - n, r->href.p, n) != 0) {
		styled_add(&r->leaf, " (", 2, STYLE_DIM, NOWHERE);
		styled_add(&r->leaf, r->href.p, n, STYLE_DIM, NOWHERE);
		styled_add(&r->leaf, ")", 1, STYLE_DIM, NOWHERE);
	}
	return 0;
}

/* Where a piece that md4c gives stands in the source; NOWHERE for its own ones. */
static int32_t source_of(const struct renderer *r, const char *p)
{
	return p >= r->text && p < r->text + r->text_len ? (int32_t)(p - r->text) : NOWHERE;
}

static int on_text(MD_TEXTTYPE type, const MD_CHAR *p, MD_SIZE n, void *data)
{
	struct renderer *r = data;
	struct buf safe = {0};

	switch (type) {
	case MD_TEXT_BR:
		styled_add(&r->leaf, "\n", 1, 0, NOWHERE);
		return 0;
	case MD_TEXT_SOFTBR:
		styled_add(&r->leaf, " ", 1, r->style, NOWHERE);
		return 0;
	case MD_TEXT_NULLCHAR:
		styled_add(&r->leaf, UTF8_REPLACEMENT, 3, r->style, NOWHERE);
		return 0;
	case MD_TEXT_NORMAL:
	case MD_TEXT_ENTITY:
	case MD_TEXT_CODE:
	case MD_TEXT_HTML:
	case MD_TEXT_LATEXMATH:
		break;
	}
	if (r->in_code) {
		add_code(&r->code, p, n);
	} else {
		term_put_harmless(&safe, p, n);
		for (size_t i = 0; i < safe.len; i++)
			if (safe.p[i] == '\t')
				safe.p[i] = ' ';
		styled_add(&r->leaf, safe.p, safe.len, r->style,
		    safe.len == n ? source_of(r, p) : NOWHERE);
	}
	buf_finish(&safe);
	return 0;
}

static void finish_renderer(struct renderer *r)
{
	for (size_t i = 0; i < r->table.rows * r->table.columns; i++)
		styled_finish(&r->table.cells[i]);
	free(r->table.cells);
	styled_finish(&r->leaf);
	buf_finish(&r->code);
	buf_finish(&r->href);
}

void markdown_put_part(struct buf *out, const struct markdown_part *part, const char *text,
    size_t n, struct markdown_cut *ret_cut)
{
	static const MD_PARSER parser = {.flags = MD_FLAG_TABLES | MD_FLAG_STRIKETHROUGH |
						  MD_FLAG_TASKLISTS |
						  MD_FLAG_PERMISSIVEURLAUTOLINKS | MD_FLAG_NOHTML,
	    .enter_block = on_enter_block,
	    .leave_block = on_leave_block,
	    .enter_span = on_enter_span,
	    .leave_span = on_leave_span,
	    .text = on_text};
	struct renderer r = {.out = out,
	    .color = part->color,
	    .width = part->width,
	    .number = part->number,
	    .margin = part->margin,
	    .margin_len = part->margin_len,
	    .cut = ret_cut,
	    .text_len = n};
	struct buf source = {0};

	assert(n <= MARKDOWN_MAX_PART);
	if (r.width > MARKDOWN_MAX_WIDTH)
		r.width = MARKDOWN_MAX_WIDTH;
	if (r.width < MARKDOWN_MIN_WIDTH)
		r.width = MARKDOWN_MIN_WIDTH;
	if (r.width >= part->margin_columns + MARKDOWN_MIN_WIDTH)
		r.width -= part->margin_columns;
	if (ret_cut)
		*ret_cut = (struct markdown_cut){{0}, {0}};
	/* md4c 0.4.8 looks one byte behind its text (a "[" at the end): there is a 0. The text is a
	 * copy, so that what follows it cannot change how it looks. */
	buf_add(&source, text, n);
	r.text = buf_cstr(&source);
	if (n && part->code)
		put_code_lines(&r, (struct str){r.text, n});
	else if (n)
		md_parse(r.text, (MD_SIZE)n, &parser, &r);
	finish_renderer(&r);
	buf_finish(&source);
}
