#ifndef DEMO_ANSWER_H
#define DEMO_ANSWER_H

/*
 * What a request is answered with, step by step: deltas, then how it ends.
 * Knows nothing of transports or time. Pure; one thread at a time.
 *
 *   thinking -> <think> text -> tokens -> text -> huge -> bad UTF-8 -> calls -> DONE
 *
 * Before each delta the failures the prompt asks for are looked at; all but
 * garbage end the answer.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"
#include "demo/prompt.h"

struct demo_request;

enum demo_step_kind {
	/* Deltas. */
	DEMO_STEP_TEXT,	     /* text */
	DEMO_STEP_THINKING,  /* text */
	DEMO_STEP_HUGE,	     /* size: bytes of the line it travels in */
	DEMO_STEP_BAD_UTF8,  /* text: raw bytes to put within a JSON string */
	DEMO_STEP_CALL,	     /* index; text: the tool's name */
	DEMO_STEP_ARGUMENTS, /* index; text: a piece of the arguments */
	/* Not a delta; the answer goes on. */
	DEMO_STEP_GARBAGE,
	/* Ends: nothing follows. */
	DEMO_STEP_ERROR, /* say "demo error" */
	DEMO_STEP_HANG,	 /* say nothing any more */
	DEMO_STEP_DROP,	 /* cut the connection */
	DEMO_STEP_CLOSE, /* end without saying done */
	DEMO_STEP_DONE,	 /* text: the finish reason */
};

struct demo_step {
	enum demo_step_kind kind;
	struct str text; /* borrowed from the answer until the next step */
	size_t size;
	unsigned index;
};

struct demo_answer {
	const struct demo_prompt *prompt; /* borrowed from the request */
	int phase;			  /* enum phase in answer.c */
	uint64_t done;			  /* deltas of this phase */
	uint64_t sent;			  /* deltas in all */
	size_t skip;			  /* bytes of text that were said before a cut */
	struct str text;		  /* borrowed: all of it */
	struct str tool, args;		  /* borrowed: what is called; p NULL: nothing */
	struct buf composed;		  /* owned: the text, where the prompt does not hold it */
	char word[32];			  /* the last counted delta */
	bool garbage_sent, reply_to_tool;
};

/* Begin the answer to r, which is borrowed and must outlive ret. */
void demo_answer_init(struct demo_answer *ret, const struct demo_request *r);

/* Free what a owns; a zeroed one is allowed. */
void demo_answer_finish(struct demo_answer *a);

/* The next step. Not to be called after a step that ends. */
void demo_answer_next(struct demo_answer *a, struct demo_step *ret);

/* Is it a delta, which counts and is waited for? */
bool demo_step_is_delta(const struct demo_step *s);

#endif
