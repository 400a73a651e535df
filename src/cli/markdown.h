#ifndef CLI_MARKDOWN_H
#define CLI_MARKDOWN_H

/*
 * Markdown on a terminal (md4c reads it): headings, lists, tables, quotes, code
 * with its language, links. Every line fits the width; control characters in the text are made
 * harmless before anything else. One thread.
 */

#include <stdbool.h>
#include <stddef.h>

struct buf;

enum {
	MARKDOWN_MIN_WIDTH = 20,
	MARKDOWN_MAX_WIDTH = 100,  /* longer lines are hard to read */
	MARKDOWN_MAX_DEPTH = 32,   /* of nested blocks; deeper ones are not indented further */
	MARKDOWN_MAX_COLUMNS = 32, /* of a table; the rest is left out */
};

/* Append text n bytes, rendered as whole lines of at most width columns. */
void markdown_render(struct buf *out, const char *text, size_t n, unsigned width, bool color);

struct markdown_stream;

/* Text that arrives bit by bit. */
struct markdown_stream *markdown_stream_new(unsigned width, bool color);
void markdown_stream_free(struct markdown_stream *s);
void markdown_stream_set_width(struct markdown_stream *s, unsigned width);

/* More of it. */
void markdown_stream_add(struct markdown_stream *s, const char *p, size_t n);

/* Append the rendered blocks that are complete and will not change any more; once each. end: all
 * are. */
void markdown_stream_take(struct markdown_stream *s, bool end, struct buf *out);

/* Is the place above the open part one between two blocks, where a line of others cuts nothing in
 * two? */
bool markdown_stream_is_between(const struct markdown_stream *s);

/* Append the block that is still open, as it looks now. */
void markdown_stream_open(const struct markdown_stream *s, struct buf *out);

#endif
