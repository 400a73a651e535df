#ifndef SESSION_PROMPT_H
#define SESSION_PROMPT_H

/*
 * What the model is given: system prompt, history, the user's words; the
 * history cut from the oldest whole turn when all of it would not fit. Pure.
 */

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

struct config;
struct history;
struct item;

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
};

/* A prompt. Zero-initialised; prompt_finish frees what it points at, which are not the items. */
struct prompt {
	struct buf system;	   /* text */
	const struct item **items; /* owned list of borrowed items */
	size_t count;
	uint64_t bytes; /* about what it weighs */
	size_t dropped_messages, dropped_turns;
};

/*
 * Make *ret of what there is. max_bytes 0: as much as the context is known to hold; else no more
 * than that. ERR_LIMIT when even without the past it does not fit: *ret has it all the same.
 */
int prompt_make(struct prompt *ret, const struct prompt_opts *opts, uint64_t max_bytes);
void prompt_finish(struct prompt *p);

#endif
