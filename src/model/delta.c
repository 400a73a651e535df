/* One message of a model server's stream. */
#include "model/delta.h"

#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"

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

static struct str restore_bad_bytes(struct str s)
{
	struct buf out = {0};
	size_t n;

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
	n = out.len;
	return (struct str){buf_steal(&out), n};
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

static bool looks_like_overflow(const char *text, const char *code)
{
	return strstr(code, "context_length") || strstr(code, "exceed_context_size") ||
	       strstr(text, "context length") || strstr(text, "context size") ||
	       strstr(text, "context window");
}

/* error: an object with message, or a string. */
static void take_error(const json_t *error, char *out, size_t size, bool *overflow)
{
	const char *text = json_string_value(error), *code = "";

	if (json_is_object(error)) {
		text = json_cstr(error, "message", NULL);
		code = json_cstr(error, "code", json_cstr(error, "type", ""));
	}
	if (!text)
		text = "the model server reported an error without saying which";
	snprintf(out, size, "%s", text[0] ? text : "unknown error");
	/* A sentence cut within a character would not be a sentence. */
	out[str_utf8_valid(out, strlen(out))] = '\0';
	*overflow = looks_like_overflow(out, code);
}

static int take_tool(struct delta *d, const json_t *call)
{
	const json_t *function = json_object_get(call, "function");
	const json_t *from = json_is_object(function) ? function : call;
	struct delta_tool *t;
	const json_t *index = json_object_get(call, "index");
	int64_t n = json_is_integer(index) ? json_integer_value(index) : 0;

	if (!json_is_object(call) || d->tool_count == DELTA_MAX_CALLS || n < 0 ||
	    n >= DELTA_MAX_TOOL_CALLS)
		return ERR_SYNTAX;
	t = &d->tools[d->tool_count++];
	t->has_index = json_is_integer(index);
	t->index = (uint64_t)n;
	t->id = json_str(call, "id");
	t->name = json_str(from, "name");
	t->arguments = json_str(from, "arguments");
	return 0;
}

static int take_openai(struct delta *d, const json_t *root)
{
	const json_t *choice = json_array_get(json_object_get(root, "choices"), 0);
	const json_t *delta = json_object_get(choice, "delta"), *calls;
	size_t i;
	json_t *call;

	if (!json_is_object(delta))
		delta = json_object_get(choice, "message");
	d->text = json_str(delta, "content");
	d->thinking = json_str(delta, "reasoning_content");
	if (!d->thinking.p)
		d->thinking = json_str(delta, "reasoning");
	take_finish(d, choice);
	take_usage(d, json_object_get(root, "usage"));
	calls = json_object_get(delta, "tool_calls");
	json_array_foreach (calls, i, call) {
		if (take_tool(d, call) != 0)
			return ERR_SYNTAX;
	}
	return 0;
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
		return take_tool(d, json_object_get(root, "tool_call"));
	} else if (is_done(type)) {
		d->done = true;
		take_finish(d, root);
		take_usage(d, json_object_get(root, "usage"));
	} else if (strcmp(type, "chat.error") == 0) {
		take_error(json_object_get(root, "error"), d->error, sizeof d->error,
		    &d->context_overflow);
	}
	return 0;
}

static int take(struct delta *d, const json_t *root)
{
	const char *type = json_cstr(root, "type", NULL);
	const json_t *error = json_object_get(root, "error");

	if (!json_is_object(root))
		return ERR_SYNTAX;
	if (type)
		return take_lmx(d, root, type);
	if (error && !json_is_null(error)) {
		take_error(error, d->error, sizeof d->error, &d->context_overflow);
		return 0;
	}
	if (json_object_get(root, "choices"))
		return take_openai(d, root);
	/* The short LMX dialect. */
	d->text = json_str(root, "token");
	if (json_is_true(json_object_get(root, "done"))) {
		const json_t *stats = json_object_get(root, "stats");

		d->done = true;
		take_finish(d, root);
		take_usage(d, json_is_object(stats) ? stats : json_object_get(root, "usage"));
	}
	/* A last chunk may carry usage alone. */
	take_usage(d, json_object_get(root, "usage"));
	return 0;
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

int delta_parse(const char *p, size_t n, struct delta *ret)
{
	struct buf fixed = {0}, mended = {0};
	json_t *root = NULL;
	bool carried;
	int rc;

	clear(ret);
	if (take_plain_token(p, n, ret))
		return 0;
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
	if (rc == 0)
		rc = take(ret, root);
	buf_finish(&fixed);
	buf_finish(&mended);
	if (rc != 0) {
		json_decref(root);
		return ERR_SYNTAX;
	}
	if (carried && ret->text.p)
		ret->text = ret->unescaped[0] = restore_bad_bytes(ret->text);
	if (carried && ret->thinking.p)
		ret->thinking = ret->unescaped[1] = restore_bad_bytes(ret->thinking);
	ret->memory = root;
	return 0;
}

void delta_finish(struct delta *d)
{
	json_decref(d->memory);
	free((char *)(uintptr_t)d->unescaped[0].p);
	free((char *)(uintptr_t)d->unescaped[1].p);
	clear(d);
}

void delta_error_text(const char *p, size_t n, char *out, size_t size, bool *ret_context_overflow)
{
	const json_t *error;
	json_t *root;

	*ret_context_overflow = false;
	if (json_parse(p, n, &root, NULL) != 0) {
		snprintf(out, size, "%.*s", (int)(n < 300 ? n : 300), p);
		out[str_utf8_valid(out, strlen(out))] = '\0';
		*ret_context_overflow = looks_like_overflow(out, "");
		return;
	}
	error = json_object_get(root, "error");
	if (!error)
		error = json_object_get(root, "message");
	if (!error)
		error = json_object_get(root, "detail");
	take_error(error ? error : root, out, size, ret_context_overflow);
	json_decref(root);
}
