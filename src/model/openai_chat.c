/*
 * The chat completions of OpenAI, which most servers speak (openai-openapi, createChatCompletion).
 * What goes back of an answer is what came, to who gave it.
 */
#include <ctype.h>
#include <string.h>

#include "base/buf.h"
#include "base/json_writer.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/str.h"
#include "model/delta.h"
#include "model/dialect.h"
#include "protocol/item.h"

/* Between two messages of a user there is always one of the model: templates insist on it. */
static const char chat_interrupted[] = "[interrupted]", chat_no_answer[] = "[no answer]";

/* After an answer that was cut. The demo server knows it, too (demo/request.c). */
static const char chat_go_on[] = "Go on exactly where your last message stopped, as it was cut "
				 "off. Repeat nothing of it and say "
				 "nothing about the cut.";

enum { CHAT_OWN_ID = 9 }; /* letters and digits: all that some servers take as an id */

struct chat {
	struct json_writer w;
	const struct put *put;
	struct map ids;		   /* server's ids that stand already -> themselves */
	const struct item *answer; /* the last one that called tools */
	char (*answer_ids)[CHAT_OWN_ID +
			   1]; /* owned: ids of its calls that are ours; "" the server's */
	bool expects_answer;   /* the last message is a user's or a result */
	struct buf pending;    /* what the next message of a user has to say first */
};

/* --- ids --- */

/* Nine letters and digits made of our own id, which is random at its end. */
static void chat_own_id(const char *id, char ret[CHAT_OWN_ID + 1])
{
	size_t n = 0;

	for (size_t i = strlen(id); i-- > 0 && n < CHAT_OWN_ID;)
		if (isalnum((unsigned char)id[i]))
			ret[n++] = id[i];
	while (n < CHAT_OWN_ID)
		ret[n++] = '0';
	ret[n] = '\0';
}

/* Did this server and model give it? Then what they sealed goes back to them. */
static bool chat_is_own(const struct chat *c, const struct item *item)
{
	return item->server && item->model && strcmp(item->server, c->put->server) == 0 &&
	       strcmp(item->model, c->put->model) == 0;
}

/* Which ids the calls of an answer go by: the server's own where it is there and not used yet. */
static void chat_choose_ids(struct chat *c, const struct item *item)
{
	free(c->answer_ids);
	c->answer = item;
	c->answer_ids = mem_zalloc(item->part_count, sizeof *c->answer_ids);
	for (size_t i = 0; i < item->part_count; i++) {
		const struct item_part *part = &item->parts[i];

		if (part->kind != PART_CALL)
			continue;
		if (part->server_id && part->server_id[0] && chat_is_own(c, item) &&
		    !map_get(&c->ids, part->server_id))
			map_put(&c->ids, part->server_id, part->server_id);
		else
			chat_own_id(part->id, c->answer_ids[i]);
	}
}

static const char *chat_id(const struct chat *c, size_t part)
{
	return c->answer_ids[part][0] ? c->answer_ids[part] : c->answer->parts[part].server_id;
}

/* The id that the result of our call goes by; a call that is not there keeps ours. */
static const char *chat_result_id(const struct chat *c, const char *call_id)
{
	for (size_t i = 0; c->answer && i < c->answer->part_count; i++)
		if (c->answer->parts[i].kind == PART_CALL &&
		    strcmp(c->answer->parts[i].id, call_id) == 0)
			return chat_id(c, i);
	return call_id;
}

/* --- messages --- */

static void chat_put_plain(struct chat *c, const char *role, const char *text, size_t n)
{
	json_write_object(&c->w, NULL);
	json_write_cstr(&c->w, "role", role);
	json_write_str(&c->w, "content", text, n);
	json_write_end(&c->w);
}

/* A user's message with what was pending before its words. */
static void chat_put_words(struct chat *c, const char *text, size_t n)
{
	if (c->pending.len && n)
		buf_adds(&c->pending, "\n\n");
	buf_add(&c->pending, text, n);
	chat_put_plain(c, "user", c->pending.p ? c->pending.p : "", c->pending.len);
	buf_clear(&c->pending);
}

static void chat_put_user(struct chat *c, const struct item *item)
{
	/* The answer never came, or stopped at its calls. */
	if (c->expects_answer) {
		const char *said = item->json ? chat_no_answer : chat_interrupted;

		chat_put_plain(c, "assistant", said, strlen(said));
	}
	c->expects_answer = true;
	if (item->json && !c->pending.len)
		json_write_raw(&c->w, NULL, item->json, strlen(item->json));
	else
		chat_put_words(c, item->text.p, item->text.len);
}

static void chat_put_call(struct chat *c, const struct item_part *part, const char *id, bool own)
{
	json_write_object(&c->w, NULL);
	json_write_cstr(&c->w, "id", id);
	json_write_cstr(&c->w, "type", "function");
	json_write_object(&c->w, "function");
	json_write_cstr(&c->w, "name", part->name);
	json_write_str(&c->w, "arguments", part->text.p, part->text.len);
	json_write_end(&c->w);
	if (own && part->more)
		json_write_members(&c->w, part->more, strlen(part->more));
	json_write_end(&c->w);
}

/* The reasoning that led to calls goes back under the name it came by. */
static void chat_put_reasoning(struct chat *c, const struct item *item)
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
		json_write_str(&c->w, name, text.p, text.len);
	buf_finish(&text);
}

static void chat_put_calls(struct chat *c, const struct item *item)
{
	bool own = chat_is_own(c, item);

	chat_choose_ids(c, item);
	if (own)
		chat_put_reasoning(c, item);
	json_write_array(&c->w, "tool_calls");
	for (size_t i = 0; i < item->part_count; i++)
		if (item->parts[i].kind == PART_CALL)
			chat_put_call(c, &item->parts[i], chat_id(c, i), own);
	json_write_end(&c->w);
}

/* Where no tools can be offered, what was called is told. */
static void chat_tell_calls(struct buf *text, const struct item *item)
{
	for (size_t i = 0; i < item->part_count; i++)
		if (item->parts[i].kind == PART_CALL)
			buf_addf(text, "%s[called %s with %.*s]", text->len ? "\n" : "",
			    item->parts[i].name, (int)item->parts[i].text.len,
			    item->parts[i].text.p);
}

static bool chat_tells_tools(const struct chat *c)
{
	return !c->put->tools || c->put->dropped & DROP_TOOLS;
}

static void chat_put_assistant(struct chat *c, const struct item *item)
{
	struct buf text = {0};
	bool calls = false;

	for (size_t i = 0; i < item->part_count; i++)
		calls |= item->parts[i].kind == PART_CALL;
	item_put_text(&text, item);
	if (item->interrupted)
		buf_addf(&text, "%s%s", text.len ? "\n" : "", chat_interrupted);
	if (calls && chat_tells_tools(c)) {
		chat_tell_calls(&text, item);
		calls = false;
	}
	if (c->pending.len)
		chat_put_words(c, NULL, 0);
	/* An empty message is refused by some and says nothing to the others. */
	if (!text.len && !calls && !item->json)
		return;
	c->expects_answer = false;
	if (item->json && !chat_tells_tools(c)) {
		json_write_raw(&c->w, NULL, item->json, strlen(item->json));
	} else {
		json_write_object(&c->w, NULL);
		json_write_cstr(&c->w, "role", "assistant");
		/* Never null: some refuse that, all take an empty text beside calls. */
		json_write_str(&c->w, "content", text.p, text.len);
		if (calls)
			chat_put_calls(c, item);
		json_write_end(&c->w);
	}
	buf_finish(&text);
}

static void chat_put_result(struct chat *c, const struct item *item)
{
	if (chat_tells_tools(c)) {
		buf_addf(&c->pending, "%s[%s gave: %.*s]", c->pending.len ? "\n" : "",
		    item->tool ? item->tool : "it", (int)item->text.len,
		    item->text.p ? item->text.p : "");
		return;
	}
	c->expects_answer = true;
	if (item->json) {
		json_write_raw(&c->w, NULL, item->json, strlen(item->json));
		return;
	}
	json_write_object(&c->w, NULL);
	json_write_cstr(&c->w, "role", "tool");
	json_write_cstr(&c->w, "tool_call_id", chat_result_id(c, item->call_id));
	json_write_str(&c->w, "content", item->text.p, item->text.len);
	json_write_end(&c->w);
}

static void chat_put_item(struct chat *c, const struct item *item)
{
	switch (item->kind) {
	case ITEM_USER:
		chat_put_user(c, item);
		break;
	case ITEM_ASSISTANT:
		chat_put_assistant(c, item);
		break;
	case ITEM_RESULT:
		chat_put_result(c, item);
		break;
	case ITEM_NOTE:
		if (item->json)
			json_write_raw(&c->w, NULL, item->json, strlen(item->json));
		else
			chat_put_plain(c, "system", item->text.p, item->text.len);
		break;
	}
}

void openai_chat_put_members(struct buf *out, const struct put *put)
{
	struct chat c = {.w = {.out = out}, .put = put};

	buf_adds(out, "\"stream\":true,\"model\":");
	json_write_cstr(&c.w, NULL, put->model);
	buf_adds(out, ",\"messages\":");
	c.w = (struct json_writer){.out = out};
	json_write_array(&c.w, NULL);
	if (put->system && put->dropped & DROP_SYSTEM)
		buf_adds(&c.pending, put->system);
	else if (put->system)
		chat_put_plain(&c, "system", put->system, strlen(put->system));
	for (size_t i = 0; i < put->count; i++)
		chat_put_item(&c, put->items[i]);
	if (c.pending.len)
		chat_put_words(&c, NULL, 0);
	if (put->go_on)
		chat_put_plain(&c, "user", chat_go_on, sizeof chat_go_on - 1);
	json_write_end(&c.w);
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
	free(c.answer_ids);
	buf_finish(&c.pending);
	map_finish(&c.ids);
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
    .framing = FRAMING_SSE,
    .max_message = DELTA_MAX_MESSAGE,
    .put_request = chat_put_request,
    .take = chat_take};
