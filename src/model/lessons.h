#ifndef MODEL_LESSONS_H
#define MODEL_LESSONS_H

/*
 * What a model server taught us of its models: which part of a question it refuses, how much text
 * its tokens are. What is refused has an end, as servers are restarted with other templates. Pure;
 * one thread.
 */

#include <stdint.h>

#include "base/map.h"

enum {
	LESSONS_MS = 10 * 60 * 1000, /* so long one holds */
	LESSONS_MAX = 256,	     /* models; past it all are forgotten */
	LESSONS_LEAST_TOKENS = 100,  /* fewer say little of the ratio */
	LESSONS_RATIO_MIN = 1000,    /* bytes of 1,000 tokens */
	LESSONS_RATIO_MAX = 6000,
};

/* Zero-initialised. */
struct lessons {
	struct map models; /* name -> struct lesson, owned */
};

/* The model refuses drop (enum drop), as of now_us (monotonic). */
void lessons_note(struct lessons *l, const char *model, unsigned drop, uint64_t now_us);

/* All that the model is known to refuse at now_us. */
unsigned lessons_dropped(const struct lessons *l, const char *model, uint64_t now_us);

/* A question of so many bytes were so many tokens of the model's. */
void lessons_note_tokens(struct lessons *l, const char *model, uint64_t bytes, uint64_t tokens);

/* Bytes of 1,000 tokens of the model's, within LESSONS_RATIO_*; 0: it never counted. */
uint64_t lessons_bytes_per_1000(const struct lessons *l, const char *model);

/* Another server, or the end. */
void lessons_forget(struct lessons *l);

#endif
