#ifndef CLI_PAGE_H
#define CLI_PAGE_H

/*
 * What is said on a terminal, in its order: the blocks of an answer that are done,
 * the one that is still open, and the notices that came meanwhile. A notice never cuts the open
 * block in two: it is shown below it, and goes above once the block is done. Text in, rows out.
 * Embedded by value; one thread.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

struct markdown_stream;

enum { PAGE_NOTICES = 6 }; /* rows of waiting notices that are shown below the open block */

struct page {
	struct markdown_stream *markdown; /* owned */
	struct buf done;		  /* whole lines that stay */
	struct buf notices;		  /* whole lines that wait for the end of the open block */
};

void page_init(struct page *p, unsigned width, bool color);
void page_finish(struct page *p);
void page_set_width(struct page *p, unsigned width);

/* More of the answer. */
void page_add_text(struct page *p, const char *text, size_t n);

/* Whole lines of ours, harmless, in their place: above what is still open. */
void page_add_notice(struct page *p, const char *lines, size_t n);

/* The answer so far is done: its open block is, too. */
void page_end_text(struct page *p);

/* Whole lines of ours that belong behind the answer so far, which they end. */
void page_add_lines(struct page *p, const char *lines, size_t n);

/* Append what stays, once each, to out. */
void page_take(struct page *p, struct buf *out);

/* Append what is open, as it looks now. */
void page_put_open(const struct page *p, struct buf *out);

#endif
