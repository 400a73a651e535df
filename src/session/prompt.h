#ifndef SESSION_PROMPT_H
#define SESSION_PROMPT_H

/*
 * What the model is given: system prompt, history, the user's words. When all of it would not fit,
 * the oldest results of this turn are shortened and the oldest whole turns left out, at once to
 * about half of the room: so the front of a prompt keeps still from one question to the next, which
 * model servers answer faster. Pure.
 */

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

struct config;
struct history;
struct item;

/* How far the front was moved; never back. Kept by whoever asks, zero at first. */
struct prompt_front {
	size_t first;	  /* of the past's items: the first that goes along */
	size_t shortened; /* of this turn's results, from the oldest on */
};

struct prompt_opts {
	const struct config *config;
	uint64_t context_tokens; /* the server's, 0 unknown; model.contextTokens beats it */
	const char *mode;
	const char *workspace;	 /* the session's directory, "" none */
	const struct item *past; /* what was said before this turn */
	size_t past_count;
	const struct history *turn; /* this turn: the user's words, what was said and done since */
	size_t tools_len; /* bytes the tools' descriptions take beside the messages; 0: none are
			     offered */
	uint64_t bytes_per_1000_tokens; /* as the server counted before; 0: not known */
	uint64_t max_bytes;		/* the server said that more is too much; 0: it did not */
	struct prompt_front *front;	/* moved on where needed */
};

/* A prompt. Zero-initialised; prompt_finish frees what it points at, which are not the items. */
struct prompt {
	struct buf system;	   /* text */
	const struct item **items; /* owned list of borrowed items */
	size_t count;
	uint64_t bytes; /* about what it weighs */
	/* Of the front when it moved this time: what went. */
	size_t dropped_messages, dropped_turns, shortened;
	struct item *made; /* owned: results as they go along */
	size_t made_count;
};

/*
 * Make *ret of what there is. ERR_LIMIT when the person's words alone are larger than the context:
 * *ret has them all the same.
 */
int prompt_make(struct prompt *ret, const struct prompt_opts *opts);
void prompt_finish(struct prompt *p);

#endif
