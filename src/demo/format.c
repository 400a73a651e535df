/* What the forms of an answer share. */
#include "demo/format.h"

#include "base/json.h"
#include "base/json_writer.h"
#include "demo/request.h"
#include "protocol/http.h"

void demo_wire_finish(struct demo_wire *w)
{
	free(w->id);
	free(w->model);
	buf_finish(&w->prefix);
	buf_finish(&w->line);
	buf_finish(&w->content);
	buf_finish(&w->thinking);
	buf_finish(&w->calls);
	buf_finish(&w->name);
	buf_finish(&w->items);
}

void demo_wire_put_head(const struct demo_wire *w, const char *type, struct buf *out)
{
	http_put_reply_head(out, &(struct http_reply){.status = 200,
				     .type = type,
				     .length = -1,
				     .chunked = w->chunked,
				     .close = !w->keep_alive});
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

void demo_wire_put_event(const struct demo_wire *w, const char *name, struct buf *out)
{
	bool crlf = w->request->prompt.crlf;
	struct str pieces[] = {
	    str_of(name ? "event: " : ""),
	    str_of(name ? name : ""),
	    str_of(!name  ? ""
		   : crlf ? "\r\n"
			  : "\n"),
	    str_of(crlf ? ": a comment\r\n\r\ndata: " : "data: "),
	    {w->line.p, w->line.len},
	    str_of(crlf ? "\r\n\r\n" : "\n\n"),
	};

	put_body(w, pieces, sizeof pieces / sizeof pieces[0], out);
}

void demo_wire_put_line(const struct demo_wire *w, struct buf *out)
{
	struct str pieces[] = {{w->line.p, w->line.len}, str_of("\n")};

	put_body(w, pieces, sizeof pieces / sizeof pieces[0], out);
}

void demo_wire_put_end(const struct demo_wire *w, struct buf *out)
{
	if (w->chunked)
		buf_adds(out, "0\r\n\r\n");
}

void demo_wire_put_usage(const struct demo_wire *w, struct buf *out)
{
	buf_adds(out, "{\"prompt_tokens\":");
	buf_addu(out, w->request->prompt_tokens);
	buf_adds(out, ",\"completion_tokens\":");
	buf_addu(out, w->sent);
	buf_adds(out, ",\"total_tokens\":");
	buf_addu(out, w->request->prompt_tokens + w->sent);
	buf_addc(out, '}');
}

void demo_wire_put_call_id(const struct demo_wire *w, unsigned index, struct buf *out)
{
	buf_adds(out, "\"call_");
	buf_addu(out, w->number);
	buf_addc(out, '_');
	buf_addu(out, index);
	buf_addc(out, '"');
}

void demo_write_text(struct json_writer *w, const char *key, struct str text, bool raw)
{
	struct buf quoted = {0};

	if (!raw) {
		json_write_str(w, key, text.p, text.n);
		return;
	}
	buf_addc(&quoted, '"');
	buf_add(&quoted, text.p, text.n);
	buf_addc(&quoted, '"');
	json_write_raw(w, key, quoted.p, quoted.len);
	buf_finish(&quoted);
}

void demo_put_error(const char *sentence, struct buf *out)
{
	buf_adds(out, "{\"error\":{\"message\":");
	json_put_cstr(out, sentence);
	buf_adds(out, "}}");
}

void demo_put_filler(size_t n, struct buf *out)
{
	memset(buf_reserve(out, n), 'x', n);
	out->len += n;
}
