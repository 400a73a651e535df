#ifndef BASE_BASE64_H
#define BASE_BASE64_H

/*
 * RFC 4648, section 4: the alphabet with "+" and "/", padded. Any thread.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"

struct buf;

/* Append the n bytes at p. */
void base64_put(struct buf *out, const void *p, size_t n);

/* Append what text stands for. False when it is no base64, padded and with nothing around it; out
 * then has some of it. */
bool base64_take(struct buf *out, struct str text);

#endif
