/* Messages of a conversation. */
#include "protocol/message.h"

#include "base/buf.h"
#include "base/json.h"

void message_put_text(struct buf *out, const char *role, const char *text, size_t n)
{
	buf_addf(out, "{\"role\":\"%s\",\"content\":", role);
	json_put_str(out, text, n);
	buf_addc(out, '}');
}

void message_put_calls(
    struct buf *out, const char *text, size_t n, const struct message_call *calls, size_t count)
{
	buf_adds(out, "{\"role\":\"assistant\",\"content\":");
	if (n)
		json_put_str(out, text, n);
	else
		buf_adds(out, "null");
	buf_adds(out, ",\"tool_calls\":[");
	for (size_t i = 0; i < count; i++) {
		buf_adds(out, i ? ",{\"id\":" : "{\"id\":");
		json_put_cstr(out, calls[i].id);
		buf_adds(out, ",\"type\":\"function\",\"function\":{\"name\":");
		json_put_cstr(out, calls[i].name);
		buf_adds(out, ",\"arguments\":");
		json_put_cstr(out, calls[i].args);
		buf_adds(out, "}}");
	}
	buf_adds(out, "]}");
}

void message_put_result(struct buf *out, const char *call_id, const char *text, size_t n)
{
	buf_adds(out, "{\"role\":\"tool\",\"tool_call_id\":");
	json_put_cstr(out, call_id);
	buf_adds(out, ",\"content\":");
	json_put_str(out, text, n);
	buf_addc(out, '}');
}

void message_put(struct buf *out, json_t *message)
{
	struct buf rest = {0};

	/* Role first: prompt.c looks for it there when it cuts at turns. */
	buf_addf(out, "{\"role\":\"%s\"", json_cstr(message, "role", "user"));
	json_object_del(message, "role");
	json_put(&rest, message);
	if (rest.len > 2) {
		buf_addc(out, ',');
		buf_add(out, rest.p + 1, rest.len - 2);
	}
	buf_addc(out, '}');
	buf_finish(&rest);
}
