/* An answer as server-sent events in chunks: chat.completion.chunk, then [DONE]. */
#include "demo/format.h"

#include "base/json.h"
#include "demo/answer.h"
#include "demo/request.h"
#include "protocol/http.h"

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
	struct http_reply head = {.status = 200,
	    .type = "text/event-stream",
	    .length = -1,
	    .chunked = w->chunked,
	    .close = !w->keep_alive};

	http_put_reply_head(out, &head);
	put_chunk_head(w, &w->prefix);
	buf_adds(&w->prefix, "{\"index\":0,\"delta\":{");
}

/* Append pieces of body as one chunk, or bare for HTTP/1.0. */
static void put_body(
    const struct demo_wire *w, const struct str *pieces, size_t count, struct buf *out)
{
	size_t n = 0;

	for (size_t i = 0; i < count; i++)
		n += pieces[i].n;
	if (w->chunked)
		buf_addf(out, "%zx\r\n", n);
	for (size_t i = 0; i < count; i++)
		buf_add(out, pieces[i].p, pieces[i].n);
	if (w->chunked)
		buf_adds(out, "\r\n");
}

/* Append the line as one event. */
static void put_event(const struct demo_wire *w, struct buf *out)
{
	bool crlf = w->request->prompt.crlf;
	struct str pieces[] = {
	    str_of(crlf ? ": a comment\r\n\r\ndata: " : "data: "),
	    {w->line.p, w->line.len},
	    str_of(crlf ? "\r\n\r\n" : "\n\n"),
	};

	put_body(w, pieces, sizeof pieces / sizeof pieces[0], out);
}

/* The body is over: the empty chunk. */
static void put_end(const struct demo_wire *w, struct buf *out)
{
	if (w->chunked)
		buf_adds(out, "0\r\n\r\n");
}

static void put_text(struct demo_wire *w, const char *field, struct str text)
{
	buf_add(&w->line, w->prefix.p, w->prefix.len);
	buf_adds(&w->line, field);
	json_put_str(&w->line, text.p, text.n);
	buf_add(&w->line, delta_end, sizeof delta_end - 1);
}

static void put_call(struct demo_wire *w, const struct demo_step *step)
{
	struct buf *line = &w->line;

	buf_add(line, w->prefix.p, w->prefix.len);
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
	size_t around = strlen("data: ") + w->prefix.len + strlen(before) + 1 + strlen(delta_end);

	buf_add(&w->line, w->prefix.p, w->prefix.len);
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
	put_event(w, out);
	if (!w->request->prompt.nousage) {
		buf_clear(line);
		put_chunk_head(w, line);
		buf_adds(line, "],\"usage\":");
		demo_wire_put_usage(w, line);
		buf_addc(line, '}');
		put_event(w, out);
	}
	buf_clear(line);
	buf_adds(line, "[DONE]");
	put_event(w, out);
	put_end(w, out);
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
		put_event(w, out);
		put_end(w, out);
		return;
	case DEMO_STEP_CLOSE:
		put_end(w, out);
		return;
	case DEMO_STEP_DONE:
		put_done(w, step->text, out);
		return;
	case DEMO_STEP_HANG:
	case DEMO_STEP_DROP:
		return;
	}
	put_event(w, out);
}

const struct demo_format demo_format_sse = {.transport = "sse", .begin = begin, .put = put};
