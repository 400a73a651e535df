#ifndef STORE_CACHE_H
#define STORE_CACHE_H

/*
 * Segments that were read from disk, newest use first: twenty clients behind
 * at the same place read once. One per store; loop thread only.
 */

#include <stdint.h>

struct cache;
struct segment;

enum {
	CACHE_SEGMENTS = 32,		/* at most so many */
	CACHE_BYTES = 2 * 1024 * 1024,	/* and so many bytes of them */
	CACHE_MAX_SEGMENT = 256 * 1024, /* none larger than this */
};

struct cache *cache_new(void);
void cache_free(struct cache *c);

/* Keep a reference to s for others who ask for its events. */
void cache_put(struct cache *c, int64_t session, struct segment *s);

/* The segment that holds seq, borrowed, or NULL. */
struct segment *cache_find(struct cache *c, int64_t session, uint64_t seq);

/* The session was deleted: drop what is its. */
void cache_forget(struct cache *c, int64_t session);

#endif
