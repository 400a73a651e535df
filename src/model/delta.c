/* One message of a model server's stream. */
#include "model/delta.h"

#include <assert.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "model/error.h"

/*
 * Some servers send a character cut in two as raw bytes within JSON strings,
 * which is no JSON. Such bytes are carried through the parser as U+10FF80 …
 * U+10FFFF (plane 16 private use) and turned back afterwards.
 */
enum { CARRIED_LEAD = 0xF4, CARRIED_SECOND = 0x8F };

static void carry_bad_bytes(const char *p, size_t n, struct buf *out)
{
	size_t at = 0;

	while (at < n) {
		size_t ok = str_utf8_valid(p + at, n - at);
		unsigned char byte;

		buf_add(out, p + at, ok);
		at += ok;
		if (at == n)
			break;
		byte = (unsigned char)p[at++];
		buf_addc(out, (char)CARRIED_LEAD);
		buf_addc(out, (char)CARRIED_SECOND);
		buf_addc(out, (char)(0xBC | byte >> 6));
		buf_addc(out, (char)(0x80 | (byte & 0x3F)));
	}
}

/* The value of the escape \\uXXXX at p, or -1 when there is none. */
static int escape_at(const char *p, size_t n)
{
	int value = 0;

	if (n < 6 || p[0] != '\\' || p[1] != 'u')
		return -1;
	for (int i = 2; i < 6; i++) {
		const char *digits = "0123456789abcdef0123456789ABCDEF";
		const char *at = p[i] ? strchr(digits, p[i]) : NULL;

		if (!at)
			return -1;
		value = value << 4 | (int)((at - digits) & 15);
	}
	return value;
}

/*
 * Half a surrogate pair and U+0000 are escapes JSON allows and no parser of ours
 * takes (RFC 8259, section 8.2): they become U+FFFD, as cut characters do.
 */
static void mend_escapes(const char *p, size_t n, struct buf *out)
{
	size_t at = 0;

	while (at < n) {
		const char *slash = memchr(p + at, '\\', n - at);
		int value, next;

		if (!slash)
			slash = p + n;
		buf_add(out, p + at, (size_t)(slash - (p + at)));
		at = (size_t)(slash - p);
		if (at == n)
			return;
		value = escape_at(p + at, n - at);
		if (value < 0) {
			size_t both = n - at < 2 ? 1 : 2;

			buf_add(out, p + at, both);
			at += both;
			continue;
		}
		next = n - at > 6 ? escape_at(p + at + 6, n - at - 6) : -1;
		if (value >= 0xD800 && value < 0xDC00 && next >= 0xDC00 && next < 0xE000) {
			buf_add(out, p + at, 12);
			at += 12;
			continue;
		}
		if (value == 0 || (value >= 0xD800 && value < 0xE000))
			buf_adds(out, "\\ufffd");
		else
			buf_add(out, p + at, 6);
		at += 6;
	}
}

struct str delta_keep(struct delta *d, struct buf *text)
{
	size_t n = text->len;
	char *p = buf_steal(text);

	assert(d->owned_count < sizeof d->owned / sizeof d->owned[0]);
	d->owned[d->owned_count++] = p;
	return (struct str){p, n};
}

static struct str restore_bad_bytes(struct delta *d, struct str s)
{
	struct buf out = {0};

	for (size_t i = 0; i < s.n; i++) {
		const unsigned char *u = (const unsigned char *)s.p + i;

		if (s.n - i >= 4 && u[0] == CARRIED_LEAD && u[1] == CARRIED_SECOND &&
		    u[2] >= 0xBC) {
			buf_addc(&out, (char)((u[2] & 3) << 6 | (u[3] & 0x3F)));
			i += 3;
		} else {
			buf_addc(&out, s.p[i]);
		}
	}
	return delta_keep(d, &out);
}

static void take_usage(struct delta *d, const json_t *usage)
{
	int64_t prompt = json_int(usage, "prompt_tokens", -1);
	int64_t completion = json_int(usage, "completion_tokens", -1);

	if (prompt < 0 && completion < 0)
		return;
	d->has_usage = true;
	d->prompt_tokens = prompt > 0 ? (uint64_t)prompt : 0;
	d->completion_tokens = completion > 0 ? (uint64_t)completion : 0;
}

static void take_finish(struct delta *d, const json_t *object)
{
	const char *reason = json_cstr(object, "finish_reason", "");

	snprintf(d->finish_reason, sizeof d->finish_reason, "%s", reason);
}

/* Members of a call that are not known here go back as they came. */
static struct str take_more(struct delta *d, const json_t *call)
{
	static const char *const known[] = {"index", "id", "type", "function", "name", "arguments"};
	json_t *rest = json_copy((json_t *)(uintptr_t)call);
	struct buf text = {0};
	struct str more = {NULL, 0};

	for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
		json_object_del(rest, known[i]);
	if (json_object_size(rest)) {
		json_put(&text, rest);
		more = delta_keep(d, &text);
		more = (struct str){more.p + 1, more.n - 2};
	}
	json_decref(rest);
	return more;
}

/* Arguments are text; some send the object itself. */
static struct str take_arguments(struct delta *d, const json_t *args)
{
	struct buf text = {0};

	if (json_is_string(args))
		return (struct str){json_string_value(args), json_string_length(args)};
	if (!json_is_object(args))
		return (struct str){NULL, 0};
	json_put(&text, args);
	return delta_keep(d, &text);
}

int delta_take_call(struct delta *d, const json_t *call)
{
	const json_t *function = json_object_get(call, "function");
	const json_t *from = json_is_object(function) ? function : call;
	const json_t *index = json_object_get(call, "index");
	int64_t n = json_is_integer(index) ? json_integer_value(index) : 0;
	bool good = json_is_integer(index) && n < DELTA_MAX_TOOL_CALLS;
	struct delta_tool *t;

	if (!json_is_object(call) || d->tool_count == DELTA_MAX_CALLS || n < 0)
		return ERR_SYNTAX;
	t = &d->tools[d->tool_count++];
	*t = (struct delta_tool){.has_index = good,
	    .index = good ? (uint64_t)n : 0,
	    .id = json_str(call, "id"),
	    .name = json_str(from, "name"),
	    .arguments = take_arguments(d, json_object_get(from, "arguments")),
	    .more = take_more(d, call)};
	return 0;
}

/* A content in parts: their texts, one after the other. */
static struct str take_content(struct delta *d, const json_t *content)
{
	const json_t *part;
	struct buf text = {0};
	size_t i;

	if (json_is_string(content))
		return (struct str){json_string_value(content), json_string_length(content)};
	json_array_foreach (content, i, part) {
		struct str one = json_str(part, "text");

		buf_add(&text, one.p, one.n);
	}
	return text.len ? delta_keep(d, &text) : (struct str){NULL, 0};
}

static void take_thinking(struct delta *d, const json_t *delta)
{
	static const char *const names[] = {"reasoning_content", "reasoning"};

	for (size_t i = 0; i < sizeof names / sizeof names[0] && !d->thinking.n; i++) {
		d->thinking = json_str(delta, names[i]);
		d->thinking_name = d->thinking.n ? names[i] : NULL;
	}
	if (!d->thinking.n)
		d->thinking = take_content(d, json_object_get(delta, "reasoning_details"));
}

static int take_calls(struct delta *d, const json_t *delta)
{
	const json_t *calls = json_object_get(delta, "tool_calls"), *one;
	size_t i;

	json_array_foreach (calls, i, one)
		if (delta_take_call(d, one) != 0)
			return ERR_SYNTAX;
	/* As it was before there could be several. */
	one = json_object_get(delta, "function_call");
	return json_is_object(one) && !json_array_size(calls) ? delta_take_call(d, one) : 0;
}

static int take_openai(struct delta *d, const json_t *root)
{
	const json_t *choice = json_array_get(json_object_get(root, "choices"), 0);
	const json_t *delta = json_object_get(choice, "delta");

	if (!json_object_size(delta))
		delta = json_object_get(choice, "message");
	d->text = take_content(d, json_object_get(delta, "content"));
	/* Old completions, and servers that put them where chats are. */
	if (!d->text.p && !delta)
		d->text = json_str(choice, "text");
	if (!d->text.n && json_str(delta, "refusal").n) {
		d->text = json_str(delta, "refusal");
		d->refused = true;
	}
	take_thinking(d, delta);
	take_finish(d, choice);
	take_usage(d, json_object_get(root, "usage"));
	if (strcmp(d->finish_reason, "error") == 0)
		error_of(json_object_get(choice, "error"), d->error, sizeof d->error,
		    &d->context_overflow);
	return take_calls(d, delta);
}

static bool is_done(const char *type)
{
	return strcmp(type, "chat.done") == 0 || strcmp(type, "chat.complete") == 0 ||
	       strcmp(type, "chat.completed") == 0 || strcmp(type, "done") == 0;
}

static int take_lmx(struct delta *d, const json_t *root, const char *type)
{
	snprintf(d->request_id, sizeof d->request_id, "%s", json_cstr(root, "request_id", ""));
	if (strcmp(type, "chat.token") == 0) {
		d->text = json_str(root, "content");
		d->thinking = json_str(root, "reasoning_content");
	} else if (strcmp(type, "chat.thinking") == 0) {
		d->thinking = json_str(root, "content");
	} else if (strcmp(type, "chat.tool_call") == 0) {
		return delta_take_call(d, json_object_get(root, "tool_call"));
	} else if (is_done(type)) {
		d->done = true;
		take_finish(d, root);
		take_usage(d, json_object_get(root, "usage"));
	} else if (strcmp(type, "chat.error") == 0) {
		error_of(json_object_get(root, "error"), d->error, sizeof d->error,
		    &d->context_overflow);
	}
	return 0;
}

/* LMX's own frames. False: it is none. */
static bool is_lmx(const char *type)
{
	return strncmp(type, "chat.", 5) == 0 || strcmp(type, "done") == 0;
}

static void take_short(struct delta *d, const json_t *root)
{
	const json_t *stats = json_object_get(root, "stats");

	d->text = json_str(root, "token");
	if (json_is_true(json_object_get(root, "done"))) {
		d->done = true;
		take_finish(d, root);
		take_usage(d, json_is_object(stats) ? stats : json_object_get(root, "usage"));
	}
	/* A last chunk may carry usage alone. */
	take_usage(d, json_object_get(root, "usage"));
}

/* What the chat API and LMX say. */
static int delta_take_chat(struct delta *d, const json_t *root)
{
	const char *type = json_cstr(root, "type", "");

	if (is_lmx(type))
		return take_lmx(d, root, type);
	if (json_object_get(root, "choices"))
		return take_openai(d, root);
	take_short(d, root);
	return 0;
}

/* LMX's frames say themselves what they are. */
static bool is_chat_error(const json_t *root)
{
	return !is_lmx(json_cstr(root, "type", "")) && error_is(root);
}

typedef int delta_reader(struct delta *d, const json_t *root);

static int take(struct delta *d, const json_t *root, bool error, delta_reader *reader)
{
	/* Some wrap an error into a list. */
	if (json_is_array(root) && json_is_object(json_array_get(root, 0)))
		root = json_array_get(root, 0);
	if (!json_is_object(root) && !error)
		return ERR_SYNTAX;
	if (error || (reader == delta_take_chat ? is_chat_error(root) : error_is_named(root))) {
		error_of(root, d->error, sizeof d->error, &d->context_overflow);
		return 0;
	}
	return reader(d, root);
}

/* Members of a plain token's message that we know of, and a few that we do not. */
enum { PLAIN_MEMBERS = 8 };

/*
 * A token as LMX sends it: an object of plain strings, read where it lies. All
 * but a few messages of an answer are this. False: it is something else, *d is as it was.
 */
static bool take_plain_token(const char *p, size_t n, struct delta *d)
{
	struct json_member members[PLAIN_MEMBERS];
	size_t count = json_flat(p, n, members, PLAIN_MEMBERS);
	struct str id;

	if (!count || !str_eq(json_flat_str(members, count, "type"), "chat.token"))
		return false;
	id = json_flat_str(members, count, "request_id");
	if (id.n >= sizeof d->request_id)
		return false;
	memcpy(d->request_id, id.n ? id.p : "", id.n);
	d->request_id[id.n] = '\0';
	d->text = json_flat_str(members, count, "content");
	d->thinking = json_flat_str(members, count, "reasoning_content");
	return true;
}

static void clear(struct delta *d)
{
	memset(d, 0, offsetof(struct delta, finish_reason));
	d->finish_reason[0] = d->request_id[0] = d->error[0] = '\0';
}

/* What is no JSON of any kind, but may be a sentence. */
static int take_words(struct delta *d, const char *p, size_t n, bool error)
{
	struct str words = str_trim((struct str){p, n});

	/* A comment that a proxy sent on as data says nothing. */
	if (!error)
		return !words.n || words.p[0] == ':' ? 0 : ERR_SYNTAX;
	error_of_text(words, d->error, sizeof d->error, &d->context_overflow);
	return 0;
}

static int parse(const char *p, size_t n, bool error, delta_reader *reader, struct delta *ret)
{
	struct buf fixed = {0}, mended = {0};
	const char *came = p;
	size_t came_n = n;
	json_t *root = NULL;
	bool carried;
	int rc;

	if (n && memmem(p, n, "\\u", 2)) {
		mend_escapes(p, n, &mended);
		p = mended.p;
		n = mended.len;
	}
	carried = str_utf8_valid(p, n) != n;
	if (carried) {
		carry_bad_bytes(p, n, &fixed);
		p = fixed.p;
		n = fixed.len;
	}
	rc = json_parse(p, n, &root, NULL);
	rc = rc == 0 ? take(ret, root, error, reader) : take_words(ret, came, came_n, error);
	buf_finish(&fixed);
	buf_finish(&mended);
	if (carried && rc == 0 && ret->text.p)
		ret->text = restore_bad_bytes(ret, ret->text);
	if (carried && rc == 0 && ret->thinking.p)
		ret->thinking = restore_bad_bytes(ret, ret->thinking);
	ret->memory = root;
	if (rc != 0)
		delta_finish(ret);
	return rc;
}

int delta_parse(const char *p, size_t n, struct delta *ret)
{
	clear(ret);
	return take_plain_token(p, n, ret) ? 0 : parse(p, n, false, delta_take_chat, ret);
}

int delta_parse_event(struct str event, const char *p, size_t n, struct delta *ret)
{
	if (!str_eq(event, "error"))
		return delta_parse(p, n, ret);
	clear(ret);
	return parse(p, n, true, delta_take_chat, ret);
}

int delta_parse_as(
    struct str event, const char *p, size_t n, delta_reader *reader, struct delta *ret)
{
	clear(ret);
	return parse(p, n, str_eq(event, "error"), reader, ret);
}

void delta_finish(struct delta *d)
{
	json_decref(d->memory);
	for (size_t i = 0; i < d->owned_count; i++)
		free(d->owned[i]);
	clear(d);
}

void delta_error_text(const char *p, size_t n, char *out, size_t size, bool *ret_context_overflow)
{
	json_t *root;

	if (json_parse(p, n, &root, NULL) != 0) {
		error_of_text((struct str){p, n}, out, size, ret_context_overflow);
		return;
	}
	error_of(root, out, size, ret_context_overflow);
	json_decref(root);
}
