/* An answer as Messages of Anthropic: events of blocks (docs.anthropic.com, "Streaming Messages").
 */
#include "demo/format.h"

#include "base/json.h"
#include "base/json_writer.h"
#include "demo/answer.h"
#include "demo/request.h"

static void messages_form_open_line(struct demo_wire *w, struct json_writer *j, const char *type)
{
	buf_clear(&w->line);
	*j = (struct json_writer){.out = &w->line};
	json_write_object(j, NULL);
	json_write_cstr(j, "type", type);
}

static void messages_form_begin(struct demo_wire *w, struct buf *out)
{
	struct json_writer j;

	demo_wire_put_head(w, "text/event-stream", out);
	messages_form_open_line(w, &j, "message_start");
	json_write_object(&j, "message");
	json_write_cstr(&j, "id", w->id);
	json_write_cstr(&j, "type", "message");
	json_write_cstr(&j, "role", "assistant");
	json_write_cstr(&j, "model", w->model);
	json_write_array(&j, "content");
	json_write_end(&j);
	json_write_null(&j, "stop_reason");
	json_write_null(&j, "stop_sequence");
	json_write_object(&j, "usage");
	json_write_uint(
	    &j, "input_tokens", w->request->prompt.nousage ? 0 : w->request->prompt_tokens);
	json_write_uint(&j, "output_tokens", 0);
	json_write_end(&j);
	json_write_end(&j);
	json_write_end(&j);
	demo_wire_put_event(w, "message_start", out);
}

static void messages_form_put_delta(
    struct demo_wire *w, const char *type, const char *field, struct str text, bool raw)
{
	struct json_writer j;

	messages_form_open_line(w, &j, "content_block_delta");
	json_write_uint(&j, "index", w->blocks - 1);
	json_write_object(&j, "delta");
	json_write_cstr(&j, "type", type);
	demo_write_text(&j, field, text, raw);
	json_write_end(&j);
	json_write_end(&j);
}

static void messages_form_end_block(struct demo_wire *w, struct buf *out)
{
	struct json_writer j;

	if (w->block == DEMO_BLOCK_NONE)
		return;
	if (w->block == DEMO_BLOCK_THINKING) {
		messages_form_put_delta(
		    w, "signature_delta", "signature", str_of("demo-signature"), false);
		demo_wire_put_event(w, "content_block_delta", out);
	}
	messages_form_open_line(w, &j, "content_block_stop");
	json_write_uint(&j, "index", w->blocks - 1);
	json_write_end(&j);
	demo_wire_put_event(w, "content_block_stop", out);
	w->block = DEMO_BLOCK_NONE;
}

/* A call's block begins anew with each call. */
static void messages_form_begin_block(
    struct demo_wire *w, enum demo_block block, const struct demo_step *step, struct buf *out)
{
	struct json_writer j;
	struct buf id = {0};

	if (w->block == block && block != DEMO_BLOCK_CALL)
		return;
	messages_form_end_block(w, out);
	messages_form_open_line(w, &j, "content_block_start");
	json_write_uint(&j, "index", w->blocks++);
	json_write_object(&j, "content_block");
	switch (block) {
	case DEMO_BLOCK_CALL:
		demo_wire_put_call_id(w, step->index, &id);
		json_write_cstr(&j, "type", "tool_use");
		json_write_raw(&j, "id", id.p, id.len);
		json_write_str(&j, "name", step->text.p, step->text.n);
		json_write_object(&j, "input");
		json_write_end(&j);
		buf_finish(&id);
		break;
	case DEMO_BLOCK_THINKING:
		json_write_cstr(&j, "type", "thinking");
		json_write_cstr(&j, "thinking", "");
		json_write_cstr(&j, "signature", "");
		break;
	case DEMO_BLOCK_TEXT:
	case DEMO_BLOCK_NONE:
		json_write_cstr(&j, "type", "text");
		json_write_cstr(&j, "text", "");
		break;
	}
	json_write_end(&j);
	json_write_end(&j);
	demo_wire_put_event(w, "content_block_start", out);
	w->block = block;
}

static const char *reason_of(struct str reason)
{
	if (str_eq(reason, "tool_calls"))
		return "tool_use";
	if (str_eq(reason, "length"))
		return "max_tokens";
	return "end_turn";
}

static void messages_form_put_done(struct demo_wire *w, struct str reason, struct buf *out)
{
	struct json_writer j;

	messages_form_open_line(w, &j, "message_delta");
	json_write_object(&j, "delta");
	json_write_cstr(&j, "stop_reason", reason_of(reason));
	json_write_null(&j, "stop_sequence");
	json_write_end(&j);
	json_write_object(&j, "usage");
	json_write_uint(&j, "output_tokens", w->request->prompt.nousage ? 0 : w->sent);
	json_write_end(&j);
	json_write_end(&j);
	demo_wire_put_event(w, "message_delta", out);
	messages_form_open_line(w, &j, "message_stop");
	json_write_end(&j);
	demo_wire_put_event(w, "message_stop", out);
}

static void messages_form_put_text(
    struct demo_wire *w, const struct demo_step *step, struct str text, bool raw, struct buf *out)
{
	messages_form_begin_block(w, DEMO_BLOCK_TEXT, step, out);
	messages_form_put_delta(w, "text_delta", "text", text, raw);
	demo_wire_put_event(w, "content_block_delta", out);
}

static void put_end(struct demo_wire *w, const struct demo_step *step, struct buf *out)
{
	if (step->kind == DEMO_STEP_DONE) {
		messages_form_end_block(w, out);
		messages_form_put_done(w, step->text, out);
	} else if (step->kind == DEMO_STEP_ERROR) {
		buf_clear(&w->line);
		buf_adds(&w->line, "{\"type\":\"error\",\"error\":{\"type\":\"api_error\","
				   "\"message\":\"" DEMO_ERROR "\"}}");
		demo_wire_put_event(w, "error", out);
	}
	demo_wire_put_end(w, out);
}

static void messages_form_put(struct demo_wire *w, const struct demo_step *step, struct buf *out)
{
	struct buf filler = {0};

	switch (step->kind) {
	case DEMO_STEP_TEXT:
		messages_form_put_text(w, step, step->text, false, out);
		break;
	case DEMO_STEP_HUGE:
		demo_put_filler(step->size, &filler);
		messages_form_put_text(w, step, (struct str){filler.p, filler.len}, true, out);
		buf_finish(&filler);
		break;
	case DEMO_STEP_BAD_UTF8:
		messages_form_put_text(w, step, step->text, true, out);
		break;
	case DEMO_STEP_THINKING:
		messages_form_begin_block(w, DEMO_BLOCK_THINKING, step, out);
		messages_form_put_delta(w, "thinking_delta", "thinking", step->text, false);
		demo_wire_put_event(w, "content_block_delta", out);
		break;
	case DEMO_STEP_CALL:
		messages_form_begin_block(w, DEMO_BLOCK_CALL, step, out);
		break;
	case DEMO_STEP_ARGUMENTS:
		messages_form_put_delta(w, "input_json_delta", "partial_json", step->text, false);
		demo_wire_put_event(w, "content_block_delta", out);
		break;
	case DEMO_STEP_GARBAGE:
		buf_clear(&w->line);
		buf_adds(&w->line, DEMO_GARBAGE);
		demo_wire_put_event(w, NULL, out);
		break;
	case DEMO_STEP_ERROR:
	case DEMO_STEP_CLOSE:
	case DEMO_STEP_DONE:
		put_end(w, step, out);
		break;
	case DEMO_STEP_HANG:
	case DEMO_STEP_DROP:
		break;
	}
}

/* --- the chat API's words --- */

/* The text of a content: a string, or blocks with text among them. For the caller to free. */
static json_t *messages_form_text_of(const json_t *content)
{
	struct buf text = {0};
	const json_t *one;
	json_t *ret;
	size_t i;

	if (json_is_string(content))
		buf_adds(&text, json_string_value(content));
	json_array_foreach (content, i, one)
		buf_adds(&text, json_cstr(one, "text", ""));
	ret = json_stringn(text.p ? text.p : "", text.len);
	buf_finish(&text);
	return ret;
}

/* Results are messages of their own there. */
static void add_message(json_t *messages, const json_t *message)
{
	const json_t *content = json_object_get(message, "content"), *one;
	bool results = false;
	size_t i;

	json_array_foreach (content, i, one) {
		if (strcmp(json_cstr(one, "type", ""), "tool_result") != 0)
			continue;
		results = true;
		json_array_append_new(
		    messages, json_pack("{s:s,s:s,s:o}", "role", "tool", "tool_call_id",
				  json_cstr(one, "tool_use_id", ""), "content",
				  messages_form_text_of(json_object_get(one, "content"))));
	}
	if (!results)
		json_array_append_new(
		    messages, json_pack("{s:O*,s:o}", "role", json_object_get(message, "role"),
				  "content", messages_form_text_of(content)));
}

static json_t *messages_form_as_chat(const json_t *request)
{
	json_t *chat = json_copy((json_t *)(uintptr_t)request), *messages = json_array();
	const json_t *system = json_object_get(request, "system"), *one;
	size_t i;

	if (system)
		json_array_append_new(messages, json_pack("{s:s,s:o}", "role", "system", "content",
						    messages_form_text_of(system)));
	json_array_foreach (json_object_get(request, "messages"), i, one)
		add_message(messages, one);
	json_object_set_new(chat, "messages", messages);
	return chat;
}

static void messages_form_add_calls(json_t *content, const json_t *message)
{
	const json_t *one;
	size_t i;

	json_array_foreach (json_object_get(message, "tool_calls"), i, one) {
		const json_t *function = json_object_get(one, "function");
		const char *text = json_cstr(function, "arguments", "");
		json_t *input = NULL;

		if (json_parse(text, strlen(text), &input, NULL) != 0)
			input = json_object();
		json_array_append_new(
		    content, json_pack("{s:s,s:O,s:O,s:o}", "type", "tool_use", "id",
				 json_object_get(one, "id"), "name",
				 json_object_get(function, "name"), "input", input));
	}
}

static json_t *messages_form_as_own(const json_t *answer)
{
	const json_t *choice = json_array_get(json_object_get(answer, "choices"), 0),
		     *message = json_object_get(choice, "message"),
		     *usage = json_object_get(answer, "usage");
	json_t *content = json_array();
	const char *thinking = json_cstr(message, "reasoning_content", NULL),
		   *text = json_cstr(message, "content", "");

	if (thinking)
		json_array_append_new(
		    content, json_pack("{s:s,s:s,s:s}", "type", "thinking", "thinking", thinking,
				 "signature", "demo-signature"));
	if (text[0])
		json_array_append_new(
		    content, json_pack("{s:s,s:s}", "type", "text", "text", text));
	messages_form_add_calls(content, message);
	return json_pack("{s:O,s:s,s:s,s:O,s:o,s:s,s:n,s:{s:I,s:I}}", "id",
	    json_object_get(answer, "id"), "type", "message", "role", "assistant", "model",
	    json_object_get(answer, "model"), "content", content, "stop_reason",
	    reason_of(json_str(choice, "finish_reason")), "stop_sequence", "usage", "input_tokens",
	    (json_int_t)json_int(usage, "prompt_tokens", 0), "output_tokens",
	    (json_int_t)json_int(usage, "completion_tokens", 0));
}

const struct demo_format demo_format_anthropic = {.transport = "anthropic",
    .path = "/v1/messages",
    .as_chat = messages_form_as_chat,
    .as_own = messages_form_as_own,
    .begin = messages_form_begin,
    .put = messages_form_put};
