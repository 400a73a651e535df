/* JSON in (jansson, bounded) and out (straight into a buf). */
#include "base/json.h"

#include <math.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/utf8.h"

/*
 * Is the nesting within JSON_MAX_DEPTH? Asked before jansson recurses. Brackets
 * within strings do not count.
 */
static bool depth_ok(const char *p, size_t n)
{
	int depth = 0;
	bool in_string = false;

	for (size_t i = 0; i < n; i++) {
		char c = p[i];

		if (in_string) {
			if (c == '\\')
				i++;
			else if (c == '"')
				in_string = false;
		} else if (c == '"') {
			in_string = true;
		} else if (c == '[' || c == '{') {
			if (++depth > JSON_MAX_DEPTH)
				return false;
		} else if (c == ']' || c == '}') {
			depth--;
		}
	}
	return true;
}

int json_parse(const char *p, size_t n, json_t **ret, struct err *reterr)
{
	json_error_t e;
	json_t *value;

	if (!depth_ok(p, n))
		return err_set(reterr, ERR_SYNTAX, "nested deeper than %d levels", JSON_MAX_DEPTH);
	value = json_loadb(p, n, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &e);
	if (!value)
		return err_set(
		    reterr, ERR_SYNTAX, "line %d, column %d: %s", e.line, e.column, e.text);
	*ret = value;
	return 0;
}

static const char *skip_blanks(const char *p, const char *end)
{
	while (p < end && (*p == ' ' || *p == '\t' || *p == '\n' || *p == '\r'))
		p++;
	return p;
}

/* A string without escapes at p. Returns what follows its closing quote, or NULL. */
static const char *plain_string(const char *p, const char *end, struct str *ret)
{
	unsigned char all = 0;

	if (p == end || *p++ != '"')
		return NULL;
	ret->p = p;
	for (; p < end && *p != '"'; p++) {
		if (*p == '\\' || (unsigned char)*p < 0x20)
			return NULL;
		all |= (unsigned char)*p;
	}
	if (p == end)
		return NULL;
	ret->n = (size_t)(p - ret->p);
	if (all & 0x80 && str_utf8_valid(ret->p, ret->n) != ret->n)
		return NULL;
	return p + 1;
}

static bool has_key(const struct json_member *members, size_t count, struct str key)
{
	for (size_t i = 0; i < count; i++)
		if (members[i].key.n == key.n && memcmp(members[i].key.p, key.p, key.n) == 0)
			return true;
	return false;
}

size_t json_flat(const char *p, size_t n, struct json_member *ret, size_t max)
{
	const char *end;
	size_t count = 0;
	char mark = '{';

	if (!n)
		return 0;
	end = p + n;
	p = skip_blanks(p, end);
	do {
		struct json_member m;

		/* The brace, or the comma between two members. */
		if (p == end || *p != mark || count == max)
			return 0;
		p = plain_string(skip_blanks(p + 1, end), end, &m.key);
		if (!p)
			return 0;
		p = skip_blanks(p, end);
		if (p == end || *p != ':')
			return 0;
		p = plain_string(skip_blanks(p + 1, end), end, &m.value);
		if (!p || has_key(ret, count, m.key))
			return 0;
		ret[count++] = m;
		p = skip_blanks(p, end);
		mark = ',';
	} while (p < end && *p == ',');
	if (p == end || *p != '}' || skip_blanks(p + 1, end) != end)
		return 0;
	return count;
}

struct str json_flat_str(const struct json_member *members, size_t count, const char *key)
{
	for (size_t i = 0; i < count; i++)
		if (str_eq(members[i].key, key))
			return members[i].value;
	return (struct str){NULL, 0};
}

static void put_escaped(struct buf *b, unsigned char c)
{
	static const char hex[] = "0123456789abcdef";

	switch (c) {
	case '"':
		buf_add(b, "\\\"", 2);
		break;
	case '\\':
		buf_add(b, "\\\\", 2);
		break;
	case '\n':
		buf_add(b, "\\n", 2);
		break;
	case '\r':
		buf_add(b, "\\r", 2);
		break;
	case '\t':
		buf_add(b, "\\t", 2);
		break;
	default:
		buf_add(b, "\\u00", 4);
		buf_addc(b, hex[c >> 4]);
		buf_addc(b, hex[c & 15]);
	}
}

void json_put_str(struct buf *b, const char *p, size_t n)
{
	size_t i = 0;

	buf_addc(b, '"');
	while (i < n) {
		size_t start = i;

		while (i < n && (unsigned char)p[i] >= 0x20 && (unsigned char)p[i] < 0x7F &&
		       p[i] != '"' && p[i] != '\\')
			i++;
		buf_add(b, p + start, i - start);
		if (i == n)
			break;
		if ((unsigned char)p[i] < 0x80) {
			put_escaped(b, (unsigned char)p[i++]);
		} else {
			/* At most four bytes: one character, so that the valid run ends soon. */
			size_t rest = n - i < 4 ? n - i : 4, ok = str_utf8_valid(p + i, rest);

			if (ok) {
				buf_add(b, p + i, ok);
				i += ok;
				/* The run may have taken ASCII that needs escaping: give it back.
				 */
				while (ok && (unsigned char)p[i - 1] < 0x80) {
					b->len--;
					i--;
					ok--;
				}
			} else {
				buf_add(b, UTF8_REPLACEMENT, 3);
				i++;
			}
		}
	}
	buf_addc(b, '"');
}

void json_put_cstr(struct buf *b, const char *s)
{
	if (s)
		json_put_str(b, s, strlen(s));
	else
		buf_adds(b, "null");
}

static int put_chunk(const char *p, size_t n, void *b)
{
	buf_add(b, p, n);
	return 0;
}

void json_put(struct buf *b, const json_t *value)
{
	json_dump_callback(value, put_chunk, b, JSON_COMPACT | JSON_ENCODE_ANY);
}

struct str json_str(const json_t *object, const char *key)
{
	const json_t *v = json_object_get(object, key);

	if (!json_is_string(v))
		return (struct str){NULL, 0};
	return (struct str){json_string_value(v), json_string_length(v)};
}

const char *json_cstr(const json_t *object, const char *key, const char *fallback)
{
	const char *s = json_string_value(json_object_get(object, key));

	return s ? s : fallback;
}

int64_t json_int(const json_t *object, const char *key, int64_t fallback)
{
	const json_t *v = json_object_get(object, key);
	double d;

	if (json_is_integer(v))
		return json_integer_value(v);
	if (!json_is_real(v))
		return fallback;
	d = json_real_value(v);
	return d == floor(d) && fabs(d) < 9e15 ? (int64_t)d : fallback;
}
