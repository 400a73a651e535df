/* One answer as it comes. */
#include "model/answer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/json_writer.h"
#include "base/mem.h"
#include "base/str.h"
#include "model/delta.h"
#include "model/text.h"

static struct answer_part *last_part(const struct answer *a)
{
	return a->part_count ? &a->parts[a->part_count - 1] : NULL;
}

/* A new part, or NULL when there are too many. */
static struct answer_part *add_part(struct answer *a, enum answer_kind kind)
{
	if (a->part_count == ANSWER_MAX_PARTS)
		return NULL;
	if (!a->parts)
		a->parts = mem_alloc(ANSWER_MAX_PARTS * sizeof *a->parts);
	a->parts[a->part_count++] = (struct answer_part){.kind = kind,
	    .field = a->server_thinks ? a->thinking_name : NULL,
	    .tagged = !a->server_thinks};
	return last_part(a);
}

static void drop_seal(struct answer_part *part)
{
	free(part->opaque);
	part->opaque = NULL;
}

/* A piece of that kind came: it is of the last part, or begins another. */
static void note_part(struct answer *a, enum answer_kind kind)
{
	struct answer_part *last = last_part(a);

	if (!last || last->kind != kind || last->hidden || kind == ANSWER_CALL)
		add_part(a, kind);
	else
		/* The log has two thoughts in a row as one: the seal of the first is none of both.
		 */
		drop_seal(last);
}

static bool take_seal(struct answer *a, const struct delta *d)
{
	struct answer_part *last = last_part(a);

	if (!d->seal.n)
		return true;
	a->bytes += d->seal.n;
	if (a->bytes > ANSWER_MAX_BYTES)
		return false;
	if (d->seal_alone || !last || last->kind != ANSWER_THINKING || last->opaque) {
		last = add_part(a, ANSWER_THINKING);
		if (!last)
			return true;
		last->hidden = true;
		last->tagged = false;
	}
	last->opaque = mem_strndup(d->seal.p, d->seal.n);
	return true;
}

static void keep_tail(struct answer *a, const char *p, size_t n)
{
	size_t room = sizeof a->tail, old;

	if (n > room) {
		p += n - room;
		n = room;
	}
	old = a->tail_len > room - n ? room - n : a->tail_len;
	memmove(a->tail, a->tail + a->tail_len - old, old);
	memcpy(a->tail + old, p, n);
	a->tail_len = old + n;
}

static void tell_text(struct answer *a, const char *p, size_t n)
{
	if (!n)
		return;
	note_part(a, ANSWER_TEXT);
	a->texts += n;
	keep_tail(a, p, n);
	a->on_text(a->data, false, p, n);
}

/* How many bytes at the front of text repeat the end of what was told: the longest that fits. */
static size_t overlap(const struct answer *a, const struct buf *text)
{
	size_t most = text->len < a->tail_len ? text->len : a->tail_len;

	for (size_t n = most; n >= ANSWER_MIN_OVERLAP; n--)
		if (memcmp(a->tail + a->tail_len - n, text->p, n) == 0)
			return n;
	return 0;
}

static void end_joint(struct answer *a)
{
	struct buf joint = a->joint;
	size_t n;

	if (!a->joining)
		return;
	a->joining = false;
	a->joint = (struct buf){0};
	n = joint.len ? overlap(a, &joint) : 0;
	tell_text(a, joint.p + n, joint.len - n);
	buf_finish(&joint);
}

static void tell(void *data, bool thinking, const char *p, size_t n)
{
	struct answer *a = data;

	if (thinking) {
		note_part(a, ANSWER_THINKING);
		a->on_text(a->data, true, p, n);
		return;
	}
	if (!a->joining) {
		tell_text(a, p, n);
		return;
	}
	if (!a->joint.len)
		a->joint_us = clock_mono_us();
	buf_add(&a->joint, p, n);
	if (a->joint.len >= ANSWER_MAX_OVERLAP ||
	    clock_mono_us() - a->joint_us > ANSWER_JOIN_MS * 1000ULL)
		end_joint(a);
}

static void on_thought(void *data)
{
	struct answer *a = data;

	for (size_t i = 0; i < a->part_count; i++)
		if (a->parts[i].kind == ANSWER_TEXT)
			a->parts[i] = (struct answer_part){.kind = ANSWER_THINKING, .tagged = true};
	a->texts = 0;
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
	for (size_t i = 0; i < a->part_count; i++)
		drop_seal(&a->parts[i]);
	free(a->parts);
	buf_finish(&a->joint);
}

static bool take_calls(struct answer *a, const struct delta *d)
{
	for (size_t i = 0; i < d->tool_count; i++) {
		size_t before = a->assembly.count;

		if (!assembly_take(&a->assembly, &d->tools[i]))
			return false;
		a->bytes += d->tools[i].arguments.n + d->tools[i].id.n;
		if (a->assembly.count > before)
			note_part(a, ANSWER_CALL);
	}
	return true;
}

int answer_take(struct answer *a, const struct delta *d)
{
	struct model_text *text = a->text;

	a->bytes += d->text.n + d->thinking.n;
	if (!take_calls(a, d) || a->bytes > ANSWER_MAX_BYTES || ++a->deltas > ANSWER_MAX_DELTAS)
		return ERR_LIMIT;
	a->try_deltas += d->text.n || d->thinking.n || d->tool_count;
	if (d->text.n || d->thinking.n || d->seal.n || d->tool_count)
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
		/* Some tell the one at the beginning and the other at the end. */
		a->prompt_tokens = d->prompt_tokens ? d->prompt_tokens : a->prompt_tokens;
		a->completion_tokens =
		    d->completion_tokens ? d->completion_tokens : a->completion_tokens;
	}
	if (d->thinking_name)
		a->thinking_name = d->thinking_name;
	a->server_thinks |= d->thinking.n > 0;
	if (d->thinking.n)
		model_text_feed(text, true, d->thinking.p, d->thinking.n);
	if (!take_seal(a, d))
		return ERR_LIMIT;
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
	end_joint(a);
	for (size_t i = 0; i < a->marks.count; i++) {
		struct marks_call *c = &a->marks.calls[i];

		note_part(a, ANSWER_CALL);
		assembly_add_spoken(&a->assembly, (struct str){c->name.p, c->name.len},
		    (struct str){c->arguments.p, c->arguments.len});
	}
}

/* The calls that were half said are no parts of it, nor are thoughts that led to no word. */
static void drop_half_said(struct answer *a)
{
	size_t kept = 0;

	for (size_t i = 0; i < a->part_count; i++)
		if (a->parts[i].kind != ANSWER_CALL && a->texts)
			a->parts[kept++] = a->parts[i];
		else
			drop_seal(&a->parts[i]);
	a->part_count = kept;
}

void answer_cut(struct answer *a)
{
	a->cut_prompt_tokens = answer_prompt_tokens(a);
	a->cut_completion_tokens = answer_completion_tokens(a);
	a->has_usage = a->got_delta = a->got_finish = a->server_thinks = false;
	a->prompt_tokens = a->completion_tokens = 0;
	a->finish_reason[0] = a->request_id[0] = '\0';
	model_text_free(a->text);
	a->text = model_text_new(on_text, a);
	assembly_free(&a->assembly);
	drop_half_said(a);
	marks_finish(&a->marks);
	a->marks = (struct marks){
	    .on_text = tell, .on_thought = on_thought, .data = a, .told = a->texts > 0};
	end_joint(a);
	a->joining = a->texts > 0;
	a->try_deltas = 0;
}

uint64_t answer_prompt_tokens(const struct answer *a)
{
	return a->cut_prompt_tokens + a->prompt_tokens;
}

uint64_t answer_completion_tokens(const struct answer *a)
{
	return a->cut_completion_tokens + (a->has_usage ? a->completion_tokens : a->try_deltas);
}

/* Is it text, if any, and then calls? That needs no list. */
static bool is_plain(const struct answer *a)
{
	for (size_t i = 0; i < a->part_count; i++)
		if (a->parts[i].kind == ANSWER_THINKING ||
		    (a->parts[i].kind == ANSWER_TEXT && i > 0))
			return false;
	return true;
}

void answer_put_parts(const struct answer *a, struct buf *out)
{
	static const char *const kinds[] = {
	    [ANSWER_TEXT] = "text", [ANSWER_THINKING] = "reasoning", [ANSWER_CALL] = "call"};
	struct json_writer w = {.out = out};

	if (is_plain(a))
		return;
	json_write_array(&w, NULL);
	for (size_t i = 0; i < a->part_count; i++) {
		json_write_object(&w, NULL);
		json_write_cstr(&w, "kind", kinds[a->parts[i].kind]);
		if (a->parts[i].kind == ANSWER_THINKING && a->parts[i].field)
			json_write_cstr(&w, "field", a->parts[i].field);
		if (a->parts[i].kind == ANSWER_THINKING && a->parts[i].tagged)
			json_write_bool(&w, "tagged", true);
		if (a->parts[i].hidden)
			json_write_bool(&w, "hidden", true);
		if (a->parts[i].opaque)
			json_write_cstr(&w, "opaque", a->parts[i].opaque);
		json_write_end(&w);
	}
	json_write_end(&w);
}
