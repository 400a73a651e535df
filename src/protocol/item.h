#ifndef PROTOCOL_ITEM_H
#define PROTOCOL_ITEM_H

/*
 * What was said in a session, in no provider's words: who spoke, what came in which order, what a
 * tool answered. The session's log is folded into items (session/history.h); a dialect renders
 * them for the server it knows; the database keeps each as a row of two texts: the message that
 * clients are shown, and what else the item knows. Pure; any thread, one at a time.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

enum item_kind {
	ITEM_USER,	/* a person's words */
	ITEM_ASSISTANT, /* one answer of the model, in parts */
	ITEM_RESULT,	/* what a tool call gave */
	ITEM_NOTE,	/* what the daemon tells the model: it changed mode, something was lost */
};

enum part_kind { PART_TEXT, PART_REASONING, PART_CALL };

/* One part of an answer. All strings are owned; NULL: there is none. */
struct item_part {
	enum part_kind kind;
	/* The text; of a call its arguments as they were shown and ran: one JSON object. */
	struct buf text;
	/* Reasoning: its name, which is the member it came under, and what goes back unread to the
	 * server and model that gave it (a signature, an encrypted item), as JSON text; and whether
	 * it came between tags within the text. */
	char *opaque;
	bool tagged;
	/* A call: our id, the server's own, the tool, the arguments as they came where they differ,
	 * members of the call nobody here knows (inside of a JSON object). */
	char *id, *server_id, *name, *raw, *more;
};

/* A file that came with somebody's words or a result. Strings owned. */
struct item_attachment {
	char *hash, *mime, *name;
};

struct item {
	enum item_kind kind;
	uint64_t seq;			     /* of the event it began with */
	struct buf text;		     /* user, result, note */
	struct item_attachment *attachments; /* owned */
	size_t attachment_count;
	/* assistant */
	struct item_part *parts; /* owned */
	size_t part_count;
	char *server, *dialect, *model; /* owned: who gave it; NULL: not known */
	bool interrupted;		/* a cancel, a crash or a cut left it unfinished */
	/* result */
	char *call_id, *tool; /* owned */
	char *artifact;	      /* owned: the file that has all of it, or NULL */
	bool ok;
	/* A message that a client brought along: kept as it is. owned; NULL: none */
	char *json;
};

/* Free what it points at; it is an empty user item then. */
void item_finish(struct item *item);

/* Make *ret one like item, with strings of its own. */
void item_copy(struct item *ret, const struct item *item);

/* A new part at the end; valid until the next. */
struct item_part *item_add_part(struct item *item, enum part_kind kind);

/* The part that is the call of that id of ours, or NULL. */
struct item_part *item_call(const struct item *item, const char *call_id);

void item_add_attachment(struct item *item, const char *hash, const char *mime, const char *name);

/* The text of its text parts, one after the other, appended to out; of other kinds their text. */
void item_put_text(struct buf *out, const struct item *item);

/* Append the message as clients see it: {"role":…,"content":…,…}. */
void item_put_message(struct buf *out, const struct item *item);

/* Append what the message does not say, as a JSON object; nothing when it says all. */
void item_put_more(struct buf *out, const struct item *item);

/*
 * The item of a row: what both functions above put (more may be NULL or empty), or a message that a
 * client brought along. Returns 0 and fills *ret, which the caller finishes; ERR_SYNTAX when body
 * is no message: *ret is untouched then.
 */
int item_take(const char *body, size_t n, const char *more, size_t more_n, struct item *ret);

#endif
