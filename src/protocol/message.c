/* Messages of a conversation. */
#include "protocol/message.h"

#include "base/buf.h"
#include "base/json.h"
#include "base/json_writer.h"

void message_put_text(struct buf *out, const char *role, const char *text, size_t n)
{
	struct json_writer w = {.out = out};

	json_write_object(&w, NULL);
	json_write_cstr(&w, "role", role);
	json_write_str(&w, "content", text, n);
	json_write_end(&w);
}

static void message_put_call(struct json_writer *w, const struct message_call *call)
{
	json_write_object(w, NULL);
	json_write_cstr(w, "id", call->id);
	json_write_cstr(w, "type", "function");
	json_write_object(w, "function");
	json_write_cstr(w, "name", call->name);
	json_write_cstr(w, "arguments", call->args);
	json_write_end(w);
	json_write_end(w);
}

void message_put_calls(
    struct buf *out, const char *text, size_t n, const struct message_call *calls, size_t count)
{
	struct json_writer w = {.out = out};

	json_write_object(&w, NULL);
	json_write_cstr(&w, "role", "assistant");
	if (n)
		json_write_str(&w, "content", text, n);
	else
		json_write_null(&w, "content");
	json_write_array(&w, "tool_calls");
	for (size_t i = 0; i < count; i++)
		message_put_call(&w, &calls[i]);
	json_write_end(&w);
	json_write_end(&w);
}

void message_put_result(struct buf *out, const char *call_id, const char *text, size_t n)
{
	struct json_writer w = {.out = out};

	json_write_object(&w, NULL);
	json_write_cstr(&w, "role", "tool");
	json_write_cstr(&w, "tool_call_id", call_id);
	json_write_str(&w, "content", text, n);
	json_write_end(&w);
}

void message_put(struct buf *out, json_t *message)
{
	struct json_writer w = {.out = out};
	struct buf rest = {0};

	/* Role first: prompt.c looks for it there when it cuts at turns. */
	json_write_object(&w, NULL);
	json_write_cstr(&w, "role", json_cstr(message, "role", "user"));
	json_object_del(message, "role");
	json_put(&rest, message);
	json_write_members(&w, rest.p + 1, rest.len - 2);
	json_write_end(&w);
	buf_finish(&rest);
}
