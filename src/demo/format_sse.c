/* An answer as server-sent events in chunks: chat.completion.chunk, then [DONE]. */
#include "demo/format.h"

#include "base/json.h"
#include "demo/answer.h"
#include "demo/request.h"

static const char delta_end[] = "},\"finish_reason\":null}]}";

/* Everything of a chunk that comes before its choices. */
static void put_chunk_head(const struct demo_wire *w, struct buf *out)
{
	buf_adds(out, "{\"id\":");
	json_put_cstr(out, w->id);
	buf_adds(out, ",\"object\":\"chat.completion.chunk\",\"created\":");
	buf_addu(out, (uint64_t)w->created);
	buf_adds(out, ",\"model\":");
	json_put_cstr(out, w->model);
	buf_adds(out, ",\"choices\":[");
}

static void begin(struct demo_wire *w, struct buf *out)
{
	demo_wire_put_head(w, "text/event-stream", out);
	put_chunk_head(w, &w->prefix);
	buf_adds(&w->prefix, "{\"index\":0,\"delta\":{");
}

/* A delta begins; the first says who speaks. */
static void open_delta(struct demo_wire *w)
{
	buf_add(&w->line, w->prefix.p, w->prefix.len);
	if (!w->sequence++)
		buf_adds(&w->line, "\"role\":\"assistant\",");
}

static void put_text(struct demo_wire *w, const char *field, struct str text)
{
	open_delta(w);
	buf_adds(&w->line, field);
	json_put_str(&w->line, text.p, text.n);
	buf_add(&w->line, delta_end, sizeof delta_end - 1);
}

static void put_call(struct demo_wire *w, const struct demo_step *step)
{
	struct buf *line = &w->line;

	open_delta(w);
	buf_addf(line, "\"tool_calls\":[{\"index\":%u", step->index);
	if (step->kind == DEMO_STEP_CALL) {
		buf_adds(line, ",\"id\":");
		demo_wire_put_call_id(w, step->index, line);
		buf_adds(line, ",\"type\":\"function\",\"function\":{\"name\":");
		json_put_str(line, step->text.p, step->text.n);
		buf_adds(line, ",\"arguments\":\"\"}}]");
	} else {
		buf_adds(line, ",\"function\":{\"arguments\":");
		json_put_str(line, step->text.p, step->text.n);
		buf_adds(line, "}}]");
	}
	buf_add(line, delta_end, sizeof delta_end - 1);
}

/* text is put between the quotes as it is. size: of the whole line, or 0. */
static void put_raw_text(struct demo_wire *w, struct str text, size_t size)
{
	static const char before[] = "\"content\":\"";
	size_t around;

	open_delta(w);
	around = strlen("data: ") + w->line.len + strlen(before) + 1 + strlen(delta_end);
	buf_adds(&w->line, before);
	buf_add(&w->line, text.p, text.n);
	if (size)
		demo_put_filler(size > around ? size - around : 1, &w->line);
	buf_addc(&w->line, '"');
	buf_add(&w->line, delta_end, sizeof delta_end - 1);
}

/* The finish reason, the usage, [DONE]: three events. */
static void put_done(struct demo_wire *w, struct str reason, struct buf *out)
{
	struct buf *line = &w->line;

	buf_add(line, w->prefix.p, w->prefix.len);
	buf_adds(line, "},\"finish_reason\":");
	json_put_str(line, reason.p, reason.n);
	buf_adds(line, "}]}");
	demo_wire_put_event(w, NULL, out);
	if (!w->request->prompt.nousage) {
		buf_clear(line);
		put_chunk_head(w, line);
		buf_adds(line, "],\"usage\":");
		demo_wire_put_usage(w, line);
		buf_addc(line, '}');
		demo_wire_put_event(w, NULL, out);
	}
	buf_clear(line);
	buf_adds(line, "[DONE]");
	demo_wire_put_event(w, NULL, out);
	demo_wire_put_end(w, out);
}

static void put(struct demo_wire *w, const struct demo_step *step, struct buf *out)
{
	static const struct str nothing;

	buf_clear(&w->line);
	switch (step->kind) {
	case DEMO_STEP_TEXT:
		put_text(w, "\"content\":", step->text);
		break;
	case DEMO_STEP_THINKING:
		put_text(w, "\"reasoning_content\":", step->text);
		break;
	case DEMO_STEP_HUGE:
		put_raw_text(w, nothing, step->size);
		break;
	case DEMO_STEP_BAD_UTF8:
		put_raw_text(w, step->text, 0);
		break;
	case DEMO_STEP_CALL:
	case DEMO_STEP_ARGUMENTS:
		put_call(w, step);
		break;
	case DEMO_STEP_GARBAGE:
		buf_adds(&w->line, DEMO_GARBAGE);
		break;
	case DEMO_STEP_ERROR:
		demo_put_error(DEMO_ERROR, &w->line);
		demo_wire_put_event(w, NULL, out);
		demo_wire_put_end(w, out);
		return;
	case DEMO_STEP_CLOSE:
		demo_wire_put_end(w, out);
		return;
	case DEMO_STEP_DONE:
		put_done(w, step->text, out);
		return;
	case DEMO_STEP_HANG:
	case DEMO_STEP_DROP:
		return;
	}
	demo_wire_put_event(w, NULL, out);
}

const struct demo_format demo_format_sse = {
    .transport = "sse", .path = "/v1/chat/completions", .begin = begin, .put = put};
