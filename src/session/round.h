#ifndef SESSION_ROUND_H
#define SESSION_ROUND_H

/*
 * The tool calls of one answer of the model: reads side by side, everything else
 * in its place, one at a time. Each call is checked, decided on, shown, asked
 * about and run by itself; a call that waits for a person keeps no finished one
 * from telling its result. Loop thread only.
 *
 *   WAITING --its turn--> SHOWING --preview--> ASKING --yes--> RUNNING --> DONE
 *      |                     |                   |                          ^
 *      +--bad, denied--------+-----allowed-------+--no----------------------+
 */

#include <stdbool.h>
#include <stddef.h>

#include "protocol/requests.h"

struct buf;
struct model_tool_call;
struct round;
struct session;
struct turn_names;

enum {
	ROUND_MAX_ASKS = 3,	 /* a file that changes while a person looks is shown so often */
	ROUND_MAX_REASON = 1000, /* bytes of the words of a no that the model reads */
};

struct round_opts {
	struct session *session;		/* borrowed: the turn holds it */
	const struct turn_names *names;		/* borrowed from the turn */
	const struct turn_overrides *overrides; /* borrowed from the turn */
	const struct model_tool_call *calls;
	size_t count;
	const char *text; /* the answer's words before the calls */
	size_t text_len;
	/* Every call has its tool.end. Once; the round is still the caller's to free. */
	void (*on_done)(void *data);
	void *data;
};

/* What must still be written when a round is given up: an event and perhaps a row, again at each
 * try. */
struct round_rest {
	int kind;	  /* enum event_kind */
	char *payload;	  /* owned */
	char *permission; /* owned: the id of a request that is denied with it, or NULL */
};

/* Begin. on_done is never called before this returns. */
struct round *round_start(const struct round_opts *opts);

/*
 * Give it up: what runs is ended, what is asked is asked no more, on_done is not called. why is
 * what the unfinished calls' results say. *ret_rest gets *ret_count items (owned by the caller,
 * with what they hold).
 */
void round_cancel(
    struct round *r, const char *why, struct round_rest **ret_rest, size_t *ret_count);

/* Call put with each message the round adds to the history: the answer with its calls, then the
 * results. */
void round_put_messages(
    const struct round *r, void (*put)(void *data, struct buf *message), void *data);

/* The name of call i, NULL past the last. Borrowed. */
const char *round_tool(const struct round *r, size_t i);

/* Free a round that is done or cancelled. NULL is allowed. */
void round_free(struct round *r);

#endif
