/*
 * The chat completions of OpenAI, which most servers speak (openai-openapi, createChatCompletion).
 * What goes back of an answer is what came, to who gave it.
 */
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/json_writer.h"
#include "base/str.h"
#include "model/delta.h"
#include "model/dialect.h"
#include "model/shape.h"

static void chat_put_plain(struct json_writer *w, const char *role, struct str text)
{
	json_write_object(w, NULL);
	json_write_cstr(w, "role", role);
	json_write_str(w, "content", text.p, text.n);
	json_write_end(w);
}

static void chat_put_call(
    struct json_writer *w, const struct item_part *part, const char *id, bool own)
{
	json_write_object(w, NULL);
	json_write_cstr(w, "id", id);
	json_write_cstr(w, "type", "function");
	json_write_object(w, "function");
	json_write_cstr(w, "name", part->name);
	json_write_str(w, "arguments", part->text.p, part->text.len);
	json_write_end(w);
	if (own && part->more)
		json_write_members(w, part->more, strlen(part->more));
	json_write_end(w);
}

/* The reasoning that led to calls goes back under the name it came by. */
static void chat_put_reasoning(struct json_writer *w, const struct item *item)
{
	struct buf text = {0};
	const char *name = NULL;

	for (size_t i = 0; i < item->part_count; i++) {
		const struct item_part *part = &item->parts[i];

		if (part->kind != PART_REASONING || !part->name ||
		    (name && strcmp(name, part->name) != 0))
			continue;
		name = part->name;
		buf_add(&text, part->text.p, part->text.len);
	}
	if (name)
		json_write_str(w, name, text.p, text.len);
	buf_finish(&text);
}

static void chat_put_calls(struct json_writer *w, const struct shape_message *m)
{
	if (m->own)
		chat_put_reasoning(w, m->item);
	json_write_array(w, "tool_calls");
	for (size_t i = 0; i < m->item->part_count; i++)
		if (m->item->parts[i].kind == PART_CALL)
			chat_put_call(w, &m->item->parts[i], shape_call_id(m, i), m->own);
	json_write_end(w);
}

static void chat_put_message(void *data, const struct shape_message *m)
{
	static const char *const roles[] = {[ITEM_USER] = "user",
	    [ITEM_ASSISTANT] = "assistant",
	    [ITEM_RESULT] = "tool",
	    [ITEM_NOTE] = "system"};
	struct json_writer *w = data;

	if (m->raw) {
		json_write_raw(w, NULL, m->raw, strlen(m->raw));
		return;
	}
	json_write_object(w, NULL);
	json_write_cstr(w, "role", roles[m->kind]);
	if (m->kind == ITEM_RESULT)
		json_write_cstr(w, "tool_call_id", m->result_id);
	/* Never null: some refuse that, all take an empty text beside calls. */
	json_write_str(w, "content", m->text.p, m->text.n);
	if (m->calls)
		chat_put_calls(w, m);
	json_write_end(w);
}

static void chat_put_messages(struct buf *out, const struct put *put)
{
	static const char *const dialects[] = {"openai_chat", "lmx_ws", NULL};
	struct json_writer w = {.out = out};
	bool apart = !(put->dropped & DROP_SYSTEM);

	json_write_array(&w, NULL);
	if (put->system && apart)
		chat_put_plain(&w, "system", str_of(put->system));
	shape_walk(put,
	    &(struct shape_how){.dialects = dialects, .before = apart ? NULL : put->system},
	    chat_put_message, &w);
	json_write_end(&w);
}

void openai_chat_put_members(struct buf *out, const struct put *put)
{
	buf_adds(out, "\"stream\":true,\"model\":");
	json_put_cstr(out, put->model);
	buf_adds(out, ",\"messages\":");
	chat_put_messages(out, put);
	if (put->tools && !(put->dropped & DROP_TOOLS)) {
		buf_adds(out, ",\"tools\":");
		buf_adds(out, put->tools);
		if (!(put->dropped & DROP_TOOL_CHOICE))
			buf_adds(out, ",\"tool_choice\":\"auto\"");
	}
	if (put->max_tokens) {
		buf_adds(out, put->dropped & DROP_MAX_TOKENS ? ",\"max_completion_tokens\":"
							     : ",\"max_tokens\":");
		buf_addu(out, put->max_tokens);
	}
}

static void chat_put_request(struct buf *out, const struct put *put)
{
	buf_addc(out, '{');
	openai_chat_put_members(out, put);
	if (!(put->dropped & DROP_USAGE))
		buf_adds(out, ",\"stream_options\":{\"include_usage\":true}");
	buf_addc(out, '}');
}

static int chat_take(struct str event, const char *p, size_t n, struct delta *ret)
{
	return delta_parse_event(event, p, n, ret);
}

const struct dialect dialect_openai_chat = {.name = "openai_chat",
    .path = "/v1/chat/completions",
    .list = "/v1/models",
    .can_drop = DROP_TOOLS | DROP_USAGE | DROP_MAX_TOKENS | DROP_TOOL_CHOICE | DROP_SYSTEM,
    .framing = FRAMING_SSE,
    .max_message = DELTA_MAX_MESSAGE,
    .put_headers = dialect_put_bearer,
    .put_request = chat_put_request,
    .take = chat_take};
