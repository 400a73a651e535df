#ifndef SESSION_PROMPT_H
#define SESSION_PROMPT_H

/*
 * What the model is given: system prompt, history, the user's words; the
 * history cut from the oldest whole turn when all of it would not fit. Pure.
 */

#include <stddef.h>
#include <stdint.h>

struct buf;
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

struct prompt_result {
	size_t dropped_messages, dropped_turns;
};

/* Append the messages as a JSON array to out. ERR_LIMIT when even without history it does not fit.
 */
int prompt_build(struct buf *out, const struct prompt_opts *opts, struct prompt_result *ret);

#endif
