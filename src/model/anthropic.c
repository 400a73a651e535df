/*
 * Messages of Anthropic (docs.anthropic.com, "Messages" and "Streaming Messages"), which some local
 * servers speak as well: blocks in their order, thoughts with a signature that go back as they
 * came, marks up to where the server may keep what it read.
 */
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "base/json_writer.h"
#include "base/str.h"
#include "model/delta.h"
#include "model/dialect.h"
#include "model/shape.h"

enum {
	ANTHROPIC_MAX_MESSAGE = 4 * 1024 * 1024, /* bytes: an answer may come whole */
	ANTHROPIC_MAX_TOKENS = 8192, /* of an answer, when nobody said: they insist on a number */
};

struct messages {
	struct json_writer w;
	const struct put *put;
	bool results; /* a message with results is open */
	size_t left;  /* messages to come, so that the last one is known */
};

/* --- the question --- */

static bool messages_is_blank(struct str text)
{
	return !str_trim(text).n;
}

static void messages_put_cache_mark(struct messages *m)
{
	if (m->put->dropped & DROP_CACHE)
		return;
	json_write_object(&m->w, "cache_control");
	json_write_cstr(&m->w, "type", "ephemeral");
	json_write_end(&m->w);
}

/* Text without a word is refused. */
static void messages_put_text(struct messages *m, struct str text, bool mark)
{
	if (messages_is_blank(text))
		return;
	json_write_object(&m->w, NULL);
	json_write_cstr(&m->w, "type", "text");
	json_write_str(&m->w, "text", text.p, text.n);
	if (mark)
		messages_put_cache_mark(m);
	json_write_end(&m->w);
}

/* A thought goes back only with what they sealed it with. */
static void messages_put_thought(struct messages *m, const struct item_part *part)
{
	json_t *opaque = NULL;
	const char *signature, *redacted;

	if (!part->opaque || json_parse(part->opaque, strlen(part->opaque), &opaque, NULL) != 0)
		return;
	signature = json_cstr(opaque, "signature", NULL);
	redacted = json_cstr(opaque, "redacted", NULL);
	if (signature || redacted) {
		json_write_object(&m->w, NULL);
		json_write_cstr(&m->w, "type", redacted ? "redacted_thinking" : "thinking");
		if (redacted) {
			json_write_cstr(&m->w, "data", redacted);
		} else {
			json_write_str(&m->w, "thinking", part->text.p, part->text.len);
			json_write_cstr(&m->w, "signature", signature);
		}
		json_write_end(&m->w);
	}
	json_decref(opaque);
}

static void messages_put_call(struct messages *m, const struct item_part *part, const char *id)
{
	struct str arguments = shape_arguments(part);

	json_write_object(&m->w, NULL);
	json_write_cstr(&m->w, "type", "tool_use");
	json_write_cstr(&m->w, "id", id);
	json_write_cstr(&m->w, "name", part->name);
	json_write_raw(&m->w, "input", arguments.p, arguments.n);
	json_write_end(&m->w);
}

/* Calls come last, whatever is added. */
static void messages_put_parts(struct messages *m, const struct shape_message *message)
{
	const struct item *item = message->item;

	for (size_t i = 0; i < item->part_count; i++) {
		const struct item_part *part = &item->parts[i];

		if (part->kind == PART_TEXT)
			messages_put_text(m, (struct str){part->text.p, part->text.len}, false);
		else if (part->kind == PART_REASONING && message->own)
			messages_put_thought(m, part);
		else if (part->kind == PART_CALL && message->calls && !message->extra.n)
			messages_put_call(m, part, shape_call_id(message, i));
	}
	messages_put_text(m, str_trim(message->extra), false);
	for (size_t i = 0; i < item->part_count && message->extra.n && message->calls; i++)
		if (item->parts[i].kind == PART_CALL)
			messages_put_call(m, &item->parts[i], shape_call_id(message, i));
}

static void messages_open(struct messages *m, const char *role)
{
	json_write_object(&m->w, NULL);
	json_write_cstr(&m->w, "role", role);
	json_write_array(&m->w, "content");
}

static void messages_close(struct messages *m)
{
	json_write_end(&m->w);
	json_write_end(&m->w);
}

/* All results of an answer stand in one message. */
static void messages_close_results(struct messages *m)
{
	if (m->results)
		messages_close(m);
	m->results = false;
}

static void messages_put_result(struct messages *m, const struct shape_message *message)
{
	if (!m->results)
		messages_open(m, "user");
	m->results = true;
	json_write_object(&m->w, NULL);
	json_write_cstr(&m->w, "type", "tool_result");
	json_write_cstr(&m->w, "tool_use_id", message->result_id);
	if (!messages_is_blank(message->text))
		json_write_str(&m->w, "content", message->text.p, message->text.n);
	if (!message->item->ok)
		json_write_bool(&m->w, "is_error", true);
	if (!m->left)
		messages_put_cache_mark(m);
	json_write_end(&m->w);
}

static void messages_put(void *data, const struct shape_message *message)
{
	struct messages *m = data;

	m->left--;
	if (message->kind == ITEM_RESULT) {
		messages_put_result(m, message);
		return;
	}
	messages_close_results(m);
	if (messages_is_blank(message->text) && !message->calls)
		return;
	messages_open(m, message->kind == ITEM_ASSISTANT ? "assistant" : "user");
	if (message->kind == ITEM_ASSISTANT && message->item)
		messages_put_parts(m, message);
	else
		messages_put_text(m, message->text, !m->left);
	messages_close(m);
}

static void messages_count(void *data, const struct shape_message *message)
{
	struct messages *m = data;

	m->left++;
}

static void messages_put_tool(
    void *data, const char *name, const char *description, struct str parameters)
{
	struct json_writer *w = data;

	json_write_object(w, NULL);
	json_write_cstr(w, "name", name);
	json_write_cstr(w, "description", description);
	json_write_raw(w, "input_schema", parameters.p, parameters.n);
	json_write_end(w);
}

static void messages_put_all(struct messages *m, const struct put *put)
{
	static const char *const dialects[] = {"anthropic", NULL};
	const struct shape_how how = {
	    .dialects = dialects, .notes_in_words = true, .user_first = true};

	if (put->system) {
		json_write_array(&m->w, "system");
		messages_put_text(m, str_of(put->system), true);
		json_write_end(&m->w);
	}
	json_write_array(&m->w, "messages");
	shape_walk(put, &how, messages_count, m);
	shape_walk(put, &how, messages_put, m);
	messages_close_results(m);
	json_write_end(&m->w);
}

static void messages_put_request(struct buf *out, const struct put *put)
{
	struct messages m = {.w = {.out = out}, .put = put};
	uint64_t most = ANTHROPIC_MAX_TOKENS;

	if (put->context_tokens && put->context_tokens / 4 < most)
		most = put->context_tokens / 4;
	json_write_object(&m.w, NULL);
	json_write_cstr(&m.w, "model", put->model);
	json_write_bool(&m.w, "stream", true);
	json_write_uint(&m.w, "max_tokens", put->max_tokens ? put->max_tokens : most);
	messages_put_all(&m, put);
	if (put->tools && !(put->dropped & DROP_TOOLS)) {
		json_write_array(&m.w, "tools");
		dialect_each_tool(put->tools, messages_put_tool, &m.w);
		json_write_end(&m.w);
	}
	json_write_end(&m.w);
}

static void messages_put_headers(struct buf *out, const char *key)
{
	buf_adds(out, "anthropic-version: 2023-06-01\r\n");
	if (key[0])
		buf_addf(out, "x-api-key: %s\r\n", key);
}

/* --- the answer --- */

static void messages_take_usage(struct delta *d, const json_t *usage)
{
	int64_t prompt = json_int(usage, "input_tokens", 0) +
			 json_int(usage, "cache_read_input_tokens", 0) +
			 json_int(usage, "cache_creation_input_tokens", 0),
		completion = json_int(usage, "output_tokens", 0);

	d->has_usage = prompt > 0 || completion > 0;
	d->prompt_tokens = prompt > 0 ? (uint64_t)prompt : 0;
	d->completion_tokens = completion > 0 ? (uint64_t)completion : 0;
}

/* Why it stopped, in the words of the other dialects. */
static void messages_take_reason(struct delta *d, const json_t *from)
{
	static const char *const reasons[][2] = {{"end_turn", "stop"}, {"stop_sequence", "stop"},
	    {"tool_use", "tool_calls"}, {"max_tokens", "length"},
	    {"model_context_window_exceeded", "length"}};
	const char *reason = json_cstr(from, "stop_reason", "");

	d->refused = strcmp(reason, "refusal") == 0;
	for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++)
		if (strcmp(reason, reasons[i][0]) == 0)
			reason = reasons[i][1];
	snprintf(d->finish_reason, sizeof d->finish_reason, "%s", reason);
}

/* What is sealed, as the text that item_part.opaque keeps. */
static void messages_take_seal(struct delta *d, const char *name, const char *value, bool alone)
{
	struct buf text = {0};
	struct json_writer w = {.out = &text};

	if (!value[0])
		return;
	json_write_object(&w, NULL);
	json_write_cstr(&w, name, value);
	json_write_end(&w);
	d->seal = delta_keep(d, &text);
	d->seal_alone = alone;
}

/* A block begins, or is all there; what sealed it is another's to take. */
static int messages_take_block(struct delta *d, const json_t *block, uint64_t index)
{
	const char *type = json_cstr(block, "type", "");
	const json_t *input = json_object_get(block, "input");
	struct buf text = {0};

	if (strcmp(type, "text") == 0) {
		d->text = json_str(block, "text");
	} else if (strcmp(type, "thinking") == 0) {
		d->thinking = json_str(block, "thinking");
	} else if (strcmp(type, "tool_use") == 0) {
		if (d->tool_count == DELTA_MAX_CALLS)
			return ERR_SYNTAX;
		if (json_object_size(input))
			json_put(&text, input);
		d->tools[d->tool_count++] = (struct delta_tool){.has_index = true,
		    .index = index,
		    .id = json_str(block, "id"),
		    .name = json_str(block, "name"),
		    .arguments = text.len ? delta_keep(d, &text) : (struct str){NULL, 0}};
	}
	return 0;
}

static void messages_take_delta(struct delta *d, const json_t *delta, uint64_t index)
{
	const char *type = json_cstr(delta, "type", "");

	if (strcmp(type, "text_delta") == 0)
		d->text = json_str(delta, "text");
	else if (strcmp(type, "thinking_delta") == 0)
		d->thinking = json_str(delta, "thinking");
	else if (strcmp(type, "signature_delta") == 0)
		messages_take_seal(d, "signature", json_cstr(delta, "signature", ""), false);
	else if (strcmp(type, "input_json_delta") == 0)
		d->tools[d->tool_count++] = (struct delta_tool){.has_index = true,
		    .index = index,
		    .arguments = json_str(delta, "partial_json")};
}

static int messages_take_start(struct delta *d, const json_t *block, uint64_t index)
{
	messages_take_seal(d, "signature", json_cstr(block, "signature", ""), false);
	if (strcmp(json_cstr(block, "type", ""), "redacted_thinking") == 0)
		messages_take_seal(d, "redacted", json_cstr(block, "data", ""), true);
	return messages_take_block(d, block, index);
}

/* An answer that did not come as a stream. Its thoughts are told and not sealed: a message keeps
 * one seal. */
static int messages_take_whole(struct delta *d, const json_t *root)
{
	const json_t *one;
	size_t i;
	struct buf text = {0}, thinking = {0};

	json_array_foreach (json_object_get(root, "content"), i, one) {
		if (messages_take_block(d, one, i) != 0) {
			buf_finish(&text);
			buf_finish(&thinking);
			return ERR_SYNTAX;
		}
		buf_add(&text, d->text.p, d->text.n);
		buf_add(&thinking, d->thinking.p, d->thinking.n);
		d->text = d->thinking = (struct str){NULL, 0};
	}
	if (text.len)
		d->text = delta_keep(d, &text);
	if (thinking.len)
		d->thinking = delta_keep(d, &thinking);
	messages_take_reason(d, root);
	messages_take_usage(d, json_object_get(root, "usage"));
	d->done = true;
	return 0;
}

static int messages_take_root(struct delta *d, const json_t *root)
{
	const char *type = json_cstr(root, "type", "");
	int64_t index = json_int(root, "index", 0);
	uint64_t at = index > 0 ? (uint64_t)index : 0;

	if (strcmp(type, "message_start") == 0) {
		messages_take_usage(d, json_object_get(json_object_get(root, "message"), "usage"));
	} else if (strcmp(type, "content_block_start") == 0) {
		return messages_take_start(d, json_object_get(root, "content_block"), at);
	} else if (strcmp(type, "content_block_delta") == 0) {
		messages_take_delta(d, json_object_get(root, "delta"), at);
	} else if (strcmp(type, "message_delta") == 0) {
		messages_take_reason(d, json_object_get(root, "delta"));
		messages_take_usage(d, json_object_get(root, "usage"));
	} else if (strcmp(type, "message_stop") == 0) {
		d->done = true;
	} else if (strcmp(type, "message") == 0) {
		return messages_take_whole(d, root);
	}
	return 0;
}

static int messages_take(struct str event, const char *p, size_t n, struct delta *ret)
{
	return delta_parse_as(event, p, n, messages_take_root, ret);
}

const struct dialect dialect_anthropic = {.name = "anthropic",
    .path = "/v1/messages",
    .list = "/v1/models",
    .can_drop = DROP_TOOLS | DROP_CACHE,
    .framing = FRAMING_SSE,
    .max_message = ANTHROPIC_MAX_MESSAGE,
    .put_headers = messages_put_headers,
    .put_request = messages_put_request,
    .take = messages_take};
