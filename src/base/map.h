#ifndef BASE_MAP_H
#define BASE_MAP_H

/*
 * Strings to pointers: open addressing, keyed hash (SipHash-like seed drawn at
 * first use, so a peer cannot choose collisions). Keys are borrowed from the
 * values, which must keep them alive and unchanged. One thread at a time.
 */

#include <stddef.h>

struct map {
	struct map_slot *slots; /* owned */
	size_t cap;		/* slots, a power of two, or 0 */
	size_t len;		/* entries */
	size_t used;		/* entries and tombstones */
};

/* Free the table, not the values. */
void map_finish(struct map *m);

/* The value under key, or NULL. */
void *map_get(const struct map *m, const char *key);

/* Set key to value (not NULL). key must outlive the entry; replaces an old value and key. */
void map_put(struct map *m, const char *key, void *value);

/* Remove key and return its value, or NULL. */
void *map_remove(struct map *m, const char *key);

/* The first value at or after slot *at; advances *at. NULL at the end. Do not change m between
 * calls. */
void *map_next(const struct map *m, size_t *at);

#endif
