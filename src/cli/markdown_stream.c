/*
 * Markdown that arrives bit by bit (cli/markdown.h). The text is cut into parts at places that
 * depend on the text alone, never on how it arrived: between blocks, between the items of a list,
 * behind a line of code, and, where a block grows long, at the row of a paragraph. What is before a
 * cut is rendered once, for good; only what is behind it is rendered again and again. So a long
 * answer costs what it weighs.
 */
#include <assert.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/str.h"
#include "cli/markdown.h"
#include "cli/markdown_part.h"
#include "cli/view.h"

enum {
	STREAM_JUDGE = 24,  /* bytes of a line that tell what it begins */
	STREAM_CHECK = 256, /* an open block is looked at each time it grew by this much */
	/* From here on it is cut where that changes no look. Few rows: those that a terminal which
	 * becomes narrow pushes off its screen cannot be painted anew. */
	STREAM_LONG = 512,
	STREAM_TOO_LONG = 8192,	     /* from here on wherever a row begins */
	STREAM_FAR_TOO_LONG = 65536, /* and here at any place */
	STREAM_MAX_MARGIN = 512,     /* bytes of margin that are kept */
	STREAM_TABLE_HEAD = 2048,    /* bytes of a table's first two lines that are repeated */
};

/* What a line begins. */
struct beginning {
	enum {
		BEGINS_TEXT,
		BEGINS_BLANK,
		BEGINS_ITEM,
		BEGINS_FENCE,
		BEGINS_HEADING,
		BEGINS_QUOTE
	} kind;
	unsigned indent;  /* columns before it */
	char mark;	  /* of an item: - * + . ) */
	unsigned number;  /* of an ordered item */
	unsigned content; /* of an item: the column its text begins at */
};

struct markdown_stream {
	struct buf done; /* rendered, not taken yet */
	struct buf text; /* the open part's source */
	size_t line;	 /* where its last line begins */
	size_t searched; /* no line end between line and here */
	size_t next_check;
	bool judged; /* it is known what the last line begins */
	bool blank;  /* the line before it was blank, or is none */

	bool any;		/* something was put out */
	bool gap;		/* a blank line goes before the open part */
	struct beginning block; /* how the open block began */
	unsigned number;	/* the open item's; 0: no item that goes on */
	char fence;		/* of the code that is open; 0: none */
	size_t fence_length;
	bool code;	   /* a code block of the outermost level: its lines are parts */
	bool code_begun;   /* its first line is put out */
	struct buf margin; /* the part goes on within a paragraph that has this before its rows */
	unsigned margin_columns;

	unsigned width;
	bool color;
};

struct markdown_stream *markdown_stream_new(unsigned width, bool color)
{
	struct markdown_stream *s = mem_zalloc(1, sizeof *s);

	s->width = width;
	s->color = color;
	s->blank = true;
	s->next_check = STREAM_CHECK;
	return s;
}

void markdown_stream_free(struct markdown_stream *s)
{
	if (!s)
		return;
	buf_finish(&s->done);
	buf_finish(&s->text);
	buf_finish(&s->margin);
	free(s);
}

void markdown_stream_set_width(struct markdown_stream *s, unsigned width)
{
	s->width = width;
}

/* --- what a line is --- */

/* Three or more of one of - * _ and blanks between them: a rule, not an item. */
static bool is_rule(struct str line)
{
	size_t marks = 0;

	for (size_t i = 0; i < line.n; i++) {
		if (line.p[i] == ' ' || line.p[i] == '\t')
			continue;
		if (line.p[i] != line.p[0])
			return false;
		marks++;
	}
	return marks >= 3;
}

/* "- ", "12. " at the beginning of line: fills b. */
static bool is_item(struct str line, struct beginning *b)
{
	size_t digits = 0, end;

	while (digits < line.n && digits < 9 && line.p[digits] >= '0' && line.p[digits] <= '9')
		digits++;
	if (digits >= line.n)
		return false;
	b->mark = line.p[digits];
	if (digits ? !strchr(".)", b->mark) : !strchr("-*+", b->mark))
		return false;
	end = digits + 1;
	if (end < line.n && line.p[end] != ' ' && line.p[end] != '\t')
		return false;
	if (!digits && is_rule(line))
		return false;
	while (end < line.n && line.p[end] == ' ' && end < digits + 5)
		end++;
	b->number = 0;
	for (size_t i = 0; i < digits; i++)
		b->number = b->number * 10 + (unsigned)(line.p[i] - '0');
	b->content = b->indent + (unsigned)(end < digits + 2 ? digits + 2 : end);
	return true;
}

/* The length of the run of ` or ~ that opens or closes code; 0: none. */
static size_t fence_run(struct str line)
{
	size_t n = 0;

	if (!line.n || (line.p[0] != '`' && line.p[0] != '~'))
		return 0;
	while (n < line.n && line.p[n] == line.p[0])
		n++;
	/* After ` the language has none (CommonMark 0.31, 4.5); that is text in code style. */
	if (n < 3 || (line.p[0] == '`' && memchr(line.p + n, '`', line.n - n)))
		return 0;
	return n;
}

/* line: its first bytes, at most to its end. */
static struct beginning judge_beginning(struct str line)
{
	struct beginning b = {.kind = BEGINS_TEXT};
	size_t hashes = 0;

	while (line.n && (line.p[0] == ' ' || line.p[0] == '\t')) {
		b.indent += line.p[0] == '\t' ? 4 - b.indent % 4 : 1;
		line = (struct str){line.p + 1, line.n - 1};
	}
	while (hashes < line.n && line.p[hashes] == '#')
		hashes++;
	if (!str_trim(line).n)
		b.kind = BEGINS_BLANK;
	else if (fence_run(line))
		b.kind = BEGINS_FENCE;
	else if (hashes && hashes <= 6 && (hashes == line.n || line.p[hashes] == ' '))
		b.kind = BEGINS_HEADING;
	else if (line.p[0] == '>')
		b.kind = BEGINS_QUOTE;
	else if (is_item(line, &b))
		b.kind = BEGINS_ITEM;
	return b;
}

/* --- parts --- */

static void render_open(
    const struct markdown_stream *s, size_t n, struct buf *out, struct markdown_cut *ret_cut)
{
	struct markdown_part part = {.width = s->width,
	    .color = s->color,
	    .code = s->code_begun,
	    .number = s->number,
	    .margin = s->margin.p,
	    .margin_len = s->margin.len,
	    .margin_columns = s->margin_columns};
	size_t before;

	if (s->any && s->gap)
		buf_addc(out, '\n');
	before = out->len;
	markdown_put_part(out, &part, s->text.p, n, ret_cut);
	/* Nothing but blanks shows as nothing. */
	if (out->len == before && s->any && s->gap)
		out->len--;
}

/* The first n bytes are no longer open. */
static void drop_open(struct markdown_stream *s, size_t n)
{
	assert(n <= s->text.len);
	buf_consume(&s->text, n);
	s->line -= n < s->line ? n : s->line;
	s->searched -= n < s->searched ? n : s->searched;
	s->next_check = STREAM_CHECK;
	buf_clear(&s->margin);
	s->margin_columns = 0;
}

/* What is before `at` is put out for good; gap: a blank line goes before what follows. */
static void cut_at(struct markdown_stream *s, size_t at, bool gap)
{
	size_t before = s->done.len;

	if (!at)
		return;
	render_open(s, at, &s->done, NULL);
	if (s->done.len > before) {
		s->any = true;
		s->gap = gap;
	}
	drop_open(s, at);
}

/* The paragraph goes on in the next part, with what its rows have before them. */
static void cut_at_row(
    struct markdown_stream *s, const struct buf *rows, const struct markdown_place *place)
{
	const char *margin = rows->p + place->row;
	struct buf kept = {0};
	unsigned columns = 0;

	if (place->margin <= STREAM_MAX_MARGIN) {
		struct buf plain = {0};

		buf_add(&kept, margin, place->margin);
		for (size_t i = 0; i < place->margin; i++) {
			while (i < place->margin && margin[i] == '\033')
				i = (size_t)((const char *)memchr(
						 margin + i, 'm', place->margin - i) -
					     margin) +
				    1;
			if (i < place->margin)
				buf_addc(&plain, margin[i]);
		}
		columns = view_columns(plain.p, plain.len);
		buf_finish(&plain);
	}
	buf_add(&s->done, rows->p, place->row);
	s->any = true;
	s->gap = false;
	s->number = 0;
	drop_open(s, place->source);
	buf_finish(&s->margin);
	s->margin = kept;
	s->margin_columns = columns;
}

/* The open part begins a block. */
static void begin_open(struct markdown_stream *s, struct beginning b)
{
	bool goes_on = b.kind == BEGINS_ITEM && s->block.kind == BEGINS_ITEM &&
		       b.mark == s->block.mark && s->number;

	if (b.kind == BEGINS_ITEM && strchr(".)", b.mark))
		s->number = goes_on ? s->number + 1 : b.number;
	else
		s->number = 0;
	s->block = b;
}

/* --- lines --- */

static bool is_sibling(const struct markdown_stream *s, const struct beginning *b)
{
	return s->block.kind == BEGINS_ITEM && b->kind == BEGINS_ITEM && b->mark == s->block.mark &&
	       b->indent < s->block.content;
}

/* Does the line begin a block of its own, so that the open part ends before it? *ret_gap: with a
 * blank line between. */
static bool begins_block(const struct markdown_stream *s, const struct beginning *b, bool *ret_gap)
{
	bool item = s->block.kind == BEGINS_ITEM;

	*ret_gap = true;
	if (is_sibling(s, b)) {
		*ret_gap = s->blank;
		return true;
	}
	if (b->indent > 3 || (item && b->indent >= s->block.content))
		return false;
	if (s->blank)
		return true;
	/* These need no blank line before them; a numbered item only when it is the first. */
	switch (b->kind) {
	case BEGINS_FENCE:
	case BEGINS_HEADING:
		return true;
	case BEGINS_ITEM:
		return s->block.kind != BEGINS_QUOTE && (!strchr(".)", b->mark) || b->number == 1);
	case BEGINS_QUOTE:
		return s->block.kind != BEGINS_QUOTE;
	case BEGINS_TEXT:
	case BEGINS_BLANK:
		break;
	}
	return false;
}

/* The first bytes of a line are there. */
static void stream_begin_line(struct markdown_stream *s, struct str line)
{
	struct beginning b;
	bool gap;

	s->judged = true;
	if (s->fence)
		return;
	b = judge_beginning(line);
	if (b.kind == BEGINS_BLANK)
		return;
	if (s->line == 0) {
		begin_open(s, b);
		return;
	}
	if (!begins_block(s, &b, &gap))
		return;
	cut_at(s, s->line, gap);
	begin_open(s, b);
}

static void end_code(struct markdown_stream *s, size_t line, size_t end)
{
	bool outer = s->code;

	s->fence = 0;
	if (!outer)
		return;
	if (s->code_begun) {
		/* The closing line is none of the code. */
		assert(line == 0);
		drop_open(s, end);
	} else {
		cut_at(s, end, true);
	}
	s->gap = true;
	s->code = s->code_begun = false;
	s->block.kind = BEGINS_TEXT;
	s->number = 0;
}

static bool closes_fence(const struct markdown_stream *s, struct str line)
{
	size_t n = 0;

	line = str_trim(line);
	while (n < line.n && line.p[n] == s->fence)
		n++;
	return n == line.n && n >= s->fence_length;
}

/* A whole line is there, with its end at `end`. */
static void stream_end_line(struct markdown_stream *s, size_t end)
{
	struct str line = {s->text.p + s->line, end - 1 - s->line}, words = str_trim(line);

	s->blank = false;
	if (s->fence) {
		if (closes_fence(s, line)) {
			s->blank = s->code;
			end_code(s, s->line, end);
		} else if (s->code) {
			cut_at(s, end, false);
			s->code_begun = true;
		}
	} else if (fence_run(words) && s->margin.len == 0) {
		s->fence = words.p[0];
		s->fence_length = fence_run(words);
		s->code = s->line == 0 && s->block.kind == BEGINS_FENCE && s->block.indent < 4;
	} else if (s->line == 0 && s->block.kind == BEGINS_HEADING && s->block.indent < 4) {
		cut_at(s, end, true);
		s->blank = true;
		s->block.kind = BEGINS_TEXT;
	} else {
		s->blank = words.n == 0;
	}
}

/* --- long blocks --- */

/* The source of a table's first two lines, when the open part is one. */
static bool table_head(const struct markdown_stream *s, size_t *ret_n)
{
	struct str rest = {s->text.p, s->text.len}, first, second;
	bool dash = false, bar = false;

	rest = str_cut(rest, '\n', &first);
	rest = str_cut(rest, '\n', &second);
	*ret_n = s->text.len - rest.n;
	if (!memchr(first.p, '|', first.n) || *ret_n > STREAM_TABLE_HEAD || s->line < *ret_n)
		return false;
	for (size_t i = 0; i < second.n; i++) {
		dash |= second.p[i] == '-';
		bar |= second.p[i] == '|';
		if (!strchr("-|: \t\r", second.p[i]))
			return false;
	}
	return dash && bar;
}

/* The rows so far are a table; the others get its head again. */
static void cut_table(struct markdown_stream *s, size_t head)
{
	struct buf first = {0}, rest = {0};
	size_t line = s->line;

	if (line <= head)
		return;
	buf_add(&first, s->text.p, head);
	buf_add(&rest, s->text.p + line, s->text.len - line);
	cut_at(s, line, true);
	buf_clear(&s->text);
	buf_add(&s->text, first.p, first.len);
	buf_add(&s->text, rest.p, rest.len);
	s->line += first.len;
	s->searched += first.len;
	s->next_check = first.len + STREAM_CHECK;
	buf_finish(&first);
	buf_finish(&rest);
}

/* Code within a list or a quote: the lines that are whole go; of one without end what is there. */
static void cut_code(struct markdown_stream *s, size_t n)
{
	size_t at = s->line && !s->code_begun ? s->line : n;

	/* Where a character ends. */
	while (at && at < s->text.len && ((unsigned char)s->text.p[at] & 0xC0) == 0x80)
		at--;
	cut_at(s, at, false);
	s->code = s->code_begun = true;
}

/* The open part grew to n bytes. */
static void stream_check_length(struct markdown_stream *s, size_t n)
{
	struct markdown_cut cut;
	struct buf rows = {0};
	size_t head;

	/* Ever more rarely, so that what cannot be cut is not rendered as often as it is long. */
	s->next_check = n + (n / 4 > STREAM_CHECK ? n / 4 : STREAM_CHECK);
	if (n < STREAM_LONG)
		return;
	if (s->fence) {
		if (n >= STREAM_TOO_LONG)
			cut_code(s, n);
		return;
	}
	if (table_head(s, &head)) {
		if (n >= STREAM_TOO_LONG)
			cut_table(s, head);
		return;
	}
	render_open(s, n, &rows, &cut);
	if (cut.clean.source)
		cut_at_row(s, &rows, &cut.clean);
	else if (n >= STREAM_TOO_LONG && cut.any.source)
		cut_at_row(s, &rows, &cut.any);
	else if (n >= STREAM_FAR_TOO_LONG)
		cut_at(s, s->line ? s->line : n, true);
	buf_finish(&rows);
}

/* --- the text as it comes --- */

/* Take what has come, in the order of its places: a line's beginning, its end, a length. */
static void stream_take_text(struct markdown_stream *s, bool end)
{
	while (s->line < s->text.len) {
		size_t left = s->text.len - s->line;
		const char *from = s->text.p + s->searched;
		const char *found = memchr(from, '\n', s->text.len - s->searched);
		size_t line_end = found ? (size_t)(found - s->text.p) + 1 : 0;

		if (!s->judged) {
			size_t n = line_end ? line_end - 1 - s->line : left;

			if (!line_end && left < STREAM_JUDGE && !end)
				break;
			if (n > STREAM_JUDGE)
				n = STREAM_JUDGE;
			stream_begin_line(s, (struct str){s->text.p + s->line, n});
			continue;
		}
		if (line_end && line_end <= s->next_check) {
			s->searched = line_end;
			stream_end_line(s, line_end);
			s->judged = false;
			/* What was cut off took the line with it, or the next one begins behind it.
			 */
			s->line = s->searched;
		} else if (s->text.len >= s->next_check) {
			assert(s->searched >= s->line);
			stream_check_length(s, s->next_check);
		} else {
			s->searched = line_end ? s->searched : s->text.len;
			break;
		}
	}
}

void markdown_stream_add(struct markdown_stream *s, const char *p, size_t n)
{
	buf_add(&s->text, p, n);
	stream_take_text(s, false);
}

void markdown_stream_take(struct markdown_stream *s, bool end, struct buf *out)
{
	if (end) {
		stream_take_text(s, true);
		/* A closing fence whose line has no end is none of the code either. */
		if (s->code_begun && closes_fence(s, (struct str){s->text.p, s->text.len}))
			drop_open(s, s->text.len);
		cut_at(s, s->text.len, true);
	}
	buf_add(out, s->done.p, s->done.len);
	buf_clear(&s->done);
	if (!end)
		return;
	buf_clear(&s->text);
	s->line = s->searched = 0;
	s->judged = s->any = s->gap = s->code = s->code_begun = false;
	s->blank = true;
	s->fence = 0;
	s->number = 0;
	s->block = (struct beginning){0};
	buf_clear(&s->margin);
	s->margin_columns = 0;
	s->next_check = STREAM_CHECK;
}

bool markdown_stream_is_between(const struct markdown_stream *s)
{
	return s->gap || !s->any;
}

void markdown_stream_open(const struct markdown_stream *s, struct buf *out)
{
	if (s->text.len)
		render_open(s, s->text.len, out, NULL);
}

void markdown_render(struct buf *out, const char *text, size_t n, unsigned width, bool color)
{
	struct markdown_stream *s = markdown_stream_new(width, color);

	markdown_stream_add(s, text, n);
	markdown_stream_take(s, true, out);
	markdown_stream_free(s);
}
