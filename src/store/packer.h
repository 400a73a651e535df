#ifndef STORE_PACKER_H
#define STORE_PACKER_H

/*
 * Packs the rows of a session when a turn has ended (store/pack.h), one piece
 * after another: the reader's thread reads and packs it, the writer puts it in
 * place of the rows it came from, if they are all still there. Others wait for
 * one piece at most. Then the database gives back the pages that became free,
 * but for a few the next turn will want.
 *
 * Events are the same before, while and after; only their rows change. What
 * fails is left as it was. Loop thread only.
 */

#include <stdint.h>

struct packer;
struct store;

enum {
	/* Free pages the database keeps: so many, and one in so many of all. */
	PACKER_SPARE_PAGES = 32,
	PACKER_SPARE_SHARE = 16,
	/* Given back in one transaction. */
	PACKER_TRIM_PAGES = 64,
};

struct packer *packer_new(struct store *s);

/* The events from … until (durable) of a session are of ended turns. */
void packer_want(struct packer *p, int64_t session, uint64_t from, uint64_t until);

/* Begin nothing more. */
void packer_stop(struct packer *p);

/* After packer_stop, when the store has answered all jobs. NULL is allowed. */
void packer_free(struct packer *p);

#endif
