#ifndef TOOLS_DIFF_H
#define TOOLS_DIFF_H

/* Two texts as a unified diff, for a person to judge. Pure; any thread. */

#include <stddef.h>

struct buf;

enum {
	DIFF_CONTEXT = 3, /* lines shown around a change */
	DIFF_MAX_EDITS =
	    1000, /* changed lines found exactly; past it the middle is shown as replaced */
};

/*
 * Append the unified diff from a to b under the name path ("--- path", "+++ path", hunks);
 * at most max bytes, then a line says how much is left out. a or b NULL: the file
 * is made or goes. Nothing is appended after the head when they are equal.
 */
void diff_put(
    struct buf *out, const char *path, const struct buf *a, const struct buf *b, size_t max);

#endif
