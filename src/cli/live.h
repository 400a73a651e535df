#ifndef CLI_LIVE_H
#define CLI_LIVE_H

/*
 * The bottom of a terminal that is painted again and again (the open block of an
 * answer, a status line, the line being typed), below text that scrolls away for
 * good. Rows are written over, never cleared first, within one synchronized update, so that
 * nothing flickers. Embedded by value; one thread.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

struct live {
	int fd; /* the terminal; set before use, like width */
	unsigned width, height;
	struct buf rows;      /* what is painted now, rows ended by "\n" */
	unsigned count;	      /* of them */
	unsigned row, column; /* where the cursor stands in them */
	struct buf frame;     /* what is about to be written */
};

/* Text that stays: whole lines, which move the painted rows down. */
void live_print(struct live *l, const char *p, size_t n);

/*
 * Paint these rows (each at most width columns, ended by "\n"; the last ones when
 * there are more than the screen has) with the cursor at row, column.
 */
void live_set(struct live *l, const char *rows, size_t n, unsigned row, unsigned column);

/* Both at once: one update. */
void live_update(struct live *l, const char *text, size_t text_len, const char *rows, size_t n,
    unsigned row, unsigned column);

/* The terminal has another size now. */
void live_resize(struct live *l, unsigned width, unsigned height);

/* Take the painted rows away and free the memory. */
void live_finish(struct live *l);

#endif
