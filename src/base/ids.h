#ifndef BASE_IDS_H
#define BASE_IDS_H

/* Random bytes and the names made from them. Any thread. */

#include <stddef.h>

/* Fill p with n bytes from the kernel's generator (getrandom(2)). Aborts if it cannot. */
void ids_random(void *p, size_t n);

/*
 * Write prefix and `bytes` random bytes as lower-case hex, 0-terminated, into
 * ret_id of `size` bytes; it must fit (assert). 12 bytes are enough to never meet twice.
 */
void ids_make(const char *prefix, size_t bytes, char *ret_id, size_t size);

#endif
