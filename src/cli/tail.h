#ifndef CLI_TAIL_H
#define CLI_TAIL_H

/* Printing the end of a log file and, if asked, what is added to it. Blocks. */

#include <stdbool.h>
#include <stddef.h>

enum {
	TAIL_ALL = 1 << 30,
	TAIL_FIRST_LINES = 20, /* shown before following */
	TAIL_LOOK_MS = 200,    /* between looks for new lines */
};

struct buf;

struct tail_opts {
	size_t lines; /* the last so many; TAIL_ALL: all of them */
	bool follow;  /* go on until interrupted; survives rotation */
	/* Append a line (given without its end) as it is to be shown; false: it is not. NULL: as it
	 * is. */
	bool (*show)(void *data, const char *p, size_t n, struct buf *out);
	void *data;
};

/* Print to standard output. An exit code; a missing file is said plainly. */
int tail_file(const char *path, const struct tail_opts *opts);

#endif
