#ifndef MODEL_ASSEMBLY_H
#define MODEL_ASSEMBLY_H

/*
 * Tool calls put together from what servers send of them: pieces by index, by id or by neither;
 * names and arguments in pieces, whole, repeated, grown, as objects or as text within text. What
 * comes out is one call for each the model meant. Pure; one thread.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

struct delta_tool;
struct str;

enum {
	ASSEMBLY_MAX_CALLS = 128,		  /* of one answer */
	ASSEMBLY_MAX_ARGUMENTS = 4 * 1024 * 1024, /* bytes of one call's */
	ASSEMBLY_MAX_NAME = 256,		  /* bytes of a name */
	ASSEMBLY_MAX_ID = 64 * 1024,		  /* bytes of an id; some carry a signature */
};

/* How far the text of arguments is one JSON object. */
struct assembly_scan {
	size_t depth;
	bool in_string, escaped, begun, whole, bad;
};

struct assembly_call {
	struct buf id, name, arguments, more; /* more: members nobody knows, inside of an object */
	bool has_index, spoken;		      /* spoken: it was written as text (marks.h) */
	size_t index;
	struct assembly_scan scan;
};

/* Zero-initialised. */
struct assembly {
	struct assembly_call *calls; /* owned */
	size_t count;
	bool finished;
};

/* Take one piece. False: a limit is passed. */
bool assembly_take(struct assembly *a, const struct delta_tool *piece);

/*
 * All came: the calls are made what they should be. Names lose what is no part of them, arguments
 * are one text each ("{}" where there are none), slots nobody filled are gone. Once.
 */
void assembly_finish(struct assembly *a);

/* Add a call that was written as text. False: there are too many. After assembly_finish. */
bool assembly_add_spoken(struct assembly *a, struct str name, struct str arguments);

void assembly_free(struct assembly *a);

#endif
