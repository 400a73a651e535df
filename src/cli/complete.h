#ifndef CLI_COMPLETE_H
#define CLI_COMPLETE_H

/*
 * What can come next on a command line, for the completions of shells. Reads the tables of
 * commands and settings, and asks a daemon that runs; never starts one.
 */

#include <stddef.h>

struct buf;

enum {
	COMPLETE_MAX = 200,	/* candidates */
	COMPLETE_ASK_MS = 1000, /* for the daemon or the model server */
};

/*
 * words: what was typed after `opta`, the last one being typed still (maybe ""). Appends
 * a line for each candidate, "word\tdescription\n" or "word\n"; nothing where a file may be named.
 */
void complete_put(struct buf *out, char *const *words, size_t count);

#endif
