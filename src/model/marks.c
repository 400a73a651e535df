/* What templates leave in a text. */
#include "model/marks.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"

/* Where a call may begin that is written as text. */
static const char *const openers[] = {"<tool_call>", "<function=", "[TOOL_CALLS]", "<|python_tag|>",
    "<tool_calls>", "<function_call>"};
/* Where a message of harmony begins. */
static const char *const channels[] = {"<|channel|>", "<|start|>"};
static const char think_end[] = "</think>\n";

enum {
	OPENERS = sizeof openers / sizeof openers[0],
	CHANNELS = sizeof channels / sizeof channels[0]
};

/* --- telling --- */

/* Where lines and blocks of code begin. */
static void follow_lines(struct marks *m, const char *p, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (p[i] == '\n') {
			m->line_len = 0;
			continue;
		}
		if (m->line_len >= sizeof m->line || (p[i] == ' ' && !m->line_len))
			continue;
		m->line[m->line_len++] = p[i];
		if (m->line_len == sizeof m->line &&
		    (memcmp(m->line, "```", 3) == 0 || memcmp(m->line, "~~~", 3) == 0))
			m->fenced = !m->fenced;
	}
}

static void tell(struct marks *m, bool thinking, const char *p, size_t n)
{
	if (!n)
		return;
	if (!thinking)
		follow_lines(m, p, n);
	m->told |= !thinking;
	m->last = p[n - 1];
	m->on_text(m->data, thinking, p, n);
}

/* Tell the first n bytes that are held. */
static void tell_held(struct marks *m, bool thinking, size_t n)
{
	tell(m, thinking, m->held.p, n);
	buf_consume(&m->held, n);
}

/* --- finding --- */

/* Does text begin with word (1), may it yet (0), or not (-1)? */
static int begins(struct str text, const char *word)
{
	size_t n = strlen(word);

	if (text.n >= n)
		return memcmp(text.p, word, n) == 0 ? 1 : -1;
	return memcmp(text.p, word, text.n) == 0 ? 0 : -1;
}

enum found { FOUND_NOTHING, FOUND_PERHAPS, FOUND_CALL, FOUND_CHANNEL, FOUND_THOUGHT };

static enum found best(enum found a, int fits, enum found what)
{
	return fits > 0 ? what : fits == 0 && a == FOUND_NOTHING ? FOUND_PERHAPS : a;
}

/* What begins at text; first: nothing was said before it. */
static enum found found_at(const struct marks *m, struct str text, bool line_start, bool first)
{
	enum found found = FOUND_NOTHING;

	for (size_t i = 0; i < OPENERS; i++)
		found = best(found, begins(text, openers[i]), FOUND_CALL);
	for (size_t i = 0; i < CHANNELS; i++)
		found = best(found, begins(text, channels[i]), FOUND_CHANNEL);
	if (line_start && !m->thought)
		found = best(found, begins(text, think_end), FOUND_THOUGHT);
	/* A call alone, as Llama writes it. */
	if (first && text.p[0] == '{')
		found = best(found, begins(text, "{\"name\""), FOUND_CALL);
	return found;
}

/* The first place in what is held where something may begin; *ret is what. Nothing within code. */
static size_t find_mark(struct marks *m, enum found *ret)
{
	struct marks line = *m; /* follows along, to know of lines and blocks */

	*ret = FOUND_NOTHING;
	for (size_t i = 0; i < m->held.len; i++) {
		struct str rest = {m->held.p + i, m->held.len - i};
		bool start = line.line_len == 0, tick = (i ? m->held.p[i - 1] : m->last) == '`';

		if (!line.fenced && !tick && strchr("<[{", rest.p[0]))
			*ret = found_at(m, rest, start, !m->told && !i);
		if (*ret != FOUND_NOTHING)
			return i;
		follow_lines(&line, rest.p, 1);
	}
	return m->held.len;
}

/* --- harmony --- */

/* A message's words are the answer, a thought, or the arguments of a call. */
static bool is_thought(const struct marks *m)
{
	return m->header.len && (memmem(m->header.p, m->header.len, "analysis", 8) ||
				    memmem(m->header.p, m->header.len, "commentary", 10));
}

/* The tool a message is for: "to=functions.read_file". */
static struct str recipient(const struct marks *m)
{
	static const char to[] = "to=functions.";
	const char *at =
	    m->header.len ? memmem(m->header.p, m->header.len, to, sizeof to - 1) : NULL;
	struct str name = {NULL, 0};

	if (!at)
		return name;
	name.p = at + sizeof to - 1;
	while (name.p + name.n < m->header.p + m->header.len && !strchr(" <\t\n", name.p[name.n]))
		name.n++;
	return name;
}

/* False: there are too many. */
static bool add_call(struct marks *m, struct str name, struct str arguments)
{
	struct marks_call *c;

	if (m->count == MARKS_MAX_CALLS)
		return false;
	m->calls = mem_realloc(m->calls, (m->count + 1) * sizeof *m->calls);
	c = &m->calls[m->count++];
	*c = (struct marks_call){0};
	buf_add(&c->name, name.p, name.n);
	buf_add(&c->arguments, arguments.p, arguments.n);
	return true;
}

/* A call of harmony that is none, as the text it was. */
static void tell_call(struct marks *m, struct str name, struct str arguments)
{
	struct buf text = {0};

	buf_addf(&text, "to=functions.%.*s %.*s", (int)name.n, name.p, (int)arguments.n,
	    arguments.p ? arguments.p : "");
	tell(m, false, text.p, text.len);
	buf_finish(&text);
}

/* One message ended, with n bytes of it held. */
static void end_message(struct marks *m, size_t n)
{
	struct str to = recipient(m), text = str_trim((struct str){m->held.p, n});

	if (to.n && !add_call(m, to, text))
		tell_call(m, to, text);
	else if (!to.n)
		tell(m, is_thought(m), m->held.p, n);
	buf_consume(&m->held, n);
	buf_clear(&m->header);
}

/* Read on in a header or a message. False: more must come first. */
static bool step_harmony(struct marks *m)
{
	const char *mark = m->held.len ? memmem(m->held.p, m->held.len, "<|", 2) : NULL, *end;
	size_t before = mark ? (size_t)(mark - m->held.p) : m->held.len;
	bool body = m->mode == MARKS_BODY;

	/* What is told at once: a "<" at the end may begin a mark. */
	if (body && !mark && !recipient(m).n) {
		size_t safe = before && m->held.p[before - 1] == '<' ? before - 1 : before;

		tell_held(m, is_thought(m), safe);
		return false;
	}
	if (!mark || !memmem(mark, m->held.len - before, "|>", 2))
		return false;
	if (body) {
		end_message(m, before);
	} else {
		buf_add(&m->header, m->held.p, before);
		buf_consume(&m->held, before);
	}
	/* The mark is at the front now: what it begins. */
	end = (const char *)memmem(m->held.p, m->held.len, "|>", 2) + 2;
	if (str_starts((struct str){m->held.p, m->held.len}, "<|message|>"))
		m->mode = MARKS_BODY;
	else if (body)
		m->mode = MARKS_HEADER;
	else
		buf_addc(&m->header, ' ');
	buf_consume(&m->held, (size_t)(end - m->held.p));
	return true;
}

/* --- plain text --- */

/* Does what is held begin a message of harmony (1), may it yet (0), or does it only look so (-1)?
 */
static int begins_message(const struct marks *m)
{
	static const char mark[] = "<|message|>";
	size_t n = m->held.len < MARKS_MAX_HEADER ? m->held.len : MARKS_MAX_HEADER;
	const char *message = memmem(m->held.p, n, mark, sizeof mark - 1),
		   *line_end = memchr(m->held.p, '\n', n);

	if (message && (!line_end || line_end > message))
		return 1;
	return line_end || n == MARKS_MAX_HEADER ? -1 : 0;
}

/* False: more must come first. */
static bool step_channel(struct marks *m)
{
	int message = begins_message(m);

	if (message > 0)
		m->mode = MARKS_HEADER;
	else if (message < 0)
		tell_held(m, false, 2);
	return message != 0;
}

static bool step_plain(struct marks *m)
{
	enum found found;
	size_t at = find_mark(m, &found);

	tell_held(m, false, at);
	switch (found) {
	case FOUND_CALL:
		m->mode = MARKS_HELD;
		return false;
	case FOUND_CHANNEL:
		return step_channel(m);
	case FOUND_THOUGHT:
		m->thought = true;
		m->on_thought(m->data);
		buf_consume(&m->held, sizeof think_end - 1);
		return true;
	case FOUND_NOTHING:
	case FOUND_PERHAPS:
		break;
	}
	return false;
}

static bool step(struct marks *m)
{
	if (!m->held.len)
		return false;
	switch (m->mode) {
	case MARKS_PLAIN:
		return step_plain(m);
	case MARKS_HEADER:
	case MARKS_BODY:
		return step_harmony(m);
	case MARKS_HELD:
		break;
	}
	return false;
}

void marks_feed(struct marks *m, const char *p, size_t n)
{
	bool plain = m->mode == MARKS_PLAIN && !m->held.len;

	if (m->off || (plain && !memchr(p, '<', n) && !memchr(p, '[', n) && !memchr(p, '{', n))) {
		tell(m, false, p, n);
		return;
	}
	buf_add(&m->held, p, n);
	while (step(m))
		;
	if (m->held.len > MARKS_MAX_HELD) {
		m->off = true;
		tell_held(m, false, m->held.len);
	}
}

/* --- calls written as text --- */

static void skip_blanks(struct str *s)
{
	while (s->n && strchr(" \t\r\n", s->p[0])) {
		s->p++;
		s->n--;
	}
}

static bool skip(struct str *s, const char *word)
{
	if (!str_starts(*s, word))
		return false;
	s->p += strlen(word);
	s->n -= strlen(word);
	return true;
}

/* The text up to word, which is skipped. False: it is not there. */
static bool take_until(struct str *s, const char *word, struct str *ret)
{
	const char *at = s->n ? memmem(s->p, s->n, word, strlen(word)) : NULL;

	if (!at)
		return false;
	*ret = (struct str){s->p, (size_t)(at - s->p)};
	s->n -= ret->n + strlen(word);
	s->p = at + strlen(word);
	return true;
}

/* One JSON value at the beginning of s, which is skipped; NULL: there is none. */
static json_t *take_json(struct str *s)
{
	json_error_t error;
	json_t *value;

	skip_blanks(s);
	value =
	    s->n ? json_loadb(s->p, s->n, JSON_DISABLE_EOF_CHECK | JSON_REJECT_DUPLICATES, &error)
		 : NULL;
	if (!value)
		return NULL;
	s->p += error.position;
	s->n -= (size_t)error.position;
	return value;
}

static bool add_json_call(struct marks *m, const json_t *call)
{
	const json_t *inner = json_object_get(call, "function"),
		     *from = json_is_object(inner) ? inner : call, *args;
	const char *name = json_cstr(from, "name", NULL);
	struct buf text = {0};
	bool good;

	if (!name || !name[0])
		return false;
	args = json_object_get(from, "arguments");
	if (!args)
		args = json_object_get(from, "parameters");
	if (json_is_string(args))
		buf_adds(&text, json_string_value(args));
	else if (json_is_object(args))
		json_put(&text, args);
	else
		buf_adds(&text, "{}");
	good = add_call(m, str_of(name), (struct str){text.p, text.len});
	buf_finish(&text);
	return good;
}

/* {"name":…,"arguments":…}, or a list of them. */
static bool take_json_calls(struct marks *m, struct str *s)
{
	json_t *value = take_json(s), *one;
	bool good = json_is_object(value) ? add_json_call(m, value) : json_array_size(value) > 0;
	size_t i;

	json_array_foreach (value, i, one)
		good = good && add_json_call(m, one);
	json_decref(value);
	return good;
}

/* <parameter=NAME> text </parameter>, as Qwen writes it. */
static bool take_parameters(struct str *s, json_t *args)
{
	struct str name, value;

	for (skip_blanks(s); skip(s, "<parameter="); skip_blanks(s)) {
		char key[128];

		if (!take_until(s, ">", &name) || name.n >= sizeof key ||
		    !take_until(s, "</parameter>", &value))
			return false;
		snprintf(key, sizeof key, "%.*s", (int)name.n, name.p);
		/* One line end at either side belongs to the form. */
		if (value.n && value.p[0] == '\n')
			value = (struct str){value.p + 1, value.n - 1};
		if (value.n && value.p[value.n - 1] == '\n')
			value.n--;
		if (json_object_set_new(args, key, json_stringn(value.p, value.n)) != 0)
			return false;
	}
	return true;
}

/* <function=NAME> with parameters or with JSON. */
static bool take_function(struct marks *m, struct str *s)
{
	struct str name;
	struct buf text = {0};
	json_t *args;
	bool good;

	if (!skip(s, "<function=") || !take_until(s, ">", &name))
		return false;
	skip_blanks(s);
	args = s->n && s->p[0] == '{' ? take_json(s) : json_object();
	good = json_is_object(args) && take_parameters(s, args);
	skip_blanks(s);
	/* One without arguments has at least its end. */
	good &= skip(s, "</function>") || json_object_size(args) > 0;
	if (good) {
		json_put(&text, args);
		good = add_call(m, str_trim(name), (struct str){text.p, text.len});
	}
	json_decref(args);
	buf_finish(&text);
	return good;
}

/* [TOOL_CALLS]name{…}, [TOOL_CALLS]name[ARGS]{…}, [TOOL_CALLS][{…}]. */
static bool take_mistral(struct marks *m, struct str *s)
{
	struct str name = {NULL, 0};
	struct buf text = {0};
	size_t before = m->count;
	json_t *args;

	skip_blanks(s);
	if (s->n && (s->p[0] == '[' || s->p[0] == '{'))
		return take_json_calls(m, s);
	name.p = s->p;
	while (name.n < s->n && !strchr("{[ \n", s->p[name.n]))
		name.n++;
	s->p += name.n;
	s->n -= name.n;
	skip_blanks(s);
	skip(s, "[ARGS]");
	args = take_json(s);
	if (json_is_object(args) && name.n) {
		json_put(&text, args);
		add_call(m, name, (struct str){text.p, text.len});
	}
	json_decref(args);
	buf_finish(&text);
	return m->count > before;
}

static bool take_one_call(struct marks *m, struct str *s)
{
	if (skip(s, "<tool_call>") || skip(s, "<function_call>") || skip(s, "<tool_calls>")) {
		skip_blanks(s);
		if (str_starts(*s, "<function="))
			return take_function(m, s);
		return take_json_calls(m, s);
	}
	if (str_starts(*s, "<function="))
		return take_function(m, s);
	if (skip(s, "[TOOL_CALLS]"))
		return take_mistral(m, s);
	skip(s, "<|python_tag|>");
	return s->n && s->p[0] == '{' && take_json_calls(m, s);
}

static void skip_closers(struct str *s)
{
	static const char *const closers[] = {"</tool_call>", "</function_call>", "</tool_calls>",
	    "</function>", "<|eom_id|>", "<|eot_id|>", "<|im_end|>", "</s>", ";"};
	bool any = true;

	while (any) {
		any = false;
		skip_blanks(s);
		for (size_t i = 0; i < sizeof closers / sizeof closers[0]; i++)
			any |= skip(s, closers[i]);
	}
}

static void drop_calls(struct marks *m)
{
	for (size_t i = 0; i < m->count; i++) {
		buf_finish(&m->calls[i].name);
		buf_finish(&m->calls[i].arguments);
	}
	m->count = 0;
}

/* All that is held is calls, and nothing else. */
static bool read_calls(struct marks *m)
{
	struct str s = {m->held.p, m->held.len};

	for (skip_closers(&s); s.n; skip_closers(&s))
		if (!take_one_call(m, &s))
			return false;
	return m->count > 0;
}

static bool all_offered(
    const struct marks *m, bool (*offered)(void *data, const char *name), void *data)
{
	for (size_t i = 0; i < m->count; i++)
		if (!offered(data, buf_cstr(&m->calls[i].name)))
			return false;
	return true;
}

void marks_end(struct marks *m, bool (*offered)(void *data, const char *name), void *data)
{
	if (m->mode == MARKS_BODY)
		end_message(m, m->held.len);
	if (m->mode == MARKS_HEADER)
		buf_clear(&m->held);
	if (m->mode == MARKS_HELD && !read_calls(m))
		drop_calls(m);
	if (m->count && all_offered(m, offered, data))
		return;
	/* Of harmony's nothing is held any more. */
	for (size_t i = 0; m->mode != MARKS_HELD && i < m->count; i++)
		tell_call(m, (struct str){m->calls[i].name.p, m->calls[i].name.len},
		    (struct str){m->calls[i].arguments.p, m->calls[i].arguments.len});
	drop_calls(m);
	tell_held(m, false, m->held.len);
}

struct str marks_written(const struct marks *m)
{
	return m->count && m->mode == MARKS_HELD ? str_trim((struct str){m->held.p, m->held.len})
						 : (struct str){NULL, 0};
}

void marks_finish(struct marks *m)
{
	drop_calls(m);
	free(m->calls);
	buf_finish(&m->held);
	buf_finish(&m->header);
}
