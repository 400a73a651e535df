/*
 * The fold. Every change is noted until it is durable, with what it takes to undo it: the log may
 * lose its end (a full disk), and the history must not say what no log says.
 */
#include "session/history.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/mem.h"
#include "protocol/item.h"

static const char history_not_run[] = "not run: the turn ended first";
static const char history_unknown[] =
    "the daemon ended before this call did: nothing is known of it";

enum { HISTORY_NONE = -1 };

struct history_entry {
	struct item item;
	bool dropped; /* an answer that was only thought: it is in the log alone */
	/* Of a result: */
	bool open, started;
	char *answer; /* owned: a person's, before the end came; NULL: none */
};

/* A turn that waits. */
struct history_queued {
	uint64_t seq, started; /* of turn.queued; of turn.start, 0: waits */
	char *turn_id;	       /* owned */
	struct item item;      /* the user's; empty while the turn runs */
};

/* Where the fold stands. */
struct history_place {
	int answer;    /* the entry that is being said, or HISTORY_NONE */
	bool gathered; /* it has calls whose list never came: an older log */
	int turn;      /* the running one, in queued, or HISTORY_NONE */
	size_t first;  /* its first entry */
};

enum history_change {
	CHANGE_QUEUED, /* a turn waits */
	CHANGE_ENTRY,  /* an entry was added */
	CHANGE_PART,   /* a part was added to the answer */
	CHANGE_TEXT,   /* the answer's last part grew; `was` was its length */
	CHANGE_CALLS,  /* the answer got its list of calls */
	CHANGE_STARTED,
	CHANGE_RESULT,	/* an open result was filled */
	CHANGE_SAID,	/* a person's answer to an open call */
	CHANGE_MARKED,	/* the answer is an interrupted one */
	CHANGE_THOUGHT, /* its texts became thoughts; `was` has a bit for each part that did */
	CHANGE_DROPPED, /* the answer was only thought */
	CHANGE_PLACE,	/* nothing else */
};

struct history_undo {
	uint64_t seq;
	enum history_change change;
	int entry;
	size_t was;
	struct history_place place; /* before */
};

struct history {
	struct history_entry *entries; /* owned */
	size_t count, room, dropped;   /* dropped: how many of them are */
	struct history_queued *queued; /* owned */
	size_t queued_count;
	struct history_place place;
	struct history_undo *undo; /* owned; the first `settled` are durable */
	size_t undo_count, undo_room, undo_settled;
	struct item *copies; /* owned: answers before their calls were listed, for CHANGE_CALLS */
	size_t copy_count;
	uint64_t seq; /* of the event that is being taken */
};

/* --- life --- */

struct history *history_new(void)
{
	struct history *h = mem_zalloc(1, sizeof *h);

	h->place = (struct history_place){.answer = HISTORY_NONE, .turn = HISTORY_NONE};
	return h;
}

static void history_entry_finish(struct history_entry *e)
{
	item_finish(&e->item);
	free(e->answer);
}

static void history_drop_copies(struct history *h)
{
	while (h->copy_count)
		item_finish(&h->copies[--h->copy_count]);
}

void history_free(struct history *h)
{
	if (!h)
		return;
	for (size_t i = 0; i < h->count; i++)
		history_entry_finish(&h->entries[i]);
	for (size_t i = 0; i < h->queued_count; i++) {
		free(h->queued[i].turn_id);
		item_finish(&h->queued[i].item);
	}
	history_drop_copies(h);
	free(h->copies);
	free(h->entries);
	free(h->queued);
	free(h->undo);
	free(h);
}

/* --- changes --- */

static void history_note(struct history *h, enum history_change change, int entry, size_t was)
{
	if (h->undo_count == h->undo_room) {
		h->undo_room = h->undo_room ? h->undo_room * 2 : 64;
		h->undo = mem_realloc(h->undo, h->undo_room * sizeof *h->undo);
	}
	h->undo[h->undo_count++] = (struct history_undo){h->seq, change, entry, was, h->place};
}

static struct item *history_add(struct history *h, enum item_kind kind)
{
	struct history_entry *e;

	history_note(h, CHANGE_ENTRY, (int)h->count, 0);
	if (h->count == h->room) {
		h->room = h->room ? h->room * 2 : 16;
		h->entries = mem_realloc(h->entries, h->room * sizeof *h->entries);
	}
	e = &h->entries[h->count++];
	*e = (struct history_entry){.item = {.kind = kind, .seq = h->seq}};
	return &e->item;
}

static struct item *history_answer(struct history *h)
{
	if (h->place.answer == HISTORY_NONE) {
		history_add(h, ITEM_ASSISTANT);
		h->place.answer = (int)h->count - 1;
		h->place.gathered = false;
	}
	return &h->entries[h->place.answer].item;
}

static bool history_says_something(const struct item *item)
{
	for (size_t i = 0; i < item->part_count; i++)
		if (item->parts[i].kind != PART_REASONING)
			return true;
	return false;
}

/* What was thought and led to no answer stays in the log alone. */
static void history_drop_thoughts(struct history *h)
{
	struct history_entry *e =
	    h->place.answer == HISTORY_NONE ? NULL : &h->entries[h->place.answer];

	if (!e || history_says_something(&e->item))
		return;
	history_note(h, CHANGE_DROPPED, h->place.answer, 0);
	e->dropped = true;
	h->dropped++;
	h->place.answer = HISTORY_NONE;
}

static void history_close_answer(struct history *h)
{
	history_drop_thoughts(h);
	if (h->place.answer == HISTORY_NONE)
		return;
	history_note(h, CHANGE_PLACE, HISTORY_NONE, 0);
	h->place.answer = HISTORY_NONE;
}

static struct history_entry *history_find_open(struct history *h, const char *call_id)
{
	for (size_t i = h->count; i-- > h->place.first;)
		if (h->entries[i].item.kind == ITEM_RESULT && h->entries[i].open &&
		    strcmp(h->entries[i].item.call_id, call_id) == 0)
			return &h->entries[i];
	return NULL;
}

static void history_fill(struct history *h, struct history_entry *e, struct str text)
{
	history_note(h, CHANGE_RESULT, (int)(e - h->entries), 0);
	buf_add(&e->item.text, text.p, text.n);
	e->open = false;
}

static void history_end(struct history *h, bool whole)
{
	history_drop_thoughts(h);
	if (!whole && h->place.answer != HISTORY_NONE && !h->place.gathered) {
		history_note(h, CHANGE_MARKED, h->place.answer, 0);
		h->entries[h->place.answer].item.interrupted = true;
	}
	history_close_answer(h);
	for (size_t i = h->place.first; i < h->count; i++)
		if (h->entries[i].open)
			history_fill(h, &h->entries[i],
			    str_of(h->entries[i].started ? history_unknown : history_not_run));
	history_note(h, CHANGE_PLACE, HISTORY_NONE, 0);
	h->place.turn = HISTORY_NONE;
}

/* --- events --- */

static bool history_is_turn(const struct history *h, const char *id)
{
	const char *running = history_running(h);

	return running && strcmp(running, id) == 0;
}

static void history_take_attachments(struct item *item, const json_t *payload)
{
	const json_t *one;
	size_t i;

	json_array_foreach (json_object_get(payload, "attachments"), i, one)
		item_add_attachment(item, json_cstr(one, "hash", ""), json_cstr(one, "mime", ""),
		    json_cstr(one, "name", ""));
}

static void history_take_queued(struct history *h, const json_t *payload)
{
	struct str content = json_str(payload, "content");
	struct history_queued *q;

	h->queued = mem_realloc(h->queued, (h->queued_count + 1) * sizeof *h->queued);
	q = &h->queued[h->queued_count++];
	*q = (struct history_queued){
	    .seq = h->seq, .turn_id = mem_strdup(json_cstr(payload, "turnId", ""))};
	buf_add(&q->item.text, content.p, content.n);
	history_take_attachments(&q->item, payload);
	history_note(h, CHANGE_QUEUED, HISTORY_NONE, 0);
}

static void history_take_start(struct history *h, const json_t *payload)
{
	const char *id = json_cstr(payload, "turnId", "");
	struct item *item;

	/* The end of the one before is missing: nothing more will be known of it. */
	if (history_running(h))
		history_end(h, false);
	for (size_t i = 0; i < h->queued_count; i++) {
		struct history_queued *q = &h->queued[i];

		if (q->started || strcmp(q->turn_id, id) != 0)
			continue;
		item = history_add(h, ITEM_USER);
		item->text = q->item.text;
		item->attachments = q->item.attachments;
		item->attachment_count = q->item.attachment_count;
		q->item = (struct item){0};
		q->started = h->seq;
		h->place = (struct history_place){
		    .answer = HISTORY_NONE, .turn = (int)i, .first = h->count - 1};
		return;
	}
}

static void history_take_text(struct history *h, enum part_kind kind, struct str text)
{
	struct item *item;
	struct item_part *part;

	/* Text after calls whose list never came is the next answer. */
	if (h->place.gathered)
		history_close_answer(h);
	item = history_answer(h);
	part = item->part_count ? &item->parts[item->part_count - 1] : NULL;
	if (!part || part->kind != kind) {
		history_note(h, CHANGE_PART, h->place.answer, 0);
		part = item_add_part(item, kind);
	} else {
		history_note(h, CHANGE_TEXT, h->place.answer, part->text.len);
	}
	buf_add(&part->text, text.p, text.n);
}

static void history_fill_call(struct item_part *part, const json_t *from)
{
	struct str args = json_str(from, "args");

	part->id = mem_strdup(json_cstr(from, "callId", ""));
	part->name = mem_strdup(json_cstr(from, "name", ""));
	buf_add(&part->text, args.p ? args.p : "{}", args.p ? args.n : 2);
}

static void history_expect(struct history *h, const char *call_id, const char *tool)
{
	struct item *item = history_add(h, ITEM_RESULT);

	item->call_id = mem_strdup(call_id);
	item->tool = mem_strdup(tool);
	h->entries[h->count - 1].open = true;
}

static char *history_copy(const json_t *from, const char *key)
{
	const char *value = json_cstr(from, key, NULL);

	return value ? mem_strdup(value) : NULL;
}

/* What an answer said, on its way into another order. */
struct history_said {
	struct item item;
	bool *moved;			 /* owned: a flag for each part */
	size_t next[PART_REASONING + 1]; /* of each kind: parts before were looked at */
};

/* The first part of that kind that was not moved yet, moved to the end of item. */
static void history_move_part(struct item *item, struct history_said *said, enum part_kind kind)
{
	size_t *next = &said->next[kind];

	while (*next < said->item.part_count && said->item.parts[*next].kind != kind)
		++*next;
	if (*next == said->item.part_count)
		return;
	*item_add_part(item, kind) = said->item.parts[*next];
	said->moved[(*next)++] = true;
}

static void history_list_call(struct item *item, const json_t *from)
{
	struct item_part *part;

	if (!from)
		return;
	part = item_add_part(item, PART_CALL);
	history_fill_call(part, from);
	part->server_id = history_copy(from, "serverId");
	part->raw = history_copy(from, "rawArgs");
	part->more = history_copy(from, "more");
}

static void history_list_reasoning(struct item *item, struct history_said *said, const json_t *from)
{
	size_t before = item->part_count;

	/* The log has its text, but where there is none to show. */
	if (json_is_true(json_object_get(from, "hidden")))
		item_add_part(item, PART_REASONING);
	else
		history_move_part(item, said, PART_REASONING);
	if (item->part_count == before)
		return;
	item->parts[before].name = history_copy(from, "field");
	item->parts[before].opaque = history_copy(from, "opaque");
	item->parts[before].tagged = json_is_true(json_object_get(from, "tagged"));
}

/* Put what was said and the calls into the order the answer had; what the list leaves out comes
 * after it. */
static void history_order(struct item *item, const json_t *payload)
{
	const json_t *calls = json_object_get(payload, "calls"), *one;
	struct history_said said = {
	    .item = *item, .moved = mem_zalloc(item->part_count + 1, sizeof(bool))};
	size_t i, call = 0;

	item->parts = NULL;
	item->part_count = 0;
	json_array_foreach (json_object_get(payload, "parts"), i, one) {
		struct str kind = json_str(one, "kind");

		if (str_eq(kind, "call"))
			history_list_call(item, json_array_get(calls, call++));
		else if (str_eq(kind, "text"))
			history_move_part(item, &said, PART_TEXT);
		else if (str_eq(kind, "reasoning"))
			history_list_reasoning(item, &said, one);
	}
	for (i = 0; i < said.item.part_count; i++)
		if (!said.moved[i])
			*item_add_part(item, said.item.parts[i].kind) = said.item.parts[i];
	free(said.item.parts);
	free(said.moved);
	for (; call < json_array_size(calls); call++)
		history_list_call(item, json_array_get(calls, call));
}

/* As it was before its parts were put into order; until that is durable. */
static void history_keep_copy(struct history *h, const struct item *item)
{
	h->copies = mem_realloc(h->copies, (h->copy_count + 1) * sizeof *h->copies);
	item_copy(&h->copies[h->copy_count++], item);
}

static void history_take_answer(struct history *h, const json_t *payload)
{
	struct item *item = history_answer(h);
	int answer = h->place.answer;

	history_note(h, CHANGE_CALLS, answer, 0);
	history_keep_copy(h, item);
	item->server = history_copy(payload, "server");
	item->dialect = history_copy(payload, "dialect");
	item->model = history_copy(payload, "model");
	history_order(item, payload);
	/* Adding moves entries. */
	for (size_t i = 0; i < h->entries[answer].item.part_count; i++) {
		const struct item_part *part = &h->entries[answer].item.parts[i];

		if (part->kind == PART_CALL)
			history_expect(h, part->id, part->name);
	}
	h->place.answer = HISTORY_NONE;
	h->place.gathered = false;
}

static void history_take_tool_start(struct history *h, const json_t *payload)
{
	const char *id = json_cstr(payload, "callId", "");
	struct history_entry *e = history_find_open(h, id);
	struct item *item;

	if (!e) {
		/* An older log has no list of an answer's calls. */
		item = history_answer(h);
		history_note(h, CHANGE_PART, h->place.answer, 0);
		history_fill_call(item_add_part(item, PART_CALL), payload);
		h->place.gathered = true;
		history_expect(h, id, json_cstr(payload, "name", ""));
		e = &h->entries[h->count - 1];
	}
	history_note(h, CHANGE_STARTED, (int)(e - h->entries), 0);
	e->started = true;
}

static void history_take_tool_end(struct history *h, const json_t *payload)
{
	struct history_entry *e = history_find_open(h, json_cstr(payload, "callId", ""));

	if (!e)
		return;
	history_fill(h, e, json_str(payload, "result"));
	e->item.ok = json_is_true(json_object_get(payload, "ok"));
	e->item.artifact = history_copy(payload, "artifact");
	history_take_attachments(&e->item, payload);
}

static void history_take_resolved(struct history *h, const json_t *payload)
{
	const char *answer = json_cstr(payload, "answer", NULL);
	struct history_entry *e = history_find_open(h, json_cstr(payload, "callId", ""));

	if (!answer || !e || e->answer)
		return;
	history_note(h, CHANGE_SAID, (int)(e - h->entries), 0);
	e->answer = mem_strdup(answer);
}

static void history_take_cancelled(struct history *h, const json_t *payload)
{
	const json_t *one;
	size_t i;

	json_array_foreach (json_object_get(payload, "turnIds"), i, one)
		if (json_is_string(one) && history_is_turn(h, json_string_value(one)))
			history_end(h, false);
}

/* The words so far were thoughts: nobody had said where those begin. */
static void history_take_thought(struct history *h)
{
	struct item *item;
	size_t bits = 0;

	if (h->place.answer == HISTORY_NONE)
		return;
	item = &h->entries[h->place.answer].item;
	for (size_t i = 0; i < item->part_count && i < 8 * sizeof bits; i++)
		if (item->parts[i].kind == PART_TEXT) {
			item->parts[i].kind = PART_REASONING;
			item->parts[i].tagged = true;
			bits |= (size_t)1 << i;
		}
	history_note(h, CHANGE_THOUGHT, h->place.answer, bits);
}

static void history_take_progress(struct history *h, const json_t *payload)
{
	const char *phase = json_cstr(payload, "phase", "");

	/* The model is asked again: an answer that has not begun to say anything begins anew. */
	if (strcmp(phase, "lmx.retry") == 0 || strcmp(phase, "lmx.continued") == 0)
		history_drop_thoughts(h);
	else if (strcmp(phase, "model.thought") == 0)
		history_take_thought(h);
}

/* Messages that a client brought along. */
static void history_take_snapshot(struct history *h, const json_t *payload)
{
	const json_t *one;
	size_t i;

	json_array_foreach (json_object_get(payload, "messages"), i, one) {
		struct buf body = {0};
		struct item item;

		json_put(&body, one);
		if (item_take(body.p, body.len, NULL, 0, &item) == 0) {
			item.seq = h->seq;
			*history_add(h, item.kind) = item;
		}
		buf_finish(&body);
	}
}

/* Members of a token's payload, and room for more. */
enum { HISTORY_MEMBERS = 4 };

/* A token without escapes is read where it lies: a long answer is tens of thousands of them. */
static bool history_take_plain(struct history *h, enum part_kind kind, struct str payload)
{
	struct json_member members[HISTORY_MEMBERS];
	size_t count = json_flat(payload.p, payload.n, members, HISTORY_MEMBERS);
	const char *running = history_running(h);

	if (!count)
		return false;
	if (running && str_eq(json_flat_str(members, count, "turnId"), running))
		history_take_text(h, kind, json_flat_str(members, count, "text"));
	return true;
}

/* Of the running turn. */
static void history_take_running(struct history *h, enum event_kind kind, const json_t *payload)
{
	switch (kind) {
	case EVENT_TURN_TOKEN:
		history_take_text(h, PART_TEXT, json_str(payload, "text"));
		break;
	case EVENT_TURN_THINKING:
		history_take_text(h, PART_REASONING, json_str(payload, "text"));
		break;
	case EVENT_TURN_PROGRESS:
		history_take_progress(h, payload);
		break;
	case EVENT_TURN_ANSWER:
		history_take_answer(h, payload);
		break;
	case EVENT_TOOL_START:
		history_take_tool_start(h, payload);
		break;
	case EVENT_TOOL_END:
		history_take_tool_end(h, payload);
		break;
	case EVENT_PERMISSION_RESOLVED:
		history_take_resolved(h, payload);
		break;
	case EVENT_TURN_DONE:
		history_end(h, true);
		break;
	case EVENT_TURN_ERROR:
		history_end(h, false);
		break;
	default:
		break;
	}
}

static void history_take_parsed(struct history *h, enum event_kind kind, const json_t *payload)
{
	switch (kind) {
	case EVENT_SESSION_SNAPSHOT:
		history_take_snapshot(h, payload);
		break;
	case EVENT_SESSION_LOST:
		if (history_running(h))
			history_end(h, false);
		break;
	case EVENT_SESSION_CANCELLED:
		history_take_cancelled(h, payload);
		break;
	case EVENT_TURN_QUEUED:
		history_take_queued(h, payload);
		break;
	case EVENT_TURN_START:
		history_take_start(h, payload);
		break;
	default:
		if (history_is_turn(h, json_cstr(payload, "turnId", "")))
			history_take_running(h, kind, payload);
	}
}

/* Does that kind say anything of the history? Some are long. */
static bool history_wants(enum event_kind kind)
{
	return kind != EVENT_SESSION_UPDATED && kind != EVENT_PERMISSION_REQUEST &&
	       kind != EVENT_BACKGROUND_OUTPUT && kind != EVENT_BACKGROUND_STATUS;
}

void history_take(struct history *h, uint64_t seq, enum event_kind kind, struct str payload)
{
	json_t *parsed;

	assert(seq > h->seq);
	h->seq = seq;
	if (!history_wants(kind))
		return;
	if (kind == EVENT_TURN_TOKEN && history_take_plain(h, PART_TEXT, payload))
		return;
	if (kind == EVENT_TURN_THINKING && history_take_plain(h, PART_REASONING, payload))
		return;
	if (json_parse(payload.p, payload.n, &parsed, NULL) != 0)
		return;
	history_take_parsed(h, kind, parsed);
	json_decref(parsed);
}

/* --- undoing --- */

void history_settle(struct history *h, uint64_t seq)
{
	while (h->undo_settled < h->undo_count && h->undo[h->undo_settled].seq <= seq)
		h->undo_settled++;
	if (h->undo_settled < h->undo_count)
		return;
	h->undo_settled = h->undo_count = 0;
	history_drop_copies(h);
	/* Turns that began are needed no more. */
	for (size_t i = 0; i < h->queued_count;) {
		struct history_queued *q = &h->queued[i];

		if (!q->started || (int)i == h->place.turn) {
			i++;
			continue;
		}
		free(q->turn_id);
		item_finish(&q->item);
		h->queued_count--;
		memmove(q, q + 1, (h->queued_count - i) * sizeof *q);
		h->place.turn -= h->place.turn > (int)i;
	}
}

static void history_undo_entry(struct history *h)
{
	struct history_entry *e = &h->entries[--h->count];

	/* A user's words go back into the queue. */
	for (size_t i = 0; e->item.kind == ITEM_USER && i < h->queued_count; i++)
		if (h->queued[i].started == e->item.seq) {
			h->queued[i].item = e->item;
			h->queued[i].started = 0;
			e->item = (struct item){0};
			break;
		}
	history_entry_finish(e);
}

/* The list of calls never came: the answer is what it was before. */
static void history_undo_calls(struct history *h, struct item *item)
{
	item_finish(item);
	*item = h->copies[--h->copy_count];
}

static void history_undo_part(struct item *item)
{
	struct item last = {
	    .kind = ITEM_ASSISTANT, .parts = mem_alloc(sizeof *last.parts), .part_count = 1};

	last.parts[0] = item->parts[--item->part_count];
	item_finish(&last);
}

static void history_undo_result(struct history_entry *e)
{
	buf_clear(&e->item.text);
	free(e->item.artifact);
	e->item.artifact = NULL;
	e->item.ok = false;
	e->open = true;
}

static void history_undo_thought(struct item *item, size_t bits)
{
	for (size_t i = 0; i < item->part_count && i < 8 * sizeof bits; i++)
		if (bits >> i & 1) {
			item->parts[i].kind = PART_TEXT;
			item->parts[i].tagged = false;
		}
}

static void history_undo_one(struct history *h, const struct history_undo *u)
{
	struct history_entry *e = u->entry == HISTORY_NONE ? NULL : &h->entries[u->entry];

	assert(e || u->change == CHANGE_QUEUED || u->change == CHANGE_PLACE);
	h->place = u->place;
	switch (u->change) {
	case CHANGE_QUEUED:
		free(h->queued[--h->queued_count].turn_id);
		item_finish(&h->queued[h->queued_count].item);
		break;
	case CHANGE_ENTRY:
		history_undo_entry(h);
		break;
	case CHANGE_PART:
		history_undo_part(&e->item);
		break;
	case CHANGE_TEXT:
		e->item.parts[e->item.part_count - 1].text.len = u->was;
		break;
	case CHANGE_CALLS:
		history_undo_calls(h, &e->item);
		break;
	case CHANGE_STARTED:
		e->started = false;
		break;
	case CHANGE_RESULT:
		history_undo_result(e);
		break;
	case CHANGE_SAID:
		free(e->answer);
		e->answer = NULL;
		break;
	case CHANGE_MARKED:
		e->item.interrupted = false;
		break;
	case CHANGE_THOUGHT:
		history_undo_thought(&e->item, u->was);
		break;
	case CHANGE_DROPPED:
		e->dropped = false;
		h->dropped--;
		break;
	case CHANGE_PLACE:
		break;
	}
}

void history_forget(struct history *h, uint64_t seq)
{
	while (h->undo_count > h->undo_settled && h->undo[h->undo_count - 1].seq > seq)
		history_undo_one(h, &h->undo[--h->undo_count]);
	if (h->seq > seq)
		h->seq = seq;
}

/* --- what is in it --- */

size_t history_count(const struct history *h)
{
	size_t said = h->count - h->dropped;

	/* What is only thought so far may yet be dropped. */
	if (h->place.answer != HISTORY_NONE &&
	    !history_says_something(&h->entries[h->place.answer].item))
		said--;
	return said;
}

const struct item *history_item(const struct history *h, size_t i)
{
	size_t at = i;

	assert(i < history_count(h));
	if (h->dropped)
		for (at = 0; h->entries[at].dropped || i-- > 0; at++)
			;
	return &h->entries[at].item;
}

bool history_knows(const struct history *h, const char *turn_id)
{
	for (size_t i = 0; i < h->queued_count; i++)
		if (strcmp(h->queued[i].turn_id, turn_id) == 0)
			return true;
	return false;
}

const char *history_running(const struct history *h)
{
	return h->place.turn == HISTORY_NONE ? NULL : h->queued[h->place.turn].turn_id;
}

bool history_open_call(const struct history *h, size_t i, struct history_call *ret)
{
	if (!history_running(h))
		return false;
	for (size_t k = h->place.first; k < h->count; k++) {
		const struct history_entry *e = &h->entries[k];

		if (!e->open || i-- > 0)
			continue;
		*ret = (struct history_call){.id = e->item.call_id,
		    .name = e->item.tool,
		    .answer = e->answer,
		    .started = e->started};
		return true;
	}
	return false;
}
