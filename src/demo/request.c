/* A chat request, read from its JSON. */
#include "demo/request.h"

#include "base/err.h"
#include "base/mem.h"

/* Append a message's content: a string, or an array of parts with "text" in them. */
static void put_content(const json_t *message, struct buf *out)
{
	const json_t *content = json_object_get(message, "content"), *part;
	size_t i;

	if (json_is_string(content))
		buf_add(out, json_string_value(content), json_string_length(content));
	json_array_foreach (content, i, part) {
		struct str text = json_str(part, "text");

		buf_add(out, text.p, text.n);
	}
}

/* Is it how the daemon asks that a cut answer goes on? */
static bool is_go_on(const json_t *message)
{
	return str_starts(
	    json_str(message, "content"), "Go on exactly where your last message stopped");
}

/* How much of the answer was said before it was cut. */
static void put_said(const json_t *message, struct demo_request *r)
{
	struct buf text = {0};

	if (message)
		put_content(message, &text);
	r->said = text.len;
	buf_finish(&text);
}

/* Check the messages and take from them what is answered. */
static int take_messages(const json_t *messages, struct demo_request *r, struct err *reterr)
{
	const json_t *message, *last_user = NULL, *before = NULL, *said = NULL;
	const char *role = "";
	struct buf content = {0};
	uint64_t bytes = 0;
	size_t i;

	if (json_array_size(messages) == 0)
		return err_set(
		    reterr, ERR_SYNTAX, "messages must be an array with a message in it");
	json_array_foreach (messages, i, message) {
		role = json_cstr(message, "role", NULL);
		if (!role) {
			buf_finish(&content);
			return err_set(reterr, ERR_SYNTAX, "messages[%zu] has no role", i);
		}
		if (strcmp(role, "assistant") == 0)
			said = message;
		if (strcmp(role, "user") == 0 && is_go_on(message)) {
			put_said(said, r);
			last_user = before;
		} else if (strcmp(role, "user") == 0) {
			before = last_user = message;
			r->said = 0;
			r->tool_results = 0;
		}
		r->tool_results += strcmp(role, "tool") == 0;
		buf_clear(&content);
		put_content(message, &content);
		bytes += content.len;
	}
	r->prompt_tokens = (bytes + 3) / 4;
	r->after_tool = strcmp(role, "tool") == 0;
	if (r->after_tool)
		r->tool_said = content;
	else
		buf_finish(&content);
	if (last_user)
		put_content(last_user, &r->text);
	return 0;
}

static char *copy_text(const json_t *body, const char *key)
{
	const char *s = json_cstr(body, key, NULL);

	return s ? mem_strdup(s) : NULL;
}

int demo_request_parse(const json_t *body, struct demo_request *ret, struct err *reterr)
{
	struct demo_request r = {0};
	const json_t *tools = json_object_get(body, "tools");
	int rc;

	if (!json_is_object(body))
		return err_set(reterr, ERR_SYNTAX, "the request must be a JSON object");
	if (tools && !json_is_array(tools) && !json_is_null(tools))
		return err_set(reterr, ERR_SYNTAX, "tools must be an array");
	rc = take_messages(json_object_get(body, "messages"), &r, reterr);
	if (rc == 0)
		rc = demo_prompt_parse(r.text.p, r.text.len, &r.prompt, reterr);
	if (rc != 0) {
		demo_request_finish(&r);
		return rc;
	}
	r.stream = json_is_true(json_object_get(body, "stream"));
	r.tools = json_array_size(tools);
	r.id = copy_text(body, "request_id");
	r.model = copy_text(body, "model");
	*ret = r;
	return 0;
}

void demo_request_finish(struct demo_request *r)
{
	demo_prompt_finish(&r->prompt);
	buf_finish(&r->text);
	buf_finish(&r->tool_said);
	free(r->id);
	free(r->model);
	*r = (struct demo_request){0};
}
