#ifndef MODEL_SHAPE_H
#define MODEL_SHAPE_H

/*
 * The items of a question as the messages a server is given, in whichever dialect: user and model
 * take turns, no message is empty, a call has an id that its result repeats, what was sealed goes
 * back to who sealed it and to nobody else. Pure; one thread.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"
#include "protocol/item.h"

struct put;
struct shape;

enum { SHAPE_OWN_ID = 9 }; /* letters and digits: all that some servers take as an id */

/* One message. Borrowed until the callback returns. */
struct shape_message {
	enum item_kind kind;
	const struct item *item; /* that it is of; NULL: it is our words alone */
	/* All its words; of an answer those of its text parts, and then `extra`. */
	struct str text, extra;
	const char *raw;       /* a client brought it like this, in chat's JSON; NULL: it did not */
	bool calls;	       /* the calls of item go along */
	bool own;	       /* item came from the server, model and dialect that is asked */
	const char *result_id; /* of a result: the id its call went by */
	const struct shape *shape;
};

/* What a dialect wants. */
struct shape_how {
	const char *const *dialects; /* ended by NULL: answers given in these are its own */
	const char *before;	     /* what the first user's message says first; NULL: nothing */
	bool notes_in_words;	     /* notes are told in the next user's message */
	bool user_first;	     /* the first message is a user's */
};

/* Call back for each message of put, in order. */
void shape_walk(const struct put *put, const struct shape_how *how,
    void (*on_message)(void *data, const struct shape_message *message), void *data);

/* The id that the call at item->parts[part] goes by. Borrowed likewise. */
const char *shape_call_id(const struct shape_message *message, size_t part);

/* A call's arguments as one JSON object, for servers that take no text: "{}" where a client brought
 * something else. Borrowed from part. */
struct str shape_arguments(const struct item_part *part);

#endif
