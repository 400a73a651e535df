/* An answer as WebSocket messages: chat.token, chat.tool_call, chat.done, chat.error. */
#include "demo/format.h"

#include "base/json.h"
#include "demo/answer.h"
#include "demo/request.h"
#include "protocol/ws.h"

/* Payload of one frame under demo:split: odd, so that characters of 2 and 4 bytes are cut. */
enum { FRAGMENT = 5 };

/* Send the line in fragments (RFC 6455 5.4), which may end within a character. */
static void put_fragments(const struct buf *line, struct buf *out)
{
	static const unsigned char text = 1, more = 0, last = 0x80;

	for (size_t at = 0; at < line->len; at += FRAGMENT) {
		size_t n = line->len - at < FRAGMENT ? line->len - at : FRAGMENT;

		buf_addc(out, (char)((at ? more : text) | (at + n == line->len ? last : 0)));
		buf_addc(out, (char)n);
		buf_add(out, line->p + at, n);
	}
}

static void put_message(const struct demo_wire *w, struct buf *out)
{
	if (w->request->prompt.split)
		put_fragments(&w->line, out);
	else
		ws_put_text(w->ws, out, w->line.p, w->line.len);
}

/* {"type":type,"request_id":…, and what the caller adds. */
static void begin_message(struct demo_wire *w, const char *type)
{
	struct buf *line = &w->line;

	buf_adds(line, "{\"type\":\"");
	buf_adds(line, type);
	buf_adds(line, "\",\"request_id\":");
	json_put_cstr(line, w->id);
}

static void begin(struct demo_wire *w, struct buf *out)
{
	if (w->request->prompt.token_style) {
		buf_adds(&w->prefix, "{\"token\":");
		return;
	}
	begin_message(w, "chat.token");
	buf_add(&w->prefix, w->line.p, w->line.len);
	buf_adds(&w->prefix, ",\"content\":");
}

static void put_thinking(struct demo_wire *w, struct str text)
{
	if (w->request->prompt.token_style) {
		buf_addc(&w->line, '{');
	} else {
		begin_message(w, "chat.token");
		buf_addc(&w->line, ',');
	}
	buf_adds(&w->line, "\"reasoning_content\":");
	json_put_str(&w->line, text.p, text.n);
	buf_addc(&w->line, '}');
}

static void put_huge(struct demo_wire *w, size_t size)
{
	size_t around = w->prefix.len + strlen("\"\"}");

	buf_add(&w->line, w->prefix.p, w->prefix.len);
	buf_addc(&w->line, '"');
	demo_put_filler(size > around ? size - around : 1, &w->line);
	buf_adds(&w->line, "\"}");
}

static void put_call(struct demo_wire *w, const struct demo_step *step)
{
	struct buf *line = &w->line;

	begin_message(w, "chat.tool_call");
	buf_addf(line, ",\"tool_call\":{\"index\":%u", step->index);
	if (step->kind == DEMO_STEP_CALL) {
		buf_adds(line, ",\"id\":");
		demo_wire_put_call_id(w, step->index, line);
		buf_adds(line, ",\"name\":");
		json_put_str(line, step->text.p, step->text.n);
		buf_adds(line, ",\"arguments\":\"\"}}");
	} else {
		buf_adds(line, ",\"arguments\":");
		json_put_str(line, step->text.p, step->text.n);
		buf_adds(line, "}}");
	}
}

static void put_done(struct demo_wire *w, struct str reason)
{
	bool older = w->request->prompt.token_style, usage = !w->request->prompt.nousage;
	struct buf *line = &w->line;

	if (older)
		buf_adds(line, "{\"done\":true");
	else
		begin_message(w, "chat.done");
	buf_adds(line, ",\"finish_reason\":");
	json_put_str(line, reason.p, reason.n);
	if (older || usage)
		buf_adds(line, older ? ",\"stats\":" : ",\"usage\":");
	if (usage)
		demo_wire_put_usage(w, line);
	else if (older)
		buf_adds(line, "{}");
	buf_addc(line, '}');
}

static void put(struct demo_wire *w, const struct demo_step *step, struct buf *out)
{
	struct buf *line = &w->line;

	buf_clear(line);
	switch (step->kind) {
	case DEMO_STEP_TEXT:
		buf_add(line, w->prefix.p, w->prefix.len);
		json_put_str(line, step->text.p, step->text.n);
		buf_addc(line, '}');
		break;
	case DEMO_STEP_THINKING:
		put_thinking(w, step->text);
		break;
	case DEMO_STEP_HUGE:
		put_huge(w, step->size);
		break;
	case DEMO_STEP_BAD_UTF8:
		buf_add(line, w->prefix.p, w->prefix.len);
		buf_addc(line, '"');
		buf_add(line, step->text.p, step->text.n);
		buf_adds(line, "\"}");
		break;
	case DEMO_STEP_CALL:
	case DEMO_STEP_ARGUMENTS:
		put_call(w, step);
		break;
	case DEMO_STEP_GARBAGE:
		buf_adds(line, DEMO_GARBAGE);
		break;
	case DEMO_STEP_ERROR:
		begin_message(w, "chat.error");
		buf_adds(line, ",\"error\":\"" DEMO_ERROR "\"}");
		break;
	case DEMO_STEP_CLOSE:
		ws_put_close(w->ws, out, WS_CLOSE_NORMAL, "");
		return;
	case DEMO_STEP_DONE:
		put_done(w, step->text);
		break;
	case DEMO_STEP_HANG:
	case DEMO_STEP_DROP:
		return;
	}
	put_message(w, out);
}

const struct demo_format demo_format_ws = {.transport = "ws", .begin = begin, .put = put};
