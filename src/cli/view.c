/* How events look. */
#include "cli/view.h"

#include <inttypes.h>
#include <wchar.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/str.h"
#include "cli/consent.h"
#include "cli/term.h"

enum {
	VIEW_RESULT_LINES = 3, /* of a tool's result */
	VIEW_ARGUMENT = 100,   /* bytes of a call's argument when the width is not bounded */
};

/* --- columns --- */

/* The next character of p[0..n) (valid UTF-8 or a byte that is none): its length and columns. */
static size_t next_char(const char *p, size_t n, unsigned *ret_columns)
{
	unsigned char c = (unsigned char)p[0];
	size_t len = c < 0x80 ? 1 : c < 0xE0 ? 2 : c < 0xF0 ? 3 : 4;
	uint32_t code;
	int width;

	*ret_columns = 1;
	if (len == 1)
		return 1;
	if (len > n || str_utf8_valid(p, len) != len)
		return 1;
	code = c & (0xFFu >> (len + 1));
	for (size_t i = 1; i < len; i++)
		code = code << 6 | ((unsigned char)p[i] & 0x3F);
	width = wcwidth((wchar_t)code);
	/* What libc does not know is shown as something of one column, most likely. */
	*ret_columns = width < 0 ? 1 : (unsigned)width;
	return len;
}

unsigned view_columns(const char *p, size_t n)
{
	unsigned columns = 0, one;

	for (size_t i = 0; i < n; columns += one)
		i += next_char(p + i, n - i, &one);
	return columns;
}

size_t view_fit(const char *p, size_t n, unsigned columns, unsigned *ret_columns)
{
	unsigned used = 0, one;
	size_t i = 0;

	while (i < n) {
		size_t len = next_char(p + i, n - i, &one);

		if (used + one > columns)
			break;
		used += one;
		i += len;
	}
	if (ret_columns)
		*ret_columns = used;
	return i;
}

/* --- pieces --- */

void view_put_styled(
    struct buf *out, const struct view *v, const char *style, const char *text, size_t n)
{
	if (v->color)
		buf_addf(out, "\033[%sm", style);
	buf_add(out, text, n);
	if (v->color)
		buf_adds(out, "\033[0m");
}

static void put_style(struct buf *out, const struct view *v, const char *style, const char *text)
{
	view_put_styled(out, v, style, text, strlen(text));
}

/* Text as it is shown: nothing in it is unseen, blanks for line ends, cut to `columns`. */
static void put_line(struct buf *out, const char *p, size_t n, unsigned columns)
{
	struct buf safe = {0};
	size_t fits;

	term_put_visible(&safe, p, n);
	for (size_t i = 0; i < safe.len; i++)
		if (safe.p[i] == '\n' || safe.p[i] == '\t')
			safe.p[i] = ' ';
	fits = view_fit(safe.p, safe.len, columns, NULL);
	if (fits < safe.len && columns > 1) {
		fits = view_fit(safe.p, safe.len, columns - 1, NULL);
		buf_add(out, safe.p, fits);
		buf_adds(out, "…");
	} else {
		buf_add(out, safe.p, fits);
	}
	buf_finish(&safe);
}

/* The argument that says most of what a call is about. Owned by args. */
static const char *main_argument(const json_t *args)
{
	static const char *const keys[] = {"command", "pattern", "path", "question", "processId"};

	for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
		const char *text = json_cstr(args, keys[i], NULL);

		if (text)
			return text;
	}
	return "";
}

void view_put_call(struct buf *out, const struct view *v, const char *name, const char *args)
{
	unsigned room = v->width ? v->width : VIEW_ARGUMENT;
	json_t *json = NULL;
	size_t before = out->len;
	const char *text;
	unsigned used;

	put_line(out, name, strlen(name), 30);
	used = view_columns(out->p + before, out->len - before) + 2;
	json_parse(args, strlen(args), &json, NULL);
	text = main_argument(json);
	if (text[0] && room > used + 1) {
		buf_adds(out, "  ");
		put_line(out, text, strlen(text), room - used);
	}
	json_decref(json);
}

static void put_duration(struct buf *out, int64_t ms)
{
	if (ms < 1000)
		buf_addf(out, "%" PRId64 "ms", ms);
	else if (ms < 60000)
		buf_addf(out, "%.1fs", (double)ms / 1000.0);
	else
		buf_addf(out, "%" PRId64 "m%02" PRId64 "s", ms / 60000, ms / 1000 % 60);
}

/* A line of a unified diff in its colour. */
static const char *diff_style(struct str line)
{
	if (str_starts(line, "+++") || str_starts(line, "---"))
		return "1";
	if (str_starts(line, "@@"))
		return "36";
	if (str_starts(line, "+"))
		return "32";
	return str_starts(line, "-") ? "31" : NULL;
}

static bool is_diff(struct str text)
{
	return str_starts(text, "--- ") && memmem(text.p, text.n, "\n+++ ", 5);
}

/* How lines are shown. */
struct lines_style {
	const char *margin, *style; /* style may be NULL */
	bool wrap;		    /* a long line goes on in rows of its own; else it is cut */
	size_t max;		    /* rows */
};

/* What is shown of a run of lines, and what is left out. */
struct shown {
	size_t rows, hidden;
};

/* One line as rows, while there is room for them. */
static void put_rows(struct buf *out, const struct view *v, struct str line,
    const struct lines_style *l, const char *style, struct shown *shown)
{
	unsigned room = v->width > 6 ? v->width - 4 : 100000;
	struct buf safe = {0}, plain = {0};
	size_t at = 0;

	/* A tab is as wide as in the other text shown here, so that indentation is seen. */
	for (size_t i = 0; i < line.n; i++)
		if (line.p[i] == '\t')
			buf_adds(&plain, "    ");
		else
			buf_addc(&plain, line.p[i]);
	put_line(&safe, plain.len ? plain.p : "", plain.len, l->wrap ? ~0U : room);
	buf_finish(&plain);
	do {
		size_t fits = l->wrap ? view_fit(safe.p + at, safe.len - at, room, NULL) : safe.len;

		if (shown->rows >= l->max) {
			shown->hidden++;
		} else {
			buf_adds(out, l->margin);
			if (style)
				view_put_styled(out, v, style, safe.p + at, fits);
			else
				buf_add(out, safe.p + at, fits);
			buf_addc(out, '\n');
			shown->rows++;
		}
		at += fits;
	} while (at < safe.len);
	buf_finish(&safe);
}

/* The bytes of a line but for blanks, tabs and carriage returns. */
static void put_inked(struct buf *out, struct str line)
{
	for (size_t i = 0; i < line.n; i++)
		if (line.p[i] != ' ' && line.p[i] != '\t' && line.p[i] != '\r')
			buf_addc(out, line.p[i]);
}

/* Does one of the lines that begin with `sign`, before the run of changes in rest ends, differ from
 * line in its blanks alone? */
static bool has_twin(struct str rest, struct str line, char sign)
{
	struct buf a = {0}, b = {0};
	struct str other;
	bool twin = false;

	put_inked(&a, (struct str){line.p + 1, line.n - 1});
	while (rest.n && !twin) {
		rest = str_cut(rest, '\n', &other);
		if (!other.n || (other.p[0] != '-' && other.p[0] != '+'))
			break;
		if (other.p[0] != sign)
			continue;
		buf_clear(&b);
		put_inked(&b, (struct str){other.p + 1, other.n - 1});
		twin = a.len == b.len && (!a.len || memcmp(a.p, b.p, a.len) == 0) &&
		       !(other.n == line.n && memcmp(other.p + 1, line.p + 1, line.n - 1) == 0);
	}
	buf_finish(&a);
	buf_finish(&b);
	return twin;
}

/* A line whose blanks are what differs: tabs as arrows, blanks at its end as dots. */
static void put_blanks(struct buf *out, struct str line)
{
	size_t end = line.n;

	while (end > 1 && (line.p[end - 1] == ' ' || line.p[end - 1] == '\r'))
		end--;
	for (size_t i = 0; i < line.n; i++) {
		if (line.p[i] == '\t')
			buf_adds(out, "→   ");
		else if (line.p[i] == ' ' && i >= end)
			buf_adds(out, "·");
		else
			buf_addc(out, line.p[i]);
	}
}

enum { VIEW_TWIN_BYTES = 16 * 1024 }; /* of a run of changes that are searched for twins */

/* A line of a diff: block is the run of changes it stands in. */
static void put_diff_line(struct buf *out, const struct view *v, struct str line, struct str block,
    const struct lines_style *l, struct shown *shown)
{
	char other = line.n && line.p[0] == '-' ? '+' : '-';
	struct buf marked = {0};
	bool change = line.n && (line.p[0] == '-' || line.p[0] == '+');

	if (block.n > VIEW_TWIN_BYTES)
		block.n = VIEW_TWIN_BYTES;
	if (change && shown->rows < l->max && has_twin(block, line, other)) {
		put_blanks(&marked, line);
		put_rows(out, v, (struct str){marked.p, marked.len}, l, diff_style(line), shown);
	} else {
		put_rows(out, v, line, l, diff_style(line), shown);
	}
	buf_finish(&marked);
}

/* Lines of text with a margin, at most l->max rows of them. How many rows are left out. */
static size_t put_lines(
    struct buf *out, const struct view *v, struct str text, const struct lines_style *l)
{
	bool diff = is_diff(text), in_block = false;
	struct shown shown = {0, 0};
	struct str line, block = text;
	char note[60];

	while (text.n) {
		struct str from = text;
		bool change;

		text = str_cut(text, '\n', &line);
		change = line.n && (line.p[0] == '-' || line.p[0] == '+') &&
			 !str_starts(line, "---") && !str_starts(line, "+++");
		if (change && !in_block)
			block = from;
		in_block = change;
		if (diff && change)
			put_diff_line(out, v, line, block, l, &shown);
		else
			put_rows(out, v, line, l, diff ? diff_style(line) : l->style, &shown);
	}
	if (shown.hidden) {
		struct lines_style end = {.margin = l->margin, .max = 1};
		struct shown one = {0, 0};

		snprintf(note, sizeof note, "… %zu more lines", shown.hidden);
		put_rows(out, v, str_of(note), &end, "2", &one);
	}
	return shown.hidden;
}

/* --- events --- */

void view_put_tool(struct buf *out, const struct view *v, const char *args, const json_t *end)
{
	bool ok = json_is_true(json_object_get(end, "ok"));
	struct view narrow = {.color = v->color, .width = v->width > 24 ? v->width - 14 : v->width};
	struct buf call = {0}, time = {0};
	struct str result = json_str(end, "result");
	const char *name = json_cstr(end, "toolName", "?");

	put_style(out, v, ok ? "32" : "31", ok ? "●" : "✗");
	buf_addc(out, ' ');
	view_put_call(&call, &narrow, name, args);
	view_put_styled(out, v, "1", call.p, call.len);
	buf_adds(out, "  ");
	put_duration(&time, json_int(end, "elapsedMs", 0));
	view_put_styled(out, v, "2", time.p, time.len);
	buf_addc(out, '\n');
	/* What a person asked to see is the change; of what was only looked at, a glance. */
	/* Why something failed is read to its end. */
	put_lines(out, v, result,
	    &(struct lines_style){.margin = "  │ ",
		.style = "2",
		.wrap = !ok,
		.max = is_diff(result) ? VIEW_PREVIEW_LINES : VIEW_RESULT_LINES});
	buf_finish(&call);
	buf_finish(&time);
}

/* Rows of the screen for what stands around a request called name: in a narrow one it wraps. */
static size_t view_around_request(const struct view *v, const char *name)
{
	static const struct consent widest = {.open = true, .command = true};
	size_t rows = VIEW_AROUND_REQUEST, question = 0;
	struct buf text = {0};

	if (v->width < 2)
		return rows;
	consent_put_question(&widest, v->width - 1, &text);
	for (size_t i = 0; i < text.len; i++)
		question += text.p[i] == '\n';
	if (question > VIEW_QUESTION_ROWS)
		rows += question - VIEW_QUESTION_ROWS;
	buf_finish(&text);
	return rows + (strlen("? may it run ") + strlen(name)) / v->width;
}

void view_put_request(
    struct buf *out, const struct view *v, const json_t *request, size_t *ret_hidden)
{
	const char *name = json_cstr(request, "toolName", "?");
	bool question = strcmp(name, "ask_user") == 0;
	struct buf head = {0};
	size_t rows = ~(size_t)0, around = view_around_request(v, name);

	if (v->height)
		rows =
		    v->height > around + VIEW_REQUEST_ROWS ? v->height - around : VIEW_REQUEST_ROWS;
	if (question) {
		buf_adds(&head, "? the model asks");
	} else {
		buf_adds(&head, "? may it run ");
		put_line(&head, name, strlen(name), 40);
	}
	view_put_styled(out, v, "1;33", head.p, head.len);
	buf_addc(out, '\n');
	/* All of a command is judged, not its beginning. */
	*ret_hidden = put_lines(out, v, json_str(request, "preview"),
	    &(struct lines_style){.margin = "  ", .wrap = true, .max = rows});
	buf_finish(&head);
}

void view_put_whole_request(struct buf *out, const json_t *request)
{
	struct str preview = json_str(request, "preview");
	char *args = json_dumps(json_object_get(request, "args"), JSON_INDENT(2));
	const char *name = json_cstr(request, "toolName", "?");

	buf_adds(out, "May it run ");
	term_put_visible(out, name, strlen(name));
	buf_adds(out, "?\n\n");
	term_put_visible(out, preview.p, preview.n);
	buf_adds(out, "\n");
	if (args) {
		buf_adds(out, "\nThe arguments, as they will be used:\n");
		term_put_visible(out, args, strlen(args));
		buf_addc(out, '\n');
	}
	free(args);
}

/* "12,345" */
static void put_count(struct buf *out, int64_t n)
{
	char digits[32];
	int len = snprintf(digits, sizeof digits, "%" PRId64, n < 0 ? 0 : n);

	for (int i = 0; i < len; i++) {
		if (i && (len - i) % 3 == 0)
			buf_addc(out, ',');
		buf_addc(out, digits[i]);
	}
}

void view_put_stats(struct buf *out, const json_t *stats)
{
	int64_t tools = json_int(stats, "toolCalls", 0);
	double speed = json_number_value(json_object_get(stats, "speed"));

	put_count(out, json_int(stats, "tokens", 0));
	buf_adds(out, " tokens");
	if (speed > 0)
		buf_addf(out, " · %.0f tok/s", speed);
	buf_adds(out, " · ");
	put_duration(out, json_int(stats, "elapsed", 0));
	if (tools)
		buf_addf(out, " · %" PRId64 " tool%s", tools, tools == 1 ? "" : "s");
}
