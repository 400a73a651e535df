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
	size_t count, dropped; /* dropped: calls past the limit of a turn */
	/* Who gave the answer, and its number among the turn's. Borrowed until return. */
	const char *server, *dialect, *model;
	const char *parts; /* JSON array: the order of its parts, or NULL */
	unsigned answer;
	/* Every call has its tool.end. Once; the round is still the caller's to free. */
	void (*on_done)(void *data);
	void *data;
};

enum { ROUND_ID_SIZE = 32 }; /* of a permission request's id, with its 0 */

/* Begin. on_done is never called before this returns. */
struct round *round_start(const struct round_opts *opts);

/*
 * Give it up: what runs is ended, what is asked is asked no more, on_done is not called. The ids of
 * requests that are still open in the log go to *ret_open, which the caller frees and whose denial
 * is the caller's to write; *ret_count of them.
 */
void round_cancel(struct round *r, char (**ret_open)[ROUND_ID_SIZE], size_t *ret_count);

/* Free a round that is done or cancelled. NULL is allowed. */
void round_free(struct round *r);

#endif
