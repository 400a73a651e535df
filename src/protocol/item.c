/* Items: what was said, and its rows. */
#include "protocol/item.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/json.h"
#include "base/json_writer.h"
#include "base/mem.h"

/* --- items --- */

static void item_part_finish(struct item_part *part)
{
	buf_finish(&part->text);
	free(part->opaque);
	free(part->id);
	free(part->server_id);
	free(part->name);
	free(part->raw);
	free(part->more);
}

void item_finish(struct item *item)
{
	for (size_t i = 0; i < item->part_count; i++)
		item_part_finish(&item->parts[i]);
	free(item->parts);
	for (size_t i = 0; i < item->attachment_count; i++) {
		free(item->attachments[i].hash);
		free(item->attachments[i].mime);
		free(item->attachments[i].name);
	}
	free(item->attachments);
	buf_finish(&item->text);
	free(item->server);
	free(item->dialect);
	free(item->model);
	free(item->call_id);
	free(item->tool);
	free(item->artifact);
	free(item->json);
	*item = (struct item){0};
}

/* A copy of a string there may be none of. */
static char *item_copy_known(const char *s)
{
	return s ? mem_strdup(s) : NULL;
}

static void item_copy_part(struct item *to, const struct item_part *from)
{
	struct item_part *part = item_add_part(to, from->kind);

	buf_add(&part->text, from->text.p, from->text.len);
	part->tagged = from->tagged;
	part->opaque = item_copy_known(from->opaque);
	part->id = item_copy_known(from->id);
	part->server_id = item_copy_known(from->server_id);
	part->name = item_copy_known(from->name);
	part->raw = item_copy_known(from->raw);
	part->more = item_copy_known(from->more);
}

void item_copy(struct item *ret, const struct item *item)
{
	*ret = (struct item){.kind = item->kind,
	    .seq = item->seq,
	    .server = item_copy_known(item->server),
	    .dialect = item_copy_known(item->dialect),
	    .model = item_copy_known(item->model),
	    .interrupted = item->interrupted,
	    .call_id = item_copy_known(item->call_id),
	    .tool = item_copy_known(item->tool),
	    .artifact = item_copy_known(item->artifact),
	    .ok = item->ok,
	    .json = item_copy_known(item->json)};
	buf_add(&ret->text, item->text.p, item->text.len);
	for (size_t i = 0; i < item->part_count; i++)
		item_copy_part(ret, &item->parts[i]);
	for (size_t i = 0; i < item->attachment_count; i++)
		item_add_attachment(ret, item->attachments[i].hash, item->attachments[i].mime,
		    item->attachments[i].name);
}

struct item_part *item_add_part(struct item *item, enum part_kind kind)
{
	assert(item->kind == ITEM_ASSISTANT);
	item->parts = mem_realloc(item->parts, (item->part_count + 1) * sizeof *item->parts);
	item->parts[item->part_count] = (struct item_part){.kind = kind};
	return &item->parts[item->part_count++];
}

struct item_part *item_call(const struct item *item, const char *call_id)
{
	for (size_t i = 0; i < item->part_count; i++)
		if (item->parts[i].kind == PART_CALL && strcmp(item->parts[i].id, call_id) == 0)
			return &item->parts[i];
	return NULL;
}

void item_add_attachment(struct item *item, const char *hash, const char *mime, const char *name)
{
	item->attachments = mem_realloc(
	    item->attachments, (item->attachment_count + 1) * sizeof *item->attachments);
	item->attachments[item->attachment_count++] = (struct item_attachment){
	    .hash = mem_strdup(hash), .mime = mem_strdup(mime), .name = mem_strdup(name)};
}

void item_put_text(struct buf *out, const struct item *item)
{
	buf_add(out, item->text.p, item->text.len);
	for (size_t i = 0; i < item->part_count; i++)
		if (item->parts[i].kind == PART_TEXT)
			buf_add(out, item->parts[i].text.p, item->parts[i].text.len);
}

static bool item_has_calls(const struct item *item)
{
	for (size_t i = 0; i < item->part_count; i++)
		if (item->parts[i].kind == PART_CALL)
			return true;
	return false;
}

/* --- the message clients see --- */

static void item_write_calls(struct json_writer *w, const struct item *item)
{
	json_write_array(w, "tool_calls");
	for (size_t i = 0; i < item->part_count; i++) {
		const struct item_part *call = &item->parts[i];

		if (call->kind != PART_CALL)
			continue;
		json_write_object(w, NULL);
		json_write_cstr(w, "id", call->id);
		json_write_cstr(w, "type", "function");
		json_write_object(w, "function");
		json_write_cstr(w, "name", call->name);
		json_write_str(w, "arguments", call->text.p, call->text.len);
		json_write_end(w);
		json_write_end(w);
	}
	json_write_end(w);
}

void item_put_message(struct buf *out, const struct item *item)
{
	static const char *const roles[] = {[ITEM_USER] = "user",
	    [ITEM_ASSISTANT] = "assistant",
	    [ITEM_RESULT] = "tool",
	    [ITEM_NOTE] = "system"};
	struct json_writer w = {.out = out};
	bool calls = item_has_calls(item);
	struct buf text = {0};

	if (item->json) {
		buf_adds(out, item->json);
		return;
	}
	item_put_text(&text, item);
	json_write_object(&w, NULL);
	json_write_cstr(&w, "role", roles[item->kind]);
	if (item->kind == ITEM_RESULT)
		json_write_cstr(&w, "tool_call_id", item->call_id);
	if (calls && !text.len)
		json_write_null(&w, "content");
	else
		json_write_str(&w, "content", text.p, text.len);
	if (calls)
		item_write_calls(&w, item);
	json_write_end(&w);
	buf_finish(&text);
}

/* --- what the message does not say --- */

/* A string member that may be missing. */
static void item_write_known(struct json_writer *w, const char *key, const char *value)
{
	if (value)
		json_write_cstr(w, key, value);
}

static void item_write_part(struct json_writer *w, const struct item_part *part)
{
	static const char *const kinds[] = {
	    [PART_TEXT] = "text", [PART_REASONING] = "reasoning", [PART_CALL] = "call"};

	json_write_object(w, NULL);
	json_write_cstr(w, "kind", kinds[part->kind]);
	if (part->kind == PART_REASONING) {
		json_write_str(w, "text", part->text.p, part->text.len);
		item_write_known(w, "field", part->name);
		item_write_known(w, "opaque", part->opaque);
		if (part->tagged)
			json_write_bool(w, "tagged", true);
	} else if (part->kind == PART_TEXT) {
		json_write_uint(w, "bytes", part->text.len);
	}
	item_write_known(w, "serverId", part->server_id);
	item_write_known(w, "rawArgs", part->raw);
	item_write_known(w, "more", part->more);
	json_write_end(w);
}

/* One run of text, or calls alone of which no more is known, need no list of their parts. */
static bool item_parts_say_more(const struct item *item)
{
	for (size_t i = 0; i < item->part_count; i++) {
		const struct item_part *part = &item->parts[i];

		if (part->kind == PART_REASONING || (part->kind == PART_TEXT && i > 0) ||
		    part->server_id || part->raw || part->more)
			return true;
	}
	return false;
}

static void item_write_attachments(struct json_writer *w, const struct item *item)
{
	json_write_array(w, "attachments");
	for (size_t i = 0; i < item->attachment_count; i++) {
		json_write_object(w, NULL);
		json_write_cstr(w, "hash", item->attachments[i].hash);
		json_write_cstr(w, "mime", item->attachments[i].mime);
		json_write_cstr(w, "name", item->attachments[i].name);
		json_write_end(w);
	}
	json_write_end(w);
}

void item_put_more(struct buf *out, const struct item *item)
{
	struct json_writer w = {.out = out};
	size_t before = out->len;

	json_write_object(&w, NULL);
	item_write_known(&w, "server", item->server);
	item_write_known(&w, "dialect", item->dialect);
	item_write_known(&w, "model", item->model);
	if (item->interrupted)
		json_write_bool(&w, "interrupted", true);
	if (item_parts_say_more(item)) {
		json_write_array(&w, "parts");
		for (size_t i = 0; i < item->part_count; i++)
			item_write_part(&w, &item->parts[i]);
		json_write_end(&w);
	}
	item_write_known(&w, "tool", item->tool);
	item_write_known(&w, "artifact", item->artifact);
	if (item->kind == ITEM_RESULT && !item->ok)
		json_write_bool(&w, "failed", true);
	if (item->attachment_count)
		item_write_attachments(&w, item);
	json_write_end(&w);
	/* Nothing but braces: nothing is known. */
	if (out->len == before + 2)
		out->len = before;
}

/* --- taking rows --- */

static char *item_take_known(const json_t *object, const char *key)
{
	const char *value = json_cstr(object, key, NULL);

	return value ? mem_strdup(value) : NULL;
}

static bool item_take_kind(const json_t *message, struct item *item)
{
	static const struct {
		const char *role;
		enum item_kind kind;
	} roles[] = {{"user", ITEM_USER}, {"assistant", ITEM_ASSISTANT}, {"tool", ITEM_RESULT},
	    {"system", ITEM_NOTE}, {"developer", ITEM_NOTE}};
	struct str role = json_str(message, "role");

	for (size_t i = 0; i < sizeof roles / sizeof roles[0]; i++)
		if (role.p && str_eq(role, roles[i].role)) {
			item->kind = roles[i].kind;
			return true;
		}
	return false;
}

/* The text of a content: a string, or a list of parts with text among them. False: there is more
 * than text in it. */
static bool item_take_content(const json_t *content, struct buf *text)
{
	const json_t *one;
	size_t i;

	if (!content || json_is_null(content))
		return true;
	if (json_is_string(content)) {
		buf_add(text, json_string_value(content), json_string_length(content));
		return true;
	}
	json_array_foreach (content, i, one) {
		struct str part = json_is_string(one) ? (struct str){json_string_value(one),
							    json_string_length(one)}
						      : json_str(one, "text");

		buf_add(text, part.p, part.n);
	}
	return false;
}

/* One of a message's tool_calls. False: it has more than this house writes. */
static bool item_take_call(const json_t *from, struct item *item)
{
	const json_t *function = json_object_get(from, "function"),
		     *args = json_object_get(function, "arguments");
	struct item_part *call = item_add_part(item, PART_CALL);

	call->id = mem_strdup(json_cstr(from, "id", ""));
	call->name = mem_strdup(json_cstr(function, "name", ""));
	if (json_is_string(args))
		buf_add(&call->text, json_string_value(args), json_string_length(args));
	else if (json_is_object(args))
		json_put(&call->text, args);
	return json_object_size(from) == 3 && json_object_size(function) == 2 &&
	       json_is_string(args);
}

/* Text parts are cut from the whole text, calls are taken over in their order. */
static void item_take_part(
    const json_t *from, struct item *item, struct item *plain, struct str *text, size_t *call)
{
	struct str kind = json_str(from, "kind");
	struct item_part *part;

	if (str_eq(kind, "text")) {
		int64_t bytes = json_int(from, "bytes", 0);
		size_t n = bytes < 0 || (uint64_t)bytes > text->n ? text->n : (size_t)bytes;

		part = item_add_part(item, PART_TEXT);
		buf_add(&part->text, text->p, n);
		if (n)
			*text = (struct str){text->p + n, text->n - n};
		return;
	}
	if (str_eq(kind, "reasoning")) {
		struct str reasoning = json_str(from, "text");

		part = item_add_part(item, PART_REASONING);
		buf_add(&part->text, reasoning.p, reasoning.n);
		part->name = item_take_known(from, "field");
		part->opaque = item_take_known(from, "opaque");
		part->tagged = json_is_true(json_object_get(from, "tagged"));
		return;
	}
	while (*call < plain->part_count && plain->parts[*call].kind != PART_CALL)
		++*call;
	if (*call == plain->part_count)
		return;
	part = item_add_part(item, PART_CALL);
	*part = plain->parts[*call];
	plain->parts[(*call)++] = (struct item_part){.kind = PART_TEXT};
	part->server_id = item_take_known(from, "serverId");
	part->raw = item_take_known(from, "rawArgs");
	part->more = item_take_known(from, "more");
}

/* The parts in their order, when they are listed. */
static void item_take_parts(const json_t *parts, struct item *item)
{
	struct item ordered = {.kind = ITEM_ASSISTANT};
	struct buf whole = {0};
	struct str text;
	size_t i, call = 0;
	const json_t *one;

	if (!json_array_size(parts))
		return;
	item_put_text(&whole, item);
	text = (struct str){whole.p, whole.len};
	json_array_foreach (parts, i, one)
		item_take_part(one, &ordered, item, &text, &call);
	for (i = 0; i < item->part_count; i++)
		item_part_finish(&item->parts[i]);
	free(item->parts);
	item->parts = ordered.parts;
	item->part_count = ordered.part_count;
	buf_finish(&whole);
}

static void item_take_more(const json_t *more, struct item *item)
{
	const json_t *one;
	size_t i;

	item->server = item_take_known(more, "server");
	item->dialect = item_take_known(more, "dialect");
	item->model = item_take_known(more, "model");
	item->interrupted = json_is_true(json_object_get(more, "interrupted"));
	item->tool = item_take_known(more, "tool");
	item->artifact = item_take_known(more, "artifact");
	item->ok = item->kind == ITEM_RESULT && !json_is_true(json_object_get(more, "failed"));
	json_array_foreach (json_object_get(more, "attachments"), i, one)
		item_add_attachment(item, json_cstr(one, "hash", ""), json_cstr(one, "mime", ""),
		    json_cstr(one, "name", ""));
	if (item->kind == ITEM_ASSISTANT)
		item_take_parts(json_object_get(more, "parts"), item);
}

/* True when the message is one this house writes, so that nothing of it is lost. */
static bool item_take_message(const json_t *message, struct item *item)
{
	const json_t *content = json_object_get(message, "content"),
		     *calls = json_object_get(message, "tool_calls"), *call;
	struct buf text = {0};
	size_t i, members = 1 + (content != NULL);
	bool own = item_take_content(content, &text) &&
		   strcmp(json_cstr(message, "role", ""), "developer") != 0;

	if (item->kind == ITEM_ASSISTANT) {
		if (text.len)
			item_add_part(item, PART_TEXT)->text = text;
		else
			buf_finish(&text);
		members += calls != NULL;
		json_array_foreach (calls, i, call)
			own &= item_take_call(call, item);
	} else {
		item->text = text;
	}
	if (item->kind == ITEM_RESULT) {
		item->call_id = mem_strdup(json_cstr(message, "tool_call_id", ""));
		members++;
	}
	return own && json_object_size(message) == members;
}

int item_take(const char *body, size_t n, const char *more, size_t more_n, struct item *ret)
{
	json_t *message, *rest = NULL;
	struct item item = {0};

	if (json_parse(body, n, &message, NULL) != 0)
		return ERR_SYNTAX;
	if (!item_take_kind(message, &item)) {
		json_decref(message);
		return ERR_SYNTAX;
	}
	if (!item_take_message(message, &item))
		item.json = mem_strndup(body, n);
	if (more_n)
		json_parse(more, more_n, &rest, NULL);
	item_take_more(rest, &item);
	json_decref(rest);
	json_decref(message);
	*ret = item;
	return 0;
}
