/* Lines of the log. */
#include "cli/logline.h"

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/str.h"
#include "base/utf8.h"
#include "cli/term.h"

enum { DAY = 24 * 60 * 60 };

int logline_time(const char *p, size_t n)
{
	static const char form[] = "[00:00:00]";
	int h, m, s;

	if (n < sizeof form - 1)
		return -1;
	for (size_t i = 0; i < sizeof form - 1; i++)
		if (form[i] == '0' ? p[i] < '0' || p[i] > '9' : p[i] != form[i])
			return -1;
	h = (p[1] - '0') * 10 + p[2] - '0';
	m = (p[4] - '0') * 10 + p[5] - '0';
	s = (p[7] - '0') * 10 + p[8] - '0';
	return h < 24 && m < 60 && s < 60 ? h * 3600 + m * 60 + s : -1;
}

/* The level's word and what follows it. False: the line is of another form. */
static bool split(
    struct str line, enum log_level *ret_level, struct str *ret_word, struct str *ret_message)
{
	static const struct {
		const char *word;
		enum log_level level;
	} levels[] = {
	    {"DEBUG", LOG_DEBUG}, {"INFO ", LOG_INFO}, {"WARN ", LOG_WARN}, {"ERROR", LOG_ERROR}};

	if (logline_time(line.p, line.n) < 0 || line.n < 17)
		return false;
	for (size_t i = 0; i < 4; i++)
		if (memcmp(line.p + 11, levels[i].word, 5) == 0) {
			*ret_level = levels[i].level;
			*ret_word = str_trim((struct str){line.p + 11, 5});
			*ret_message = (struct str){line.p + 17, line.n - 17};
			return true;
		}
	return false;
}

/* A log that was damaged, or written by a library, may hold what is not UTF-8, and JSON may not. */
static void put_lossy(struct buf *out, struct str text)
{
	struct buf clean = {0};

	utf8_repair(&clean, text.p, text.n, false);
	json_put_str(out, clean.len ? clean.p : "", clean.len);
	buf_finish(&clean);
}

static void put_json(struct buf *out, struct str time, struct str word, struct str message)
{
	struct buf json = {0};

	buf_adds(&json, "{\"time\":");
	put_lossy(&json, time);
	buf_adds(&json, ",\"level\":");
	put_lossy(&json, word);
	buf_adds(&json, ",\"message\":");
	put_lossy(&json, message);
	buf_adds(&json, "}\n");
	/* As escapes: it means the same to a program, and nothing to a terminal. */
	term_put_json(out, json.p, json.len);
	buf_finish(&json);
}

bool logline_put(struct buf *out, const struct logline_opts *o, const char *p, size_t n)
{
	static const char *const styles[] = {"2", "", "33", "31"};
	enum log_level level = LOG_INFO;
	struct str line = {p, n}, word = {"", 0}, message = line, time = {"", 0};
	bool parsed = split(line, &level, &word, &message);
	const char *style = parsed ? styles[level] : "";

	if (level < o->level)
		return false;
	if (parsed)
		time = (struct str){p + 1, 8};
	if (o->json) {
		put_json(out, time, word, message);
		return true;
	}
	if (o->color && style[0])
		buf_addf(out, "\033[%sm", style);
	/* What is in the log came from outside as well. */
	term_put_harmless(out, p, n);
	buf_adds(out, o->color && style[0] ? "\033[0m\n" : "\n");
	return true;
}

bool logline_parse_since(const char *text, int now, int *ret)
{
	int h = 0, m = 0, s = 0, used = 0;
	unsigned ago = 0;
	char unit = 0;

	if (sscanf(text, "%2d:%2d%n:%2d%n", &h, &m, &used, &s, &used) >= 2 && !text[used] &&
	    h >= 0 && h < 24 && m >= 0 && m < 60 && s >= 0 && s < 60) {
		*ret = h * 3600 + m * 60 + s;
		return true;
	}
	used = 0;
	if (sscanf(text, "%5u%c%n", &ago, &unit, &used) != 2 || text[used] || !strchr("smh", unit))
		return false;
	ago *= unit == 'h' ? 3600 : unit == 'm' ? 60 : 1;
	if (ago >= DAY)
		return false;
	*ret = (now - (int)ago + DAY) % DAY;
	return true;
}

bool logline_is_since(int time, int since, int now)
{
	if (since <= now)
		return time >= since && time <= now;
	return time >= since || time <= now;
}
