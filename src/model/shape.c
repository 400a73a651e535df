/* The items of a question as the messages of a server. */
#include "model/shape.h"

#include <ctype.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/map.h"
#include "base/mem.h"
#include "model/dialect.h"

/* Between two messages of a user there is always one of the model: templates insist on it. */
static const char shape_interrupted[] = "[interrupted]", shape_no_answer[] = "[no answer]",
		  shape_no_question[] = "[go on]";

/* After an answer that was cut. The demo server knows it, too (demo/request.c). */
static const char shape_go_on[] = "Go on exactly where your last message stopped, as it was cut "
				  "off. Repeat nothing of it and say "
				  "nothing about the cut.";

struct shape {
	const struct put *put;
	const struct shape_how *how;
	void (*on_message)(void *data, const struct shape_message *message);
	void *data;
	struct map ids;		   /* server's ids that stand already -> themselves */
	const struct item *answer; /* the last one that called tools */
	/* owned: ids of its calls that are ours; "": the server's */
	char (*answer_ids)[SHAPE_OWN_ID + 1];
	bool expects_answer; /* the last message is a user's or a result */
	bool begun;	     /* a message that is no note was told */
	struct buf pending;  /* what the next message of a user has to say first */
};

/* --- ids --- */

/* Letters and digits made of our own id, which is random at its end. */
static void shape_own_id(const char *id, char ret[SHAPE_OWN_ID + 1])
{
	size_t n = 0;

	for (size_t i = strlen(id); i-- > 0 && n < SHAPE_OWN_ID;)
		if (isalnum((unsigned char)id[i]))
			ret[n++] = id[i];
	while (n < SHAPE_OWN_ID)
		ret[n++] = '0';
	ret[n] = '\0';
}

static bool shape_speaks(const struct shape *s, const char *dialect)
{
	for (const char *const *one = s->how->dialects; *one; one++)
		if (!dialect || strcmp(*one, dialect) == 0)
			return true;
	return false;
}

/* Did this server and model give it, in these words? Then what they sealed goes back to them. */
static bool shape_is_own(const struct shape *s, const struct item *item)
{
	return item->server && item->model && strcmp(item->server, s->put->server) == 0 &&
	       strcmp(item->model, s->put->model) == 0 && shape_speaks(s, item->dialect);
}

/* Which ids the calls of an answer go by: the server's own where it is there and not used yet. */
static void shape_choose_ids(struct shape *s, const struct item *item)
{
	free(s->answer_ids);
	s->answer = item;
	s->answer_ids = mem_zalloc(item->part_count, sizeof *s->answer_ids);
	for (size_t i = 0; i < item->part_count; i++) {
		const struct item_part *part = &item->parts[i];

		if (part->kind != PART_CALL)
			continue;
		if (part->server_id && part->server_id[0] && shape_is_own(s, item) &&
		    !map_get(&s->ids, part->server_id))
			map_put(&s->ids, part->server_id, part->server_id);
		else
			shape_own_id(part->id, s->answer_ids[i]);
	}
}

const char *shape_call_id(const struct shape_message *message, size_t part)
{
	const struct shape *s = message->shape;

	return s->answer_ids[part][0] ? s->answer_ids[part] : s->answer->parts[part].server_id;
}

struct str shape_arguments(const struct item_part *part)
{
	json_t *value = NULL;
	bool good =
	    json_parse(part->text.p, part->text.len, &value, NULL) == 0 && json_is_object(value);

	json_decref(value);
	return good ? (struct str){part->text.p, part->text.len} : str_of("{}");
}

/* The id that the result of our call goes by; a call that is not there keeps ours. */
static const char *shape_result_id(const struct shape *s, const char *call_id)
{
	for (size_t i = 0; s->answer && i < s->answer->part_count; i++)
		if (s->answer->parts[i].kind == PART_CALL &&
		    strcmp(s->answer->parts[i].id, call_id) == 0)
			return shape_call_id(&(struct shape_message){.shape = s}, i);
	return call_id;
}

/* --- messages --- */

static void shape_tell(struct shape *s, struct shape_message message)
{
	if (message.kind != ITEM_NOTE) {
		s->begun = true;
		s->expects_answer = message.kind != ITEM_ASSISTANT;
	}
	message.shape = s;
	s->on_message(s->data, &message);
}

static void shape_tell_words(struct shape *s, enum item_kind kind, const char *words)
{
	shape_tell(s, (struct shape_message){.kind = kind, .text = str_of(words)});
}

static struct str shape_text(const struct buf *text)
{
	return (struct str){text->p ? text->p : "", text->len};
}

/* A user's message with what was pending before its words. */
static void shape_tell_user(struct shape *s, const struct item *item)
{
	const char *raw = item && !s->pending.len ? item->json : NULL;
	struct buf text = s->pending;

	s->pending = (struct buf){0};
	if (text.len && item && item->text.len)
		buf_adds(&text, "\n\n");
	if (item)
		buf_add(&text, item->text.p, item->text.len);
	shape_tell(s, (struct shape_message){
			  .kind = ITEM_USER, .item = item, .text = shape_text(&text), .raw = raw});
	buf_finish(&text);
}

static void shape_take_user(struct shape *s, const struct item *item)
{
	/* The answer never came, or stopped at its calls. */
	if (s->expects_answer)
		shape_tell_words(
		    s, ITEM_ASSISTANT, item->json ? shape_no_answer : shape_interrupted);
	shape_tell_user(s, item);
}

/* Where no tools can be offered, what was called is told. */
static bool shape_tells_tools(const struct shape *s)
{
	return !s->put->tools || s->put->dropped & DROP_TOOLS;
}

static void shape_tell_calls(struct buf *text, const struct item *item)
{
	for (size_t i = 0; i < item->part_count; i++)
		if (item->parts[i].kind == PART_CALL)
			buf_addf(text, "%s[called %s with %.*s]", text->len ? "\n" : "",
			    item->parts[i].name, (int)item->parts[i].text.len,
			    item->parts[i].text.p);
}

static bool shape_has_calls(const struct item *item)
{
	for (size_t i = 0; i < item->part_count; i++)
		if (item->parts[i].kind == PART_CALL)
			return true;
	return false;
}

static void shape_take_assistant(struct shape *s, const struct item *item)
{
	bool tells = shape_tells_tools(s), calls = shape_has_calls(item);
	struct buf text = {0};
	size_t said;

	item_put_text(&text, item);
	said = text.len;
	if (item->interrupted)
		buf_addf(&text, "%s%s", text.len ? "\n" : "", shape_interrupted);
	if (calls && tells)
		shape_tell_calls(&text, item);
	if (s->pending.len || (s->how->user_first && !s->begun)) {
		if (!s->pending.len)
			buf_adds(&s->pending, shape_no_question);
		shape_tell_user(s, NULL);
	}
	if (calls && !tells)
		shape_choose_ids(s, item);
	/* An empty message is refused by some and says nothing to the others. */
	if (text.len || (calls && !tells) || item->json)
		shape_tell(s, (struct shape_message){.kind = ITEM_ASSISTANT,
				  .item = item,
				  .text = shape_text(&text),
				  .extra = {text.p ? text.p + said : "", text.len - said},
				  .raw = tells ? NULL : item->json,
				  .calls = calls && !tells,
				  .own = shape_is_own(s, item)});
	buf_finish(&text);
}

static void shape_take_result(struct shape *s, const struct item *item)
{
	if (shape_tells_tools(s)) {
		buf_addf(&s->pending, "%s[%s gave: %.*s]", s->pending.len ? "\n" : "",
		    item->tool ? item->tool : "it", (int)item->text.len,
		    item->text.p ? item->text.p : "");
		return;
	}
	shape_tell(s, (struct shape_message){.kind = ITEM_RESULT,
			  .item = item,
			  .text = shape_text(&item->text),
			  .raw = item->json,
			  .result_id = shape_result_id(s, item->call_id)});
}

static void shape_take_note(struct shape *s, const struct item *item)
{
	if (s->how->notes_in_words) {
		buf_addf(&s->pending, "%s%.*s", s->pending.len ? "\n\n" : "", (int)item->text.len,
		    item->text.p ? item->text.p : "");
		return;
	}
	shape_tell(s, (struct shape_message){.kind = ITEM_NOTE,
			  .item = item,
			  .text = shape_text(&item->text),
			  .raw = item->json});
}

static void shape_take(struct shape *s, const struct item *item)
{
	switch (item->kind) {
	case ITEM_USER:
		shape_take_user(s, item);
		break;
	case ITEM_ASSISTANT:
		shape_take_assistant(s, item);
		break;
	case ITEM_RESULT:
		shape_take_result(s, item);
		break;
	case ITEM_NOTE:
		shape_take_note(s, item);
		break;
	}
}

void shape_walk(const struct put *put, const struct shape_how *how,
    void (*on_message)(void *data, const struct shape_message *message), void *data)
{
	struct shape s = {.put = put, .how = how, .on_message = on_message, .data = data};

	if (how->before)
		buf_adds(&s.pending, how->before);
	for (size_t i = 0; i < put->count; i++)
		shape_take(&s, put->items[i]);
	if (s.pending.len)
		shape_tell_user(&s, NULL);
	if (put->go_on)
		shape_tell_words(&s, ITEM_USER, shape_go_on);
	free(s.answer_ids);
	buf_finish(&s.pending);
	map_finish(&s.ids);
}
