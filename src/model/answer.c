/* One answer as it comes. */
#include "model/answer.h"

#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/json_writer.h"
#include "base/str.h"
#include "model/delta.h"
#include "model/text.h"

static void note_part(struct answer *a, enum answer_kind kind)
{
	static const char *const kinds[] = {
	    [ANSWER_TEXT] = "text", [ANSWER_THINKING] = "reasoning", [ANSWER_CALLS] = "call"};
	struct json_writer w = {.out = &a->parts};

	if (a->last == kind && kind != ANSWER_CALLS)
		return;
	buf_addc(&a->parts, a->parts.len ? ',' : '[');
	json_write_object(&w, NULL);
	json_write_cstr(&w, "kind", kinds[kind]);
	if (kind == ANSWER_THINKING && a->server_thinks && a->thinking_name)
		json_write_cstr(&w, "field", a->thinking_name);
	if (kind == ANSWER_THINKING && !a->server_thinks)
		json_write_bool(&w, "tagged", true);
	json_write_end(&w);
	a->last = kind;
}

static void tell(void *data, bool thinking, const char *p, size_t n)
{
	struct answer *a = data;

	note_part(a, thinking ? ANSWER_THINKING : ANSWER_TEXT);
	if (!thinking)
		a->texts += n;
	a->on_text(a->data, thinking, p, n);
}

static void on_thought(void *data)
{
	static const char was[] = "{\"kind\":\"text\"}",
			  is[] = "{\"kind\":\"reasoning\",\"tagged\":true}";
	struct answer *a = data;
	struct buf parts = {0};
	const char *at;

	while (a->parts.len && (at = memmem(a->parts.p, a->parts.len, was, sizeof was - 1))) {
		buf_add(&parts, a->parts.p, (size_t)(at - a->parts.p));
		buf_adds(&parts, is);
		buf_consume(&a->parts, (size_t)(at - a->parts.p) + sizeof was - 1);
	}
	buf_add(&parts, a->parts.p, a->parts.len);
	buf_finish(&a->parts);
	a->parts = parts;
	a->texts = 0;
	a->last = ANSWER_THINKING;
	a->on_thought(a->data);
}

static void on_text(void *data, bool thinking, const char *p, size_t n)
{
	struct answer *a = data;

	if (thinking)
		tell(a, true, p, n);
	else
		marks_feed(&a->marks, p, n);
}

void answer_init(struct answer *a,
    void (*on_text_cb)(void *data, bool thinking, const char *p, size_t n),
    void (*on_thought_cb)(void *data), void *data)
{
	*a = (struct answer){.on_text = on_text_cb, .on_thought = on_thought_cb, .data = data};
	a->text = model_text_new(on_text, a);
	a->marks = (struct marks){.on_text = tell, .on_thought = on_thought, .data = a};
}

void answer_free(struct answer *a)
{
	model_text_free(a->text);
	marks_finish(&a->marks);
	assembly_free(&a->assembly);
	buf_finish(&a->parts);
}

static bool take_calls(struct answer *a, const struct delta *d)
{
	for (size_t i = 0; i < d->tool_count; i++) {
		size_t before = a->assembly.count;

		if (!assembly_take(&a->assembly, &d->tools[i]))
			return false;
		a->bytes += d->tools[i].arguments.n + d->tools[i].id.n;
		if (a->assembly.count > before)
			note_part(a, ANSWER_CALLS);
	}
	return true;
}

int answer_take(struct answer *a, const struct delta *d)
{
	struct model_text *text = a->text;

	a->bytes += d->text.n + d->thinking.n;
	if (!take_calls(a, d) || a->bytes > ANSWER_MAX_BYTES || ++a->deltas > ANSWER_MAX_DELTAS)
		return ERR_LIMIT;
	if (d->text.n || d->thinking.n || d->tool_count)
		a->got_delta = true;
	a->refused |= d->refused;
	if (d->request_id[0] && strcmp(d->request_id, a->request_id) != 0)
		snprintf(a->request_id, sizeof a->request_id, "%s", d->request_id);
	if (d->finish_reason[0]) {
		snprintf(a->finish_reason, sizeof a->finish_reason, "%s", d->finish_reason);
		a->got_finish = true;
	}
	if (d->has_usage) {
		a->has_usage = true;
		a->prompt_tokens = d->prompt_tokens;
		a->completion_tokens = d->completion_tokens;
	}
	if (d->thinking_name)
		a->thinking_name = d->thinking_name;
	a->server_thinks |= d->thinking.n > 0;
	if (d->thinking.n)
		model_text_feed(text, true, d->thinking.p, d->thinking.n);
	if (d->text.n)
		model_text_feed(text, false, d->text.p, d->text.n);
	return 0;
}

static bool none_is(void *data, const char *name)
{
	return false;
}

void answer_end(struct answer *a, bool (*offered)(void *data, const char *name))
{
	if (a->assembly.finished)
		return;
	model_text_end(a->text);
	assembly_finish(&a->assembly);
	/* Who sends calls as calls means the other thing when it writes of one. */
	marks_end(&a->marks, a->assembly.count ? none_is : offered, a->data);
	for (size_t i = 0; i < a->marks.count; i++) {
		struct marks_call *c = &a->marks.calls[i];

		note_part(a, ANSWER_CALLS);
		assembly_add_spoken(&a->assembly, (struct str){c->name.p, c->name.len},
		    (struct str){c->arguments.p, c->arguments.len});
	}
}

void answer_put_parts(const struct answer *a, struct buf *out)
{
	static const char plain[] = "[{\"kind\":\"text\"},{\"kind\":\"call\"}";

	if (!a->parts.len ||
	    (a->parts.len <= sizeof plain - 1 && memcmp(a->parts.p, plain, a->parts.len) == 0))
		return;
	buf_add(out, a->parts.p, a->parts.len);
	buf_addc(out, ']');
}
