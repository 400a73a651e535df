#ifndef CLI_MARKDOWN_PART_H
#define CLI_MARKDOWN_PART_H

/*
 * One part of a Markdown document, rendered by itself (markdown.c), and the places at
 * which a long one can be cut. For markdown_stream.c, which decides on the parts. Pure.
 */

#include <stdbool.h>
#include <stddef.h>

struct buf;

enum { MARKDOWN_MAX_PART = 1 << 20 }; /* bytes; the stream cuts long before */

struct markdown_part {
	unsigned width; /* columns, the margin's included */
	bool color;
	bool code;	 /* lines of a code block that began in an earlier part */
	unsigned number; /* of the first item, when a numbered list goes on; 0: as it says */
	const char
	    *margin; /* before each line: the part goes on within a list or quote; borrowed */
	size_t margin_len;
	unsigned margin_columns;
};

/* Where the source can be cut, and the row that begins there. source 0: nowhere. */
struct markdown_place {
	size_t source; /* bytes of the source before it */
	size_t row;    /* bytes of out before it */
	size_t margin; /* bytes of the row that are its margin */
};

struct markdown_cut {
	struct markdown_place
	    clean;		   /* the last place where nothing before it can change its look */
	struct markdown_place any; /* the last one at all */
};

/*
 * Append the n bytes of text as whole lines. ret_cut (may be NULL) gets where a paragraph's rows
 * begin.
 */
void markdown_put_part(struct buf *out, const struct markdown_part *part, const char *text,
    size_t n, struct markdown_cut *ret_cut);

#endif
