#ifndef CLI_LIVE_H
#define CLI_LIVE_H

/*
 * The bottom of a terminal that is painted again and again (the open block of an
 * answer, a status line, the line being typed), below text that scrolls away for
 * good. Only what changed is written: rows that stay are left alone, a row that grew gets its new
 * end, the rest is written over within one synchronized update, so that nothing flickers and a slow
 * line carries little more than the text. While the terminal has not taken the last update the next
 * ones are put together into one. Embedded by value; one thread.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

struct outbox;

/* As a cursor's row: the last one; as its column: behind the last character. */
enum { LIVE_END = 0x7FFFFFFF };

/* Rows ended by "\n", and where the cursor stands in them. */
struct live_rows {
	struct buf text;
	unsigned row, column;
};

struct live {
	struct outbox *out; /* borrowed: the way to the terminal; set before use, like width */
	unsigned width, height;
	struct live_rows painted; /* what stands there now */
	unsigned painted_width;	  /* of the terminal when it was painted; 0: never */
	struct buf held_text;	  /* what could not be painted yet, as the terminal was busy */
	struct live_rows held;
	bool holding;
	struct buf frame; /* what is about to be written */
};

/*
 * Text that stays (whole lines), and below it these rows; the last ones when there are more than
 * the screen has. What others wrote in either has been made harmless.
 */
void live_update(struct live *l, const char *text, size_t text_len, const char *rows, size_t n,
    unsigned row, unsigned column);

/* The outbox is idle: paint what was held back. */
void live_continue(struct live *l);

/* The terminal has another size now. */
void live_resize(struct live *l, unsigned width, unsigned height);

/* What is painted stays and scrolls away, or is gone already: the next update begins on a line of
 * its own. */
void live_forget(struct live *l);

/* Clear the screen (not what scrolled away); the next update begins at its top. */
void live_clear(struct live *l);

/* Take the painted rows away, also when the terminal was busy, and free the memory. */
void live_finish(struct live *l);

#endif
