/* An answer as Responses of OpenAI: events of items (openai-openapi, createResponse). */
#include "demo/format.h"

#include "base/json.h"
#include "base/json_writer.h"
#include "demo/answer.h"
#include "demo/request.h"

static void responses_form_open_line(struct demo_wire *w, struct json_writer *j, const char *type)
{
	buf_clear(&w->line);
	*j = (struct json_writer){.out = &w->line};
	json_write_object(j, NULL);
	json_write_cstr(j, "type", type);
	json_write_uint(j, "sequence_number", w->sequence++);
}

/* The response as it stands; its items when it is done. */
static void put_response(struct demo_wire *w, struct json_writer *j, const char *key,
    const char *status, const char *why)
{
	json_write_object(j, key);
	json_write_cstr(j, "id", w->id);
	json_write_cstr(j, "object", "response");
	json_write_int(j, "created_at", w->created);
	json_write_cstr(j, "status", status);
	json_write_cstr(j, "model", w->model);
	json_write_null(j, "error");
	if (why) {
		json_write_object(j, "incomplete_details");
		json_write_cstr(j, "reason", why);
		json_write_end(j);
	} else {
		json_write_null(j, "incomplete_details");
	}
	json_write_array(j, "output");
	if (w->items.len)
		json_write_raw(j, NULL, w->items.p, w->items.len);
	json_write_end(j);
	if (strcmp(status, "in_progress") != 0 && !w->request->prompt.nousage) {
		json_write_object(j, "usage");
		json_write_uint(j, "input_tokens", w->request->prompt_tokens);
		json_write_uint(j, "output_tokens", w->sent);
		json_write_uint(j, "total_tokens", w->request->prompt_tokens + w->sent);
		json_write_end(j);
	} else {
		json_write_null(j, "usage");
	}
	json_write_end(j);
}

static void responses_form_begin(struct demo_wire *w, struct buf *out)
{
	struct json_writer j;

	demo_wire_put_head(w, "text/event-stream", out);
	responses_form_open_line(w, &j, "response.created");
	put_response(w, &j, "response", "in_progress", NULL);
	json_write_end(&j);
	demo_wire_put_event(w, "response.created", out);
}

static void responses_form_put_content(struct demo_wire *w, struct json_writer *j)
{
	json_write_object(j, NULL);
	json_write_cstr(j, "type", "output_text");
	json_write_str(j, "text", w->content.p, w->content.len);
	json_write_array(j, "annotations");
	json_write_end(j);
	json_write_end(j);
}

static void put_summary(struct demo_wire *w, struct json_writer *j)
{
	json_write_object(j, NULL);
	json_write_cstr(j, "type", "summary_text");
	json_write_str(j, "text", w->content.p, w->content.len);
	json_write_end(j);
}

/* The open item, as it stands. */
static void put_item(struct demo_wire *w, struct json_writer *j, const char *key, bool done)
{
	struct buf id = {0};

	json_write_object(j, key);
	buf_addf(&id, "item_%u", w->blocks);
	json_write_str(j, "id", id.p, id.len);
	buf_finish(&id);
	switch (w->block) {
	case DEMO_BLOCK_CALL:
		demo_wire_put_call_id(w, w->call, &id);
		json_write_cstr(j, "type", "function_call");
		json_write_raw(j, "call_id", id.p, id.len);
		json_write_str(j, "name", w->name.p, w->name.len);
		json_write_str(j, "arguments", w->content.p, w->content.len);
		json_write_cstr(j, "status", done ? "completed" : "in_progress");
		buf_finish(&id);
		break;
	case DEMO_BLOCK_THINKING:
		json_write_cstr(j, "type", "reasoning");
		json_write_array(j, "summary");
		if (done)
			put_summary(w, j);
		json_write_end(j);
		if (done)
			json_write_cstr(j, "encrypted_content", "demo-sealed");
		break;
	case DEMO_BLOCK_TEXT:
	case DEMO_BLOCK_NONE:
		json_write_cstr(j, "type", "message");
		json_write_cstr(j, "role", "assistant");
		json_write_cstr(j, "status", done ? "completed" : "in_progress");
		json_write_array(j, "content");
		if (done)
			responses_form_put_content(w, j);
		json_write_end(j);
		break;
	}
	json_write_end(j);
}

/* An event of the open item. index: of the part within it; NULL: of none. */
static void open_item_line(
    struct demo_wire *w, struct json_writer *j, const char *type, const char *index)
{
	struct buf id = {0};

	responses_form_open_line(w, j, type);
	json_write_uint(j, "output_index", w->blocks - 1);
	buf_addf(&id, "item_%u", w->blocks);
	json_write_str(j, "item_id", id.p, id.len);
	buf_finish(&id);
	if (index)
		json_write_uint(j, index, 0);
}

static void put_item_event(struct demo_wire *w, const char *type, bool done, struct buf *out)
{
	struct json_writer j;

	responses_form_open_line(w, &j, type);
	json_write_uint(&j, "output_index", w->blocks - 1);
	put_item(w, &j, "item", done);
	json_write_end(&j);
	demo_wire_put_event(w, type, out);
}

/* The part within an item begins or ends. */
static void put_part_event(struct demo_wire *w, bool done, struct buf *out)
{
	bool text = w->block == DEMO_BLOCK_TEXT;
	const char *type =
	    text ? (done ? "response.content_part.done" : "response.content_part.added")
		 : (done ? "response.reasoning_summary_part.done"
			 : "response.reasoning_summary_part.added");
	struct json_writer j;

	if (w->block == DEMO_BLOCK_CALL)
		return;
	open_item_line(w, &j, type, text ? "content_index" : "summary_index");
	json_write_object(&j, "part");
	json_write_cstr(&j, "type", text ? "output_text" : "summary_text");
	json_write_str(&j, "text", w->content.p, w->content.len);
	if (text) {
		json_write_array(&j, "annotations");
		json_write_end(&j);
	}
	json_write_end(&j);
	json_write_end(&j);
	demo_wire_put_event(w, type, out);
}

static void responses_form_put_delta(
    struct demo_wire *w, struct str text, bool raw, struct buf *out)
{
	static const char *const types[] = {[DEMO_BLOCK_NONE] = "response.output_text.delta",
	    [DEMO_BLOCK_TEXT] = "response.output_text.delta",
	    [DEMO_BLOCK_THINKING] = "response.reasoning_summary_text.delta",
	    [DEMO_BLOCK_CALL] = "response.function_call_arguments.delta"};
	static const char *const indexes[] = {[DEMO_BLOCK_NONE] = "content_index",
	    [DEMO_BLOCK_TEXT] = "content_index",
	    [DEMO_BLOCK_THINKING] = "summary_index",
	    [DEMO_BLOCK_CALL] = NULL};
	struct json_writer j;

	open_item_line(w, &j, types[w->block], indexes[w->block]);
	demo_write_text(&j, "delta", text, raw);
	json_write_end(&j);
	if (!raw)
		buf_add(&w->content, text.p, text.n);
	demo_wire_put_event(w, types[w->block], out);
}

/* What is said whole once more when an item ends. */
static void put_whole(struct demo_wire *w, struct buf *out)
{
	static const char *const types[] = {[DEMO_BLOCK_NONE] = "response.output_text.done",
	    [DEMO_BLOCK_TEXT] = "response.output_text.done",
	    [DEMO_BLOCK_THINKING] = "response.reasoning_summary_text.done",
	    [DEMO_BLOCK_CALL] = "response.function_call_arguments.done"};
	struct json_writer j;
	bool call = w->block == DEMO_BLOCK_CALL;

	open_item_line(w, &j, types[w->block],
	    call			  ? NULL
	    : w->block == DEMO_BLOCK_TEXT ? "content_index"
					  : "summary_index");
	json_write_str(&j, call ? "arguments" : "text", w->content.p, w->content.len);
	json_write_end(&j);
	demo_wire_put_event(w, types[w->block], out);
}

static void responses_form_end_block(struct demo_wire *w, struct buf *out)
{
	struct json_writer items = {.out = &w->items};

	if (w->block == DEMO_BLOCK_NONE)
		return;
	put_whole(w, out);
	put_part_event(w, true, out);
	put_item_event(w, "response.output_item.done", true, out);
	if (w->items.len)
		buf_addc(&w->items, ',');
	put_item(w, &items, NULL, true);
	w->block = DEMO_BLOCK_NONE;
}

static void responses_form_begin_block(
    struct demo_wire *w, enum demo_block block, const struct demo_step *step, struct buf *out)
{
	if (w->block == block && block != DEMO_BLOCK_CALL)
		return;
	responses_form_end_block(w, out);
	w->block = block;
	w->blocks++;
	buf_clear(&w->content);
	buf_clear(&w->name);
	if (block == DEMO_BLOCK_CALL) {
		w->call = step->index;
		buf_add(&w->name, step->text.p, step->text.n);
	}
	put_item_event(w, "response.output_item.added", false, out);
	put_part_event(w, false, out);
}

static void responses_form_put_done(struct demo_wire *w, struct str reason, struct buf *out)
{
	const char *why = str_eq(reason, "length")	     ? "max_output_tokens"
			  : str_eq(reason, "content_filter") ? "content_filter"
							     : NULL,
		   *type = why ? "response.incomplete" : "response.completed";
	struct json_writer j;

	responses_form_open_line(w, &j, type);
	put_response(w, &j, "response", why ? "incomplete" : "completed", why);
	json_write_end(&j);
	demo_wire_put_event(w, type, out);
}

static void put_error(struct demo_wire *w, struct buf *out)
{
	struct json_writer j;

	responses_form_open_line(w, &j, "error");
	json_write_cstr(&j, "code", "server_error");
	json_write_cstr(&j, "message", DEMO_ERROR);
	json_write_null(&j, "param");
	json_write_end(&j);
	demo_wire_put_event(w, "error", out);
}

static void responses_form_put(struct demo_wire *w, const struct demo_step *step, struct buf *out)
{
	struct buf filler = {0};

	switch (step->kind) {
	case DEMO_STEP_TEXT:
	case DEMO_STEP_BAD_UTF8:
		responses_form_begin_block(w, DEMO_BLOCK_TEXT, step, out);
		responses_form_put_delta(w, step->text, step->kind == DEMO_STEP_BAD_UTF8, out);
		break;
	case DEMO_STEP_HUGE:
		demo_put_filler(step->size, &filler);
		responses_form_begin_block(w, DEMO_BLOCK_TEXT, step, out);
		responses_form_put_delta(w, (struct str){filler.p, filler.len}, true, out);
		buf_finish(&filler);
		break;
	case DEMO_STEP_THINKING:
		responses_form_begin_block(w, DEMO_BLOCK_THINKING, step, out);
		responses_form_put_delta(w, step->text, false, out);
		break;
	case DEMO_STEP_CALL:
		responses_form_begin_block(w, DEMO_BLOCK_CALL, step, out);
		break;
	case DEMO_STEP_ARGUMENTS:
		responses_form_put_delta(w, step->text, false, out);
		break;
	case DEMO_STEP_GARBAGE:
		buf_clear(&w->line);
		buf_adds(&w->line, DEMO_GARBAGE);
		demo_wire_put_event(w, NULL, out);
		break;
	case DEMO_STEP_ERROR:
		put_error(w, out);
		demo_wire_put_end(w, out);
		break;
	case DEMO_STEP_DONE:
		responses_form_end_block(w, out);
		responses_form_put_done(w, step->text, out);
		demo_wire_put_end(w, out);
		break;
	case DEMO_STEP_CLOSE:
		demo_wire_put_end(w, out);
		break;
	case DEMO_STEP_HANG:
	case DEMO_STEP_DROP:
		break;
	}
}

/* --- the chat API's words --- */

static void add_item(json_t *messages, const json_t *item)
{
	const char *type = json_cstr(item, "type", "message");

	if (strcmp(type, "function_call_output") == 0)
		json_array_append_new(messages, json_pack("{s:s,s:O*}", "role", "tool", "content",
						    json_object_get(item, "output")));
	else if (strcmp(type, "function_call") == 0)
		json_array_append_new(
		    messages, json_pack("{s:s,s:s}", "role", "assistant", "content", ""));
	else if (strcmp(type, "message") == 0)
		json_array_append_new(
		    messages, json_pack("{s:O*,s:O*}", "role", json_object_get(item, "role"),
				  "content", json_object_get(item, "content")));
}

static json_t *responses_form_as_chat(const json_t *request)
{
	json_t *chat = json_copy((json_t *)(uintptr_t)request), *messages = json_array();
	const json_t *input = json_object_get(request, "input"),
		     *system = json_object_get(request, "instructions"), *one;
	size_t i;

	if (json_is_string(system))
		json_array_append_new(
		    messages, json_pack("{s:s,s:O}", "role", "system", "content", system));
	if (json_is_string(input))
		json_array_append_new(
		    messages, json_pack("{s:s,s:O}", "role", "user", "content", input));
	json_array_foreach (input, i, one)
		add_item(messages, one);
	json_object_set_new(chat, "messages", messages);
	return chat;
}

static void responses_form_add_calls(json_t *output, const json_t *message)
{
	const json_t *one;
	size_t i;

	json_array_foreach (json_object_get(message, "tool_calls"), i, one) {
		const json_t *function = json_object_get(one, "function");

		json_array_append_new(
		    output, json_pack("{s:s,s:s,s:O,s:O,s:O,s:s}", "id", "item_call", "type",
				"function_call", "call_id", json_object_get(one, "id"), "name",
				json_object_get(function, "name"), "arguments",
				json_object_get(function, "arguments"), "status", "completed"));
	}
}

static json_t *responses_form_as_own(const json_t *answer)
{
	const json_t *choice = json_array_get(json_object_get(answer, "choices"), 0),
		     *message = json_object_get(choice, "message"),
		     *usage = json_object_get(answer, "usage");
	json_int_t in = (json_int_t)json_int(usage, "prompt_tokens", 0),
		   given = (json_int_t)json_int(usage, "completion_tokens", 0);
	json_t *output = json_array();
	const char *text = json_cstr(message, "content", "");

	if (text[0])
		json_array_append_new(
		    output, json_pack("{s:s,s:s,s:s,s:s,s:[{s:s,s:s,s:[]}]}", "id", "item_1",
				"type", "message", "role", "assistant", "status", "completed",
				"content", "type", "output_text", "text", text, "annotations"));
	responses_form_add_calls(output, message);
	return json_pack("{s:O,s:s,s:O,s:s,s:O,s:n,s:n,s:o,s:{s:I,s:I,s:I}}", "id",
	    json_object_get(answer, "id"), "object", "response", "created_at",
	    json_object_get(answer, "created"), "status", "completed", "model",
	    json_object_get(answer, "model"), "error", "incomplete_details", "output", output,
	    "usage", "input_tokens", in, "output_tokens", given, "total_tokens", in + given);
}

const struct demo_format demo_format_responses = {.transport = "responses",
    .path = "/v1/responses",
    .as_chat = responses_form_as_chat,
    .as_own = responses_form_as_own,
    .begin = responses_form_begin,
    .put = responses_form_put};
