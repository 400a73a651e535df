/* An answer as Ollama gives it: lines of JSON, each call whole (its docs/api.md). */
#include "demo/format.h"

#include "base/json.h"
#include "base/json_writer.h"
#include "demo/answer.h"
#include "demo/request.h"

static void ollama_form_begin(struct demo_wire *w, struct buf *out)
{
	demo_wire_put_head(w, "application/x-ndjson", out);
}

/* What every line begins with. */
static void ollama_form_open_line(struct demo_wire *w, struct json_writer *j)
{
	buf_clear(&w->line);
	*j = (struct json_writer){.out = &w->line};
	json_write_object(j, NULL);
	json_write_cstr(j, "model", w->model);
	json_write_cstr(j, "created_at", "2026-01-01T00:00:00Z");
}

/* text goes between quotes as it is when it is raw. */
static void ollama_form_put_text(struct demo_wire *w, const char *field, struct str text, bool raw)
{
	struct json_writer j;

	ollama_form_open_line(w, &j);
	json_write_object(&j, "message");
	json_write_cstr(&j, "role", "assistant");
	demo_write_text(&j, field, text, raw);
	json_write_end(&j);
	json_write_bool(&j, "done", false);
	json_write_end(&j);
}

/* Arguments are an object; those of a prompt may be none. */
static void put_arguments(struct json_writer *j, const struct buf *arguments)
{
	json_t *value = NULL;

	if (json_parse(arguments->p, arguments->len, &value, NULL) == 0)
		json_write_raw(j, "arguments", arguments->p, arguments->len);
	else
		json_write_str(j, "arguments", arguments->p, arguments->len);
	json_decref(value);
}

static void ollama_form_end_call(struct demo_wire *w, struct buf *out)
{
	struct json_writer j;

	if (!w->in_call)
		return;
	w->in_call = false;
	ollama_form_open_line(w, &j);
	json_write_object(&j, "message");
	json_write_cstr(&j, "role", "assistant");
	json_write_cstr(&j, "content", "");
	json_write_array(&j, "tool_calls");
	json_write_object(&j, NULL);
	json_write_object(&j, "function");
	json_write_uint(&j, "index", w->call);
	json_write_str(&j, "name", w->name.p, w->name.len);
	put_arguments(&j, &w->calls);
	json_write_end(&j);
	json_write_end(&j);
	json_write_end(&j);
	json_write_end(&j);
	json_write_bool(&j, "done", false);
	json_write_end(&j);
	demo_wire_put_line(w, out);
}

static void ollama_form_begin_call(struct demo_wire *w, const struct demo_step *step)
{
	buf_clear(&w->name);
	buf_clear(&w->calls);
	buf_add(&w->name, step->text.p, step->text.n);
	w->call = step->index;
	w->in_call = true;
}

static void ollama_form_put_done(struct demo_wire *w, struct str reason)
{
	struct json_writer j;

	ollama_form_open_line(w, &j);
	json_write_object(&j, "message");
	json_write_cstr(&j, "role", "assistant");
	json_write_cstr(&j, "content", "");
	json_write_end(&j);
	if (str_eq(reason, "tool_calls"))
		reason = str_of("stop");
	json_write_str(&j, "done_reason", reason.p, reason.n);
	json_write_bool(&j, "done", true);
	if (!w->request->prompt.nousage) {
		json_write_uint(&j, "prompt_eval_count", w->request->prompt_tokens);
		json_write_uint(&j, "eval_count", w->sent);
	}
	json_write_end(&j);
}

static void ollama_form_put(struct demo_wire *w, const struct demo_step *step, struct buf *out)
{
	struct buf filler = {0};

	if (step->kind != DEMO_STEP_ARGUMENTS)
		ollama_form_end_call(w, out);
	buf_clear(&w->line);
	switch (step->kind) {
	case DEMO_STEP_TEXT:
		ollama_form_put_text(w, "content", step->text, false);
		break;
	case DEMO_STEP_THINKING:
		ollama_form_put_text(w, "thinking", step->text, false);
		break;
	case DEMO_STEP_HUGE:
		demo_put_filler(step->size, &filler);
		ollama_form_put_text(w, "content", (struct str){filler.p, filler.len}, true);
		buf_finish(&filler);
		break;
	case DEMO_STEP_BAD_UTF8:
		ollama_form_put_text(w, "content", step->text, true);
		break;
	case DEMO_STEP_CALL:
		ollama_form_begin_call(w, step);
		return;
	case DEMO_STEP_ARGUMENTS:
		buf_add(&w->calls, step->text.p, step->text.n);
		return;
	case DEMO_STEP_GARBAGE:
		buf_adds(&w->line, DEMO_GARBAGE);
		break;
	case DEMO_STEP_ERROR:
		buf_adds(&w->line, "{\"error\":\"" DEMO_ERROR "\"}");
		break;
	case DEMO_STEP_DONE:
		ollama_form_put_done(w, step->text);
		break;
	case DEMO_STEP_CLOSE:
	case DEMO_STEP_HANG:
	case DEMO_STEP_DROP:
		break;
	}
	if (w->line.len)
		demo_wire_put_line(w, out);
	if (step->kind >= DEMO_STEP_ERROR)
		demo_wire_put_end(w, out);
}

/* It streams unless told not to. Its messages are read like those of the chat API. */
static json_t *ollama_form_as_chat(const json_t *request)
{
	json_t *chat = json_copy((json_t *)(uintptr_t)request);

	if (json_is_object(chat) && !json_object_get(chat, "stream"))
		json_object_set_new(chat, "stream", json_true());
	return chat;
}

static json_t *ollama_form_as_own(const json_t *answer)
{
	const json_t *choice = json_array_get(json_object_get(answer, "choices"), 0),
		     *usage = json_object_get(answer, "usage"), *one;
	json_t *message = json_deep_copy(json_object_get(choice, "message"));
	size_t i;

	if (json_object_get(message, "reasoning_content"))
		json_object_set(message, "thinking", json_object_get(message, "reasoning_content"));
	json_object_del(message, "reasoning_content");
	json_array_foreach (json_object_get(message, "tool_calls"), i, one) {
		json_t *function = json_object_get(one, "function"), *args = NULL;
		const char *text = json_cstr(function, "arguments", "");

		if (json_parse(text, strlen(text), &args, NULL) == 0)
			json_object_set_new(function, "arguments", args);
	}
	return json_pack("{s:O,s:s,s:o,s:b,s:s,s:I,s:I}", "model", json_object_get(answer, "model"),
	    "created_at", "2026-01-01T00:00:00Z", "message", message, "done", 1, "done_reason",
	    "stop", "prompt_eval_count", (json_int_t)json_int(usage, "prompt_tokens", 0),
	    "eval_count", (json_int_t)json_int(usage, "completion_tokens", 0));
}

const struct demo_format demo_format_ollama = {.transport = "ollama",
    .path = "/api/chat",
    .as_chat = ollama_form_as_chat,
    .as_own = ollama_form_as_own,
    .begin = ollama_form_begin,
    .put = ollama_form_put};
