#ifndef CLI_TERM_H
#define CLI_TERM_H

/*
 * What a person sees. Text of a model goes to standard output; on a terminal
 * its control characters are made harmless (no escape sequence moves the cursor
 * or sets the clipboard). Notes go to standard error.
 */

#include <stdbool.h>
#include <stddef.h>

struct buf;

/* Is fd a terminal; does it take colour (a terminal, no NO_COLOR, TERM not dumb); can the cursor be
 * moved on it; how wide it is (80 when nobody knows). */
bool term_is_terminal(int fd);
bool term_color(int fd);
bool term_moves(int fd);
unsigned term_width(int fd);
unsigned term_height(int fd);

/* Append p[0..n) with its control characters, but for line ends and tabs, made harmless. */
void term_put_harmless(struct buf *out, const char *p, size_t n);

/* The same on one line: line ends and tabs become blanks. */
void term_put_flat(struct buf *out, const char *p, size_t n);

/* A piece of the answer. */
void term_put_text(const char *p, size_t n);

/* The answer ended: end its line if it did not. */
void term_end_line(void);

/* To standard output, as it is; an empty one is nothing. */
void term_write(const struct buf *out);

/* One line, as it is. */
void term_put_line(const char *p, size_t n);

/* Formatted text to standard output, its control characters made harmless: ids, titles, previews.
 */
void term_printf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Styled text of ours (whole lines) on standard error, below a line of the answer that is still
 * open. */
void term_put_note(const char *p, size_t n);

/* A line in red on standard error: what deserves a second look. */
void term_warn(const char *text);

/* A dim line on standard error, on a line of its own. */
void term_note(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
