/* Opta LMX over its WebSocket: frames of JSON with a type. */
#include "base/buf.h"
#include "base/json.h"
#include "base/str.h"
#include "model/delta.h"
#include "model/dialect.h"

static void lmx_put_request(struct buf *out, const struct put *put)
{
	buf_adds(out, "{\"type\":\"chat.request\",\"request_id\":");
	json_put_cstr(out, put->request_id);
	buf_addc(out, ',');
	openai_chat_put_members(out, put);
	buf_addc(out, '}');
}

static void lmx_put_cancel(struct buf *out, const char *request_id)
{
	buf_adds(out, "{\"type\":\"chat.cancel\",\"request_id\":");
	json_put_cstr(out, request_id);
	buf_addc(out, '}');
}

static int lmx_take(struct str event, const char *p, size_t n, struct delta *ret)
{
	return delta_parse(p, n, ret);
}

const struct dialect dialect_lmx_ws = {.name = "lmx_ws",
    .path = "/v1/chat/stream",
    .list = "/v1/models",
    .can_drop = DROP_TOOLS | DROP_USAGE | DROP_MAX_TOKENS | DROP_TOOL_CHOICE | DROP_SYSTEM,
    .framing = FRAMING_WS,
    .max_message = DELTA_MAX_MESSAGE,
    .fallback = &dialect_openai_chat,
    .put_headers = dialect_put_bearer,
    .put_request = lmx_put_request,
    .put_cancel = lmx_put_cancel,
    .take = lmx_take};
