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

/*
 * Put standard output and error behind stdio streams that lose nothing: a slow or non-blocking
 * reader is waited for, and a terminal gets no control sequence but colours (door.h). Once, first
 * thing in main.
 */
void term_begin(void);

/* Flush; the exit code to leave with: code, or 1 with a sentence when standard output took not all.
 */
int term_end(int code);

/* Why standard output takes nothing any more (a negative errno); 0 while it does. */
int term_lost(void);

/* Stop, as Ctrl+Z does, until somebody continues us. Returns at once where nobody could. */
void term_stop_self(void);

/* --- one door for what others wrote (harmless.c); each appends to out --- */

/* p[0..n) with its control characters, but for line ends and tabs, made harmless. Carriage returns
 * go. */
void term_put_harmless(struct buf *out, const char *p, size_t n);

/* The same on one line: line ends and tabs become blanks, and what changes the order in which a
 * line is read is shown. For names, titles, sentences. */
void term_put_flat(struct buf *out, const char *p, size_t n);

/* For what is approved: carriage returns and all that is not seen (bidirectional controls, blanks
 * of no width, odd blanks) are shown too, as <U+202E>. */
void term_put_visible(struct buf *out, const char *p, size_t n);

/* JSON text that means the same and is harmless: such characters become \uXXXX. */
void term_put_json(struct buf *out, const char *p, size_t n);

/* --- printing --- */

/* To standard output, as it is; an empty one is nothing. */
void term_write(const struct buf *out);

/* The same at once. False: standard output takes nothing any more. */
bool term_put_now(const char *p, size_t n);

/* A line of JSON. */
void term_put_json_line(const char *p, size_t n);

/* A line on standard output, made of pieces that may be others': ids, titles, names. None of them
 * can begin a line of its own. */
void term_line(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* The same for a question, whose answer is typed behind it. */
void term_question(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Styled text of ours (whole lines) on standard error. */
void term_put_note(const char *p, size_t n);

/* A line in red on standard error: what deserves a second look. */
void term_warn(const char *text);

/* A dim line on standard error, on a line of its own. */
void term_note(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
