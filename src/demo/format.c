/* What the forms of an answer share. */
#include "demo/format.h"

#include "base/json.h"
#include "demo/request.h"

void demo_wire_finish(struct demo_wire *w)
{
	free(w->id);
	free(w->model);
	buf_finish(&w->prefix);
	buf_finish(&w->line);
	buf_finish(&w->content);
	buf_finish(&w->thinking);
	buf_finish(&w->calls);
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
