#ifndef BASE_MEM_H
#define BASE_MEM_H

/*
 * Allocation of our own small objects. Running out of memory here is not an
 * error anyone could handle, so these abort with a sentence on stderr; what is
 * sized by a peer is bounded by a named limit before it gets here.
 * Any thread. Free with free().
 */

#include <stddef.h>

/* n bytes, uninitialised; n may be 0 (still a unique pointer). Never NULL. */
void *mem_alloc(size_t n);

/* count * size zeroed bytes; aborts when the product overflows. Never NULL. */
void *mem_zalloc(size_t count, size_t size);

/* realloc(3) that never returns NULL; p may be NULL. */
void *mem_realloc(void *p, size_t n);

/* A copy of the string s. */
char *mem_strdup(const char *s);

/* A copy of the n bytes at p with a 0 after them; p may be NULL when n is 0. */
char *mem_strndup(const char *p, size_t n);

#endif
