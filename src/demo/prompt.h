#ifndef DEMO_PROMPT_H
#define DEMO_PROMPT_H

/*
 * The prompt language: words demo:key or demo:key=value in a user message say
 * what the answer is. One table (prompt.c) holds the words; parsing, its
 * sentences and the help come from it. Pure; any thread.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"

struct err;

/* Limits on what a prompt may ask for, so that no word can exhaust this machine. */
enum {
	DEMO_MAX_DELTAS = 10 * 1000 * 1000,
	DEMO_MAX_PIECE = 1024 * 1024, /* bytes of one delta of text */
	DEMO_MAX_WAIT_MS = 60 * 60 * 1000,
	DEMO_MAX_HUGE = 64 * 1024 * 1024, /* bytes of the huge line */
	DEMO_MAX_CALLS = 100,
	DEMO_MAX_KEY = 200,
	DEMO_MAX_STEPS = 40,
};

struct demo_number {
	bool set; /* the word was in the prompt */
	uint64_t n;
};

struct demo_prompt {
	struct buf rest; /* owned: the text with its words taken out */

	/* What is answered. */
	struct demo_number tokens, think, thinktag, huge, calls;
	bool echo, badutf8, loop;
	struct str tool, args; /* borrowed from the text; p NULL: not given */
	struct demo_steps {
		struct str step[DEMO_MAX_STEPS]; /* borrowed: NAME:JSON, one call after the other */
		size_t count;
	} steps;

	/* In which form. */
	struct demo_number size;
	bool split, nousage, token_style, crlf;
	struct str finish; /* borrowed; p NULL: not given */

	/* How fast. */
	struct demo_number first, delay;

	/* What goes wrong: a status at once, the others after n deltas. */
	struct demo_number status, hang, drop, close, error, garbage;
	struct demo_number times;
	struct str key; /* borrowed; empty: not given */
};

/*
 * Read the n bytes at p, which must outlive *ret. ERR_UNKNOWN for a demo: word
 * nobody knows, ERR_RANGE for a value that is not allowed, with a sentence; *ret
 * is then untouched. A word given twice counts as its last. "demo:" alone is text.
 */
int demo_prompt_parse(const char *p, size_t n, struct demo_prompt *ret, struct err *reterr);

/* Free what p owns; a zeroed one is allowed. */
void demo_prompt_finish(struct demo_prompt *p);

/* Take the failures out: the request answers well. */
void demo_prompt_forgive(struct demo_prompt *p);

/* Append a line for each word. */
void demo_prompt_help(struct buf *out);

#endif
