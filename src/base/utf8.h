#ifndef BASE_UTF8_H
#define BASE_UTF8_H

/*
 * Bytes that should be text and need not be. Any thread.
 */

#include <stdbool.h>
#include <stddef.h>

struct buf;

/* U+FFFD, which stands where a byte was no text. */
#define UTF8_REPLACEMENT "\xEF\xBF\xBD"

/*
 * Append the n bytes at p as valid UTF-8: each byte that is part of no character becomes U+FFFD.
 * more: others follow, so a character that is cut at the end is not judged yet; returns how many
 * bytes it has so far (the last ones, at most 3), else 0.
 */
size_t utf8_repair(struct buf *out, const char *p, size_t n, bool more);

#endif
