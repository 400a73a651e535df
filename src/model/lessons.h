#ifndef MODEL_LESSONS_H
#define MODEL_LESSONS_H

/*
 * What a model server taught us of its models: which part of a question it refuses. Each lesson has
 * an end, as servers are restarted with other templates. Pure; one thread.
 */

#include <stdint.h>

#include "base/map.h"

enum {
	LESSONS_MS = 10 * 60 * 1000, /* so long one holds */
	LESSONS_MAX = 256,	     /* models; past it all are forgotten */
};

/* Zero-initialised. */
struct lessons {
	struct map models; /* name -> struct lesson, owned */
};

/* The model refuses drop (enum drop), as of now_us (monotonic). */
void lessons_note(struct lessons *l, const char *model, unsigned drop, uint64_t now_us);

/* All that the model is known to refuse at now_us. */
unsigned lessons_dropped(const struct lessons *l, const char *model, uint64_t now_us);

/* Another server, or the end. */
void lessons_forget(struct lessons *l);

#endif
