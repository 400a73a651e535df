/*
 * Ollama's own chat (its docs/api.md, "Generate a chat completion"): lines of JSON, arguments as
 * objects, results by the tool's name. The only way to say how large the context is to be and how
 * long the model stays loaded.
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

enum { OLLAMA_MAX_MESSAGE = 4 * 1024 * 1024 }; /* bytes: a call comes whole */

/* --- the question --- */

static void ollama_put_calls(struct json_writer *w, const struct item *item)
{
	json_write_array(w, "tool_calls");
	for (size_t i = 0; i < item->part_count; i++) {
		const struct item_part *part = &item->parts[i];
		struct str arguments;

		if (part->kind != PART_CALL)
			continue;
		arguments = shape_arguments(part);
		json_write_object(w, NULL);
		json_write_object(w, "function");
		json_write_cstr(w, "name", part->name);
		json_write_raw(w, "arguments", arguments.p, arguments.n);
		json_write_end(w);
		json_write_end(w);
	}
	json_write_end(w);
}

/* What it thought before its calls, for templates that go on from there. */
static void ollama_put_thinking(struct json_writer *w, const struct item *item)
{
	struct buf text = {0};

	for (size_t i = 0; i < item->part_count; i++)
		if (item->parts[i].kind == PART_REASONING && !item->parts[i].tagged)
			buf_add(&text, item->parts[i].text.p, item->parts[i].text.len);
	if (text.len)
		json_write_str(w, "thinking", text.p, text.len);
	buf_finish(&text);
}

static void ollama_put_message(void *data, const struct shape_message *m)
{
	static const char *const roles[] = {[ITEM_USER] = "user",
	    [ITEM_ASSISTANT] = "assistant",
	    [ITEM_RESULT] = "tool",
	    [ITEM_NOTE] = "system"};
	struct json_writer *w = data;

	if (!m->text.n && !m->calls && m->kind != ITEM_RESULT)
		return;
	json_write_object(w, NULL);
	json_write_cstr(w, "role", roles[m->kind]);
	json_write_str(w, "content", m->text.p, m->text.n);
	if (m->calls && m->own)
		ollama_put_thinking(w, m->item);
	if (m->calls)
		ollama_put_calls(w, m->item);
	if (m->kind == ITEM_RESULT && m->item->tool)
		json_write_cstr(w, "tool_name", m->item->tool);
	json_write_end(w);
}

static void ollama_put_messages(struct json_writer *w, const struct put *put)
{
	static const char *const dialects[] = {"ollama", NULL};

	json_write_array(w, "messages");
	if (put->system)
		ollama_put_message(
		    w, &(struct shape_message){.kind = ITEM_NOTE, .text = str_of(put->system)});
	shape_walk(put, &(struct shape_how){.dialects = dialects}, ollama_put_message, w);
	json_write_end(w);
}

/* "5m" is text, "-1" and "3600" are seconds as a number. */
static void ollama_put_keep_alive(struct json_writer *w, const char *keep_alive)
{
	bool minus = keep_alive[0] == '-';
	uint64_t seconds;

	if (str_parse_u64(str_of(keep_alive + minus), INT32_MAX, &seconds))
		json_write_int(w, "keep_alive", minus ? -(int64_t)seconds : (int64_t)seconds);
	else
		json_write_cstr(w, "keep_alive", keep_alive);
}

static void ollama_put_options(struct json_writer *w, const struct put *put)
{
	if (!put->context_tokens && !put->max_tokens)
		return;
	json_write_object(w, "options");
	if (put->context_tokens)
		json_write_uint(w, "num_ctx", put->context_tokens);
	if (put->max_tokens)
		json_write_uint(w, "num_predict", put->max_tokens);
	json_write_end(w);
}

static void ollama_put_request(struct buf *out, const struct put *put)
{
	struct json_writer w = {.out = out};

	json_write_object(&w, NULL);
	json_write_cstr(&w, "model", put->model);
	json_write_bool(&w, "stream", true);
	ollama_put_messages(&w, put);
	if (put->tools && !(put->dropped & DROP_TOOLS))
		json_write_raw(&w, "tools", put->tools, strlen(put->tools));
	ollama_put_options(&w, put);
	if (put->keep_alive && put->keep_alive[0])
		ollama_put_keep_alive(&w, put->keep_alive);
	json_write_end(&w);
}

/* --- the answer --- */

static void ollama_take_end(struct delta *d, const json_t *root)
{
	int64_t prompt = json_int(root, "prompt_eval_count", 0),
		completion = json_int(root, "eval_count", 0);

	d->done = true;
	snprintf(d->finish_reason, sizeof d->finish_reason, "%s",
	    json_cstr(root, "done_reason", "stop"));
	d->has_usage = prompt > 0 || completion > 0;
	d->prompt_tokens = prompt > 0 ? (uint64_t)prompt : 0;
	d->completion_tokens = completion > 0 ? (uint64_t)completion : 0;
}

static int ollama_take_root(struct delta *d, const json_t *root)
{
	const json_t *message = json_object_get(root, "message"), *one;
	size_t i;

	d->text = json_str(message, "content");
	d->thinking = json_str(message, "thinking");
	json_array_foreach (json_object_get(message, "tool_calls"), i, one)
		if (delta_take_call(d, one) != 0)
			return ERR_SYNTAX;
	if (json_is_true(json_object_get(root, "done")))
		ollama_take_end(d, root);
	return 0;
}

static int ollama_take(struct str event, const char *p, size_t n, struct delta *ret)
{
	return delta_parse_as(event, p, n, ollama_take_root, ret);
}

const struct dialect dialect_ollama = {.name = "ollama",
    .path = "/api/chat",
    .list = "/api/tags",
    .can_drop = DROP_TOOLS,
    .framing = FRAMING_LINES,
    .max_message = OLLAMA_MAX_MESSAGE,
    .put_headers = dialect_put_bearer,
    .put_request = ollama_put_request,
    .take = ollama_take};
