#ifndef CLI_DOOR_H
#define CLI_DOOR_H

/*
 * The last door before a terminal: of all escape sequences only colours and
 * styles (SGR, ECMA-48 8.3.117) pass, every other control character is shown instead of
 * obeyed. What others wrote is made harmless long before, by term_put_harmless; a place that
 * forgot it can colour a line, but not move the cursor, set the title or the clipboard. Pure.
 */

#include <stddef.h>

struct buf;

enum { DOOR_MAX_SEQUENCE = 32 }; /* bytes of an escape sequence that may still pass */

/* What is not decided yet: the beginning of a sequence or of a character. Zeroed: none. */
struct door {
	char held[DOOR_MAX_SEQUENCE];
	size_t n;
};

/* Append what of p[0..n), after all that came before, may reach the terminal. */
void door_put(struct door *g, const char *p, size_t n, struct buf *out);

/* Nothing comes any more: append what was held, made visible. */
void door_end(struct door *g, struct buf *out);

#endif
