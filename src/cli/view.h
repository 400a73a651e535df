#ifndef CLI_VIEW_H
#define CLI_VIEW_H

/*
 * How events look to a person: tool calls as one line, diffs in colour,
 * permission requests with what they ask for. Text in, text out, nothing is printed: `do` and
 * `chat` put it where theirs goes. Everything of a model or a tool is made harmless here. Pure.
 */

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;

enum {
	VIEW_PREVIEW_LINES = 60, /* of a change that was made; the rest is counted */
	VIEW_REQUEST_ROWS = 2,	 /* of a request that are shown even on the lowest screen */
	VIEW_AROUND_REQUEST = 9, /* rows for what stands around one where nothing wraps */
	VIEW_QUESTION_ROWS = 2,	 /* of those for its question and keys */
};

struct view {
	bool color;
	unsigned width;	 /* columns; 0: no limit */
	unsigned height; /* rows of the screen; 0: no limit */
};

/* "● run_command  make test  1.2s  ok" and the first lines of what it said. end: the tool.end
 * payload; args: what its tool.start said, JSON text. Whole lines. */
void view_put_tool(struct buf *out, const struct view *v, const char *args, const json_t *end);

/* "run_command  make test" while it runs, cut to the width; no line end. */
void view_put_call(struct buf *out, const struct view *v, const char *name, const char *args);

/*
 * What a permission request asks, as whole lines, without the question at its end: at most a
 * screenful. ret_hidden gets the number of rows that are not shown, and so must not be approved.
 */
void view_put_request(
    struct buf *out, const struct view *v, const json_t *request, size_t *ret_hidden);

/* All of it, for a pager: the preview and the arguments. */
void view_put_whole_request(struct buf *out, const json_t *request);

/* "1,234 tokens · 43 tok/s · 3.2s · 4 tools" of turn.done's stats; no line end. */
void view_put_stats(struct buf *out, const json_t *stats);

/* Text in a style ("1;31"), when there is colour. */
void view_put_styled(
    struct buf *out, const struct view *v, const char *style, const char *text, size_t n);

/* The columns p[0..n) takes on a terminal (UTF-8; wide and combining characters counted as they are
 * shown). */
unsigned view_columns(const char *p, size_t n);

/* How many bytes of p[0..n) fit into that many columns; *ret_columns gets what they take. */
size_t view_fit(const char *p, size_t n, unsigned columns, unsigned *ret_columns);

#endif
