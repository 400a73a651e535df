/* An answer as one JSON body ("stream": false): collected, sent at the end. */
#include "demo/format.h"

#include "base/json.h"
#include "demo/answer.h"
#include "demo/request.h"
#include "protocol/http.h"

static void begin(struct demo_wire *w, struct buf *out)
{
}

/* Append text as the inside of a JSON string, without the quotes. */
static void put_inside(struct buf *b, struct str text)
{
	size_t at = b->len;

	json_put_str(b, text.p, text.n);
	b->len -= 2;
	memmove(b->p + at, b->p + at + 1, b->len - at);
}

static void end_call(struct demo_wire *w)
{
	if (w->in_call)
		buf_adds(&w->calls, "\"}}");
	w->in_call = false;
}

static void begin_call(struct demo_wire *w, const struct demo_step *step)
{
	struct buf *calls = &w->calls;

	end_call(w);
	buf_adds(calls, calls->len ? ",{\"id\":" : "{\"id\":");
	demo_wire_put_call_id(w, step->index, calls);
	buf_adds(calls, ",\"type\":\"function\",\"function\":{\"name\":");
	json_put_str(calls, step->text.p, step->text.n);
	buf_adds(calls, ",\"arguments\":\"");
	w->in_call = true;
}

/* Append a field of the message from what was collected. */
static void put_field(
    struct buf *body, const char *before, const struct buf *inside, const char *after)
{
	if (!inside->len)
		return;
	buf_adds(body, before);
	buf_add(body, inside->p, inside->len);
	buf_adds(body, after);
}

static void compose_done(struct demo_wire *w, struct str reason)
{
	struct buf *body = &w->line;

	end_call(w);
	buf_adds(body, "{\"id\":");
	json_put_cstr(body, w->id);
	buf_adds(body, ",\"object\":\"chat.completion\",\"created\":");
	buf_addu(body, (uint64_t)w->created);
	buf_adds(body, ",\"model\":");
	json_put_cstr(body, w->model);
	buf_adds(
	    body, ",\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":");
	buf_addc(body, '"');
	buf_add(body, w->content.p, w->content.len);
	buf_addc(body, '"');
	put_field(body, ",\"reasoning_content\":\"", &w->thinking, "\"");
	put_field(body, ",\"tool_calls\":[", &w->calls, "]");
	buf_adds(body, "},\"finish_reason\":");
	json_put_str(body, reason.p, reason.n);
	buf_adds(body, "}]");
	if (!w->request->prompt.nousage) {
		buf_adds(body, ",\"usage\":");
		demo_wire_put_usage(w, body);
	}
	buf_addc(body, '}');
}

/* The answer in the words of another dialect. */
static void translate(struct demo_wire *w)
{
	json_t *chat = NULL, *own;

	if (json_parse(w->line.p, w->line.len, &chat, NULL) != 0)
		return;
	own = w->as_own(chat);
	buf_clear(&w->line);
	json_put(&w->line, own);
	json_decref(own);
	json_decref(chat);
}

/* Send the line as the whole answer. */
static void put_reply(struct demo_wire *w, int status, struct buf *out)
{
	struct http_reply head = {
	    .status = status, .type = "application/json", .close = !w->keep_alive};

	if (w->garbage) {
		buf_clear(&w->line);
		buf_adds(&w->line, DEMO_GARBAGE);
	}
	head.length = (int64_t)w->line.len;
	http_put_reply_head(out, &head);
	buf_add(out, w->line.p, w->line.len);
}

static void put(struct demo_wire *w, const struct demo_step *step, struct buf *out)
{
	switch (step->kind) {
	case DEMO_STEP_TEXT:
		put_inside(&w->content, step->text);
		break;
	case DEMO_STEP_THINKING:
		put_inside(&w->thinking, step->text);
		break;
	case DEMO_STEP_HUGE:
		demo_put_filler(step->size, &w->content);
		break;
	case DEMO_STEP_BAD_UTF8:
		buf_add(&w->content, step->text.p, step->text.n);
		break;
	case DEMO_STEP_CALL:
		begin_call(w, step);
		break;
	case DEMO_STEP_ARGUMENTS:
		put_inside(&w->calls, step->text);
		break;
	case DEMO_STEP_GARBAGE:
		w->garbage = true;
		break;
	case DEMO_STEP_ERROR:
		demo_put_error(DEMO_ERROR, &w->line);
		put_reply(w, 500, out);
		break;
	case DEMO_STEP_CLOSE:
		put_reply(w, 200, out);
		break;
	case DEMO_STEP_DONE:
		compose_done(w, step->text);
		if (w->as_own)
			translate(w);
		put_reply(w, 200, out);
		break;
	case DEMO_STEP_HANG:
	case DEMO_STEP_DROP:
		break;
	}
}

/* To the log both HTTP forms are the same transport. */
const struct demo_format demo_format_json = {.transport = "sse", .begin = begin, .put = put};
