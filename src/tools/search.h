#ifndef TOOLS_SEARCH_H
#define TOOLS_SEARCH_H

/* Lines of one text that fit a regular expression (PCRE2). In the sandboxed process of a call. */

#include <stdbool.h>
#include <stddef.h>

struct buf;
struct tool_call;

enum {
	SEARCH_MAX_FOUND = 500, /* lines of one search */
	SEARCH_MAX_LINE = 400,	/* bytes of a line that are shown */
	SEARCH_MATCH_LIMIT =
	    1000000, /* steps of the matcher in one line: bounds a hostile expression */
};

struct search {
	struct tool_call *call;
	void *code, *match, *limits; /* of PCRE2 */
	size_t found;
};

/* Compile the pattern. False: it is none, and the call has failed with a sentence; nothing is to be
 * finished then. */
bool search_init(struct search *s, struct tool_call *call, const char *pattern, bool any_case);
void search_finish(struct search *s);

/*
 * Append the lines of content that fit to the call's text, as path:line:text. Bytes that are no
 * UTF-8 become "?" in content; a binary one has no lines. False: there are enough.
 */
bool search_content(struct search *s, const char *path, struct buf *content);

#endif
