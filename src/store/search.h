#ifndef STORE_SEARCH_H
#define STORE_SEARCH_H

/*
 * Full-text search in the messages of all sessions. The index is kept by triggers
 * of the database itself (schema.c), so it is never behind and never ahead.
 */

#include <stdbool.h>
#include <stdint.h>

#include "store/sessions.h"

enum {
	SEARCH_MAX_QUERY = 400, /* bytes; what is longer is refused by who asks */
	SEARCH_MAX_WORDS = 32,	/* more are not looked at */
	SEARCH_MAX_RESULTS = 200,
};

/*
 * Find messages, best first, and titles; at most limit of each. The callback gets the inside of a
 * JSON array of
 * {"sessionId","title","updatedAt","message","role","snippet":["before","hit","after",…]}: every
 * second piece of a snippet is a hit. Loop thread only; query is copied.
 */
void store_search(
    struct store *s, const char *query, uint64_t limit, store_list_cb *done, void *data);

/*
 * Append what a person typed as an FTS5 expression: all words must occur, "quoted ones" as a
 * phrase, the last one may be the beginning of a word. Nothing of FTS5's own language gets through.
 * False when there is no word in it. Pure.
 */
bool search_expression(const char *query, struct buf *out);

#endif
