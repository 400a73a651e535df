/* One sentence of what a model server calls an error. */
#include "model/error.h"

#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/str.h"

enum {
	ERROR_MAX_DEPTH = 6, /* errors within errors */
	ERROR_MAX_LINE = 300 /* bytes of what is no JSON */
};

/* --- what a sentence says --- */

static bool has_one(const char *sentence, const char *const *words, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (strcasestr(sentence, words[i]))
			return true;
	return false;
}

bool error_is_overflow(const char *sentence)
{
	static const char *const never[] = {"per minute", "per day", "rate limit", "quota"};
	static const char *const words[] = {"context length", "context size", "context window",
	    "context_length", "context_window", "exceed_context", "maximum context", "max context",
	    "available context", "context limit", "prompt is too long", "prompt too long",
	    "input is too long", "input too long", "input length", "prompt length",
	    "too many tokens", "maximum number of tokens", "input token count", "token limit",
	    "max_model_len", "tokens to keep from the initial prompt", "longer than the model",
	    "exceeds the model", "reduce the length", "maximum input", "max_prompt_tokens",
	    "maximum sequence length", "kv cache"};

	return !has_one(sentence, never, sizeof never / sizeof never[0]) &&
	       has_one(sentence, words, sizeof words / sizeof words[0]);
}

bool error_passes(const char *sentence)
{
	static const char *const words[] = {
	    "overloaded", "temporar", "try again", "service unavailable", "connection reset"};

	return has_one(sentence, words, sizeof words / sizeof words[0]);
}

bool error_says_loading(const char *sentence)
{
	static const char *const words[] = {
	    "load", "not ready", "starting", "warming", "initializ"};

	return has_one(sentence, words, sizeof words / sizeof words[0]);
}

/* --- JSON --- */

/* Members that hold a sentence, or what has one, the best first. */
static const char *const error_members[] = {"error", "message", "msg", "detail", "details",
    "error_message", "error_description", "errors", "reason", "title"};
enum { ERROR_MEMBERS = sizeof error_members / sizeof error_members[0] };

static bool put_sentence(struct buf *out, const json_t *error, int depth);

/* Where in a request: ["body","tools"] is body.tools. */
static void put_place(struct buf *out, const json_t *place)
{
	const json_t *one;
	size_t i;

	json_array_foreach (place, i, one) {
		buf_adds(out, i ? "." : "");
		if (json_is_string(one))
			buf_adds(out, json_string_value(one));
		else if (json_is_integer(one))
			buf_addf(out, "%lld", (long long)json_integer_value(one));
	}
	if (json_array_size(place))
		buf_adds(out, ": ");
}

static bool put_member(struct buf *out, const json_t *error, int depth)
{
	for (size_t i = 0; i < ERROR_MEMBERS; i++)
		if (put_sentence(out, json_object_get(error, error_members[i]), depth + 1))
			return true;
	return false;
}

/* What a proxy heard behind it says more than the proxy does. */
static void put_raw(struct buf *out, const json_t *error)
{
	const json_t *raw = json_object_get(json_object_get(error, "metadata"), "raw");
	struct buf more = {0};

	if (put_sentence(&more, raw, ERROR_MAX_DEPTH - 1) && more.len)
		buf_addf(out, " (%.*s)", (int)more.len, more.p);
	buf_finish(&more);
}

static bool put_object(struct buf *out, const json_t *error, int depth)
{
	size_t before = out->len;

	put_place(out, json_object_get(error, "loc"));
	if (!put_member(out, error, depth)) {
		out->len = before;
		return false;
	}
	put_raw(out, error);
	return true;
}

static bool put_list(struct buf *out, const json_t *list, int depth)
{
	const json_t *one;
	size_t i, before = out->len;

	json_array_foreach (list, i, one) {
		size_t at = out->len;

		buf_adds(out, at > before ? "; " : "");
		if (!put_sentence(out, one, depth + 1))
			out->len = at;
	}
	return out->len > before;
}

/* Append the sentence; false when there is none. */
static bool put_sentence(struct buf *out, const json_t *error, int depth)
{
	if (depth > ERROR_MAX_DEPTH)
		return false;
	if (json_is_object(error))
		return put_object(out, error, depth);
	if (json_is_array(error))
		return put_list(out, error, depth);
	if (!json_string_length(error))
		return false;
	buf_add(out, json_string_value(error), json_string_length(error));
	return true;
}

bool error_is_named(const json_t *message)
{
	const json_t *error = json_object_get(message, "error");

	return json_string_length(error) || json_object_size(error) || json_array_size(error) ||
	       strcmp(json_cstr(message, "type", ""), "error") == 0 ||
	       strcmp(json_cstr(message, "object", ""), "error") == 0;
}

bool error_is(const json_t *message)
{
	if (error_is_named(message))
		return true;
	if (json_array_size(json_object_get(message, "choices")) ||
	    json_object_get(message, "token"))
		return false;
	return json_object_get(message, "detail") || json_object_get(message, "error_message") ||
	       json_object_get(message, "errors") ||
	       (json_object_get(message, "code") &&
		   (json_object_get(message, "message") || json_object_get(message, "details"))) ||
	       (json_object_get(message, "message") && !json_object_get(message, "choices"));
}

/* One line of the text, which is not ours, cut at a character. */
static void copy_line(const char *p, size_t n, char *out, size_t size)
{
	size_t at = 0;

	if (n >= size)
		n = size - 1;
	n = str_utf8_valid(p, n);
	for (size_t i = 0; i < n; i++) {
		bool blank = p[i] == '\n' || p[i] == '\r' || p[i] == '\t' || p[i] == ' ';

		if (blank && (!at || out[at - 1] == ' '))
			continue;
		out[at++] = blank ? ' ' : p[i];
	}
	while (at && out[at - 1] == ' ')
		at--;
	out[at] = '\0';
}

void error_of(const json_t *error, char *out, size_t size, bool *ret_overflow)
{
	struct buf text = {0};
	const json_t *inner = json_object_get(error, "error");
	const char *code = json_cstr(json_is_object(inner) ? inner : error, "code",
	    json_cstr(json_is_object(inner) ? inner : error, "type", ""));

	put_sentence(&text, error, 0);
	copy_line(text.p ? text.p : "", text.len, out, size);
	if (!out[0])
		snprintf(out, size, "the model server reported an error without saying which");
	*ret_overflow = error_is_overflow(out) || error_is_overflow(code);
	buf_finish(&text);
}

/* --- what is no JSON --- */

/* The text between <tag …> and the next mark; p NULL: there is none. */
static struct str text_of_tag(struct str page, const char *tag)
{
	char open[16];
	const char *at = page.p, *begin, *end;
	size_t n = (size_t)snprintf(open, sizeof open, "<%s", tag);

	while ((at = memchr(at, '<', (size_t)(page.p + page.n - at)))) {
		if ((size_t)(page.p + page.n - at) < n)
			break;
		if (strncasecmp(at, open, n) != 0) {
			at++;
			continue;
		}
		/* Without an end here there is none behind either. */
		begin = memchr(at, '>', (size_t)(page.p + page.n - at));
		end = begin ? memchr(begin, '<', (size_t)(page.p + page.n - begin)) : NULL;
		if (!end)
			break;
		if (end - begin > 1)
			return (struct str){begin + 1, (size_t)(end - begin - 1)};
		at = end;
	}
	return (struct str){NULL, 0};
}

void error_of_text(struct str text, char *out, size_t size, bool *ret_overflow)
{
	static const char *const tags[] = {"title", "h1", "h2", "p"};
	struct str said = str_trim(text), line;

	for (size_t i = 0; said.n && said.p[0] == '<' && i < sizeof tags / sizeof tags[0]; i++)
		if ((line = text_of_tag(said, tags[i])).n)
			said = line;
	str_cut(said, '\n', &line);
	copy_line(
	    line.p ? line.p : "", line.n < ERROR_MAX_LINE ? line.n : ERROR_MAX_LINE, out, size);
	if (!out[0])
		snprintf(out, size, "it did not say why");
	*ret_overflow = error_is_overflow(out);
}
