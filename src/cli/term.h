#ifndef CLI_TERM_H
#define CLI_TERM_H

/*
 * What a person sees. Text of a model goes to standard output; on a terminal
 * its control characters are made harmless (no escape sequence moves the cursor
 * or sets the clipboard). Notes go to standard error.
 */

#include <stddef.h>

struct buf;

/* Append p[0..n) with its control characters, but for line ends and tabs, made harmless. */
void term_put_harmless(struct buf *out, const char *p, size_t n);

/* A piece of the answer. */
void term_put_text(const char *p, size_t n);

/* The answer ended: end its line if it did not. */
void term_end_line(void);

/* One line, as it is. */
void term_put_line(const char *p, size_t n);

/* Formatted text to standard output, its control characters made harmless: ids, titles, previews.
 */
void term_printf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* A dim line on standard error, on a line of its own. */
void term_note(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
