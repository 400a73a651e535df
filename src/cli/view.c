/* How events look. */
#include "cli/view.h"

#include <inttypes.h>
#include <wchar.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/str.h"
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

/* Text as it is shown: harmless, blanks for line ends, cut to `columns`. */
static void put_line(struct buf *out, const char *p, size_t n, unsigned columns)
{
	struct buf safe = {0};
	size_t fits;

	term_put_harmless(&safe, p, n);
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

/* One row of what is shown: cut, or with wrap the rest as rows of its own. */
static void put_rows(struct buf *out, const struct view *v, struct str line, const char *margin,
    const char *style, bool wrap)
{
	unsigned room = v->width > 6 ? v->width - 4 : 100000;
	struct buf safe = {0};
	size_t at = 0;

	put_line(&safe, line.p, line.n, wrap ? ~0U : room);
	do {
		size_t fits = wrap ? view_fit(safe.p + at, safe.len - at, room, NULL) : safe.len;

		buf_adds(out, margin);
		if (style)
			view_put_styled(out, v, style, safe.p + at, fits);
		else
			buf_add(out, safe.p + at, fits);
		buf_addc(out, '\n');
		at += fits;
	} while (at < safe.len);
	buf_finish(&safe);
}

/* Lines of text with a margin, at most max of them. */
static void put_lines(struct buf *out, const struct view *v, struct str text, const char *margin,
    size_t max, const char *style, bool wrap)
{
	bool diff = is_diff(text);
	struct str line;
	size_t shown = 0, left = 0;
	char note[60];

	while (text.n) {
		text = str_cut(text, '\n', &line);
		if (shown == max) {
			left++;
			continue;
		}
		shown++;
		put_rows(out, v, line, margin, diff ? diff_style(line) : style, wrap);
	}
	if (left) {
		snprintf(note, sizeof note, "… %zu more lines", left);
		put_rows(out, v, str_of(note), margin, "2", false);
	}
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
	put_lines(out, v, result, "  │ ", is_diff(result) ? VIEW_PREVIEW_LINES : VIEW_RESULT_LINES,
	    "2", !ok);
	buf_finish(&call);
	buf_finish(&time);
}

void view_put_request(struct buf *out, const struct view *v, const json_t *request)
{
	const char *name = json_cstr(request, "toolName", "?");
	bool question = strcmp(name, "ask_user") == 0;
	struct buf head = {0};

	if (question) {
		buf_adds(&head, "? the model asks");
	} else {
		buf_adds(&head, "? may it run ");
		put_line(&head, name, strlen(name), 40);
	}
	view_put_styled(out, v, "1;33", head.p, head.len);
	buf_addc(out, '\n');
	/* All of a command is judged, not its beginning. */
	put_lines(out, v, json_str(request, "preview"), "  ", VIEW_PREVIEW_LINES, NULL, true);
	buf_finish(&head);
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
