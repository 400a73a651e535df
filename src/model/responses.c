/*
 * Responses of OpenAI (openai-openapi, createResponse), asked so that the server keeps nothing:
 * reasoning comes sealed and goes back before what followed it.
 */
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "base/json_writer.h"
#include "base/str.h"
#include "model/delta.h"
#include "model/dialect.h"
#include "model/error.h"
#include "model/shape.h"

/* Bytes of a message: the last one repeats the whole answer. What is parsed holds up the loop, so
 * not more than any answer there is. */
enum { RESPONSES_MAX_MESSAGE = 4 * 1024 * 1024 };

/* --- the question --- */

static void responses_put_text(struct json_writer *w, const char *role, struct str text)
{
	if (!text.n)
		return;
	json_write_object(w, NULL);
	json_write_cstr(w, "role", role);
	json_write_str(w, "content", text.p, text.n);
	json_write_end(w);
}

static void responses_put_call(struct json_writer *w, const struct item_part *part, const char *id)
{
	json_write_object(w, NULL);
	json_write_cstr(w, "type", "function_call");
	json_write_cstr(w, "call_id", id);
	json_write_cstr(w, "name", part->name);
	json_write_str(w, "arguments", part->text.p, part->text.len);
	json_write_end(w);
}

/* Does anything of the answer follow? Reasoning alone is refused. */
static bool responses_goes_on(const struct shape_message *m, size_t part)
{
	for (size_t i = part + 1; i < m->item->part_count; i++)
		if ((m->item->parts[i].kind == PART_TEXT && m->item->parts[i].text.len) ||
		    (m->item->parts[i].kind == PART_CALL && m->calls))
			return true;
	return false;
}

static void responses_put_reasoning(struct json_writer *w, const struct item_part *part)
{
	json_t *opaque = NULL;

	if (!part->opaque || json_parse(part->opaque, strlen(part->opaque), &opaque, NULL) != 0)
		return;
	if (json_is_object(opaque)) {
		json_object_set_new(opaque, "type", json_string("reasoning"));
		json_write_value(w, NULL, opaque);
	}
	json_decref(opaque);
}

static void responses_put_parts(struct json_writer *w, const struct shape_message *m)
{
	for (size_t i = 0; i < m->item->part_count; i++) {
		const struct item_part *part = &m->item->parts[i];

		if (part->kind == PART_TEXT)
			responses_put_text(
			    w, "assistant", (struct str){part->text.p, part->text.len});
		else if (part->kind == PART_REASONING && m->own && responses_goes_on(m, i))
			responses_put_reasoning(w, part);
		else if (part->kind == PART_CALL && m->calls)
			responses_put_call(w, part, shape_call_id(m, i));
	}
	responses_put_text(w, "assistant", str_trim(m->extra));
}

static void responses_put_message(void *data, const struct shape_message *m)
{
	struct json_writer *w = data;

	if (m->kind == ITEM_RESULT) {
		json_write_object(w, NULL);
		json_write_cstr(w, "type", "function_call_output");
		json_write_cstr(w, "call_id", m->result_id);
		json_write_str(w, "output", m->text.p, m->text.n);
		json_write_end(w);
	} else if (m->kind == ITEM_ASSISTANT && m->item) {
		responses_put_parts(w, m);
	} else {
		responses_put_text(w,
		    m->kind == ITEM_ASSISTANT ? "assistant"
		    : m->kind == ITEM_NOTE    ? "system"
					      : "user",
		    m->text);
	}
}

static void responses_put_tool(
    void *data, const char *name, const char *description, struct str parameters)
{
	struct json_writer *w = data;

	json_write_object(w, NULL);
	json_write_cstr(w, "type", "function");
	json_write_cstr(w, "name", name);
	json_write_cstr(w, "description", description);
	json_write_raw(w, "parameters", parameters.p, parameters.n);
	json_write_bool(w, "strict", false);
	json_write_end(w);
}

static void responses_put_tools(struct json_writer *w, const struct put *put)
{
	if (!put->tools || put->dropped & DROP_TOOLS)
		return;
	json_write_array(w, "tools");
	dialect_each_tool(put->tools, responses_put_tool, w);
	json_write_end(w);
	if (!(put->dropped & DROP_TOOL_CHOICE))
		json_write_cstr(w, "tool_choice", "auto");
}

static void responses_put_request(struct buf *out, const struct put *put)
{
	static const char *const dialects[] = {"responses", NULL};
	struct json_writer w = {.out = out};
	bool apart = !(put->dropped & DROP_SYSTEM);

	json_write_object(&w, NULL);
	json_write_cstr(&w, "model", put->model);
	json_write_bool(&w, "stream", true);
	json_write_bool(&w, "store", false);
	if (!(put->dropped & DROP_SEALS)) {
		json_write_array(&w, "include");
		json_write_cstr(&w, NULL, "reasoning.encrypted_content");
		json_write_end(&w);
	}
	if (put->system && apart)
		json_write_cstr(&w, "instructions", put->system);
	json_write_array(&w, "input");
	shape_walk(put,
	    &(struct shape_how){.dialects = dialects, .before = apart ? NULL : put->system},
	    responses_put_message, &w);
	json_write_end(&w);
	responses_put_tools(&w, put);
	if (put->max_tokens)
		json_write_uint(&w, "max_output_tokens", put->max_tokens);
	json_write_end(&w);
}

/* --- the answer --- */

/* Sealed reasoning; its id is of no use where nothing is stored. */
static void responses_take_seal(struct delta *d, const json_t *item)
{
	const char *sealed = json_cstr(item, "encrypted_content", NULL);
	const json_t *summary = json_object_get(item, "summary");
	struct buf text = {0};
	struct json_writer w = {.out = &text};

	if (!sealed)
		return;
	json_write_object(&w, NULL);
	if (json_is_array(summary)) {
		json_write_value(&w, "summary", summary);
	} else {
		json_write_array(&w, "summary");
		json_write_end(&w);
	}
	json_write_cstr(&w, "encrypted_content", sealed);
	json_write_end(&w);
	d->seal = delta_keep(d, &text);
}

static int responses_take_call(struct delta *d, const json_t *item, uint64_t index)
{
	if (d->tool_count == DELTA_MAX_CALLS)
		return ERR_SYNTAX;
	d->tools[d->tool_count++] = (struct delta_tool){.has_index = true,
	    .index = index,
	    .id = json_str(item, "call_id"),
	    .name = json_str(item, "name"),
	    .arguments = json_str(item, "arguments")};
	return 0;
}

static int responses_take_item(struct delta *d, const json_t *item, uint64_t index, bool whole)
{
	const char *type = json_cstr(item, "type", "");

	if (strcmp(type, "function_call") == 0)
		return responses_take_call(d, item, index);
	if (strcmp(type, "reasoning") == 0 && whole)
		responses_take_seal(d, item);
	return 0;
}

static void responses_take_usage(struct delta *d, const json_t *usage)
{
	int64_t prompt = json_int(usage, "input_tokens", 0),
		completion = json_int(usage, "output_tokens", 0);

	d->has_usage = prompt > 0 || completion > 0;
	d->prompt_tokens = prompt > 0 ? (uint64_t)prompt : 0;
	d->completion_tokens = completion > 0 ? (uint64_t)completion : 0;
}

/* It ended, well or not. */
static void responses_take_end(struct delta *d, const json_t *response)
{
	const char *status = json_cstr(response, "status", ""),
		   *why = json_cstr(json_object_get(response, "incomplete_details"), "reason", "");

	if (strcmp(status, "failed") == 0 || strcmp(status, "cancelled") == 0) {
		error_of(json_object_get(response, "error"), d->error, sizeof d->error,
		    &d->context_overflow);
		return;
	}
	d->done = true;
	snprintf(d->finish_reason, sizeof d->finish_reason, "%s",
	    strcmp(status, "incomplete") != 0	    ? "stop"
	    : strcmp(why, "max_output_tokens") == 0 ? "length"
						    : why);
	responses_take_usage(d, json_object_get(response, "usage"));
}

/* An answer that did not come as a stream. */
static int responses_take_whole(struct delta *d, const json_t *root)
{
	const json_t *item, *part;
	struct buf text = {0};
	size_t i, j;

	json_array_foreach (json_object_get(root, "output"), i, item) {
		if (responses_take_item(d, item, i, false) != 0) {
			buf_finish(&text);
			return ERR_SYNTAX;
		}
		json_array_foreach (json_object_get(item, "content"), j, part) {
			struct str one = json_str(part, "text");

			if (strcmp(json_cstr(item, "type", ""), "message") == 0)
				buf_add(&text, one.p, one.n);
		}
	}
	if (text.len)
		d->text = delta_keep(d, &text);
	responses_take_end(d, root);
	return 0;
}

static void responses_take_delta(struct delta *d, const json_t *root, const char *kind, uint64_t at)
{
	struct str delta = json_str(root, "delta");

	if (strcmp(kind, "output_text") == 0) {
		d->text = delta;
	} else if (strcmp(kind, "refusal") == 0) {
		d->text = delta;
		d->refused = true;
	} else if (strncmp(kind, "reasoning", 9) == 0) {
		d->thinking = delta;
	} else if (strcmp(kind, "function_call_arguments") == 0) {
		d->tools[d->tool_count++] =
		    (struct delta_tool){.has_index = true, .index = at, .arguments = delta};
	}
}

static int responses_take_root(struct delta *d, const json_t *root)
{
	static const char prefix[] = "response.";
	const char *type = json_cstr(root, "type", ""), *last;
	int64_t index = json_int(root, "output_index", 0);
	uint64_t at = index > 0 ? (uint64_t)index : 0;
	char kind[64];

	if (strcmp(json_cstr(root, "object", ""), "response") == 0)
		return responses_take_whole(d, root);
	if (strncmp(type, prefix, sizeof prefix - 1) != 0)
		return 0;
	type += sizeof prefix - 1;
	last = strrchr(type, '.');
	if (!last) {
		if (strcmp(type, "completed") == 0 || strcmp(type, "incomplete") == 0 ||
		    strcmp(type, "failed") == 0)
			responses_take_end(d, json_object_get(root, "response"));
		return 0;
	}
	snprintf(kind, sizeof kind, "%.*s", (int)(last - type), type);
	if (strcmp(kind, "output_item") == 0)
		return responses_take_item(
		    d, json_object_get(root, "item"), at, strcmp(last, ".done") == 0);
	if (strcmp(last, ".delta") == 0)
		responses_take_delta(d, root, kind, at);
	return 0;
}

static int responses_take(struct str event, const char *p, size_t n, struct delta *ret)
{
	return delta_parse_as(event, p, n, responses_take_root, ret);
}

const struct dialect dialect_responses = {.name = "responses",
    .path = "/v1/responses",
    .list = "/v1/models",
    .can_drop = DROP_TOOLS | DROP_TOOL_CHOICE | DROP_SYSTEM | DROP_SEALS,
    .framing = FRAMING_SSE,
    .max_message = RESPONSES_MAX_MESSAGE,
    .put_headers = dialect_put_bearer,
    .put_request = responses_put_request,
    .take = responses_take};
