#ifndef CLI_EDIT_H
#define CLI_EDIT_H

/*
 * The text being typed: an editor of a few lines with emacs keys, history and a
 * kill buffer. Knows nothing of the terminal: keys in, rows out. One thread.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "cli/keys.h"

enum {
	EDIT_MAX_TEXT = 1024 * 1024,
	EDIT_MAX_HISTORY = 500, /* entries remembered */
};

struct edit {
	struct buf text;
	size_t cursor;	 /* byte, at a character's edge */
	struct buf kill; /* what Ctrl+K and its kin took last */
	char **history;	 /* owned, oldest first */
	size_t history_count;
	size_t at;	  /* which of them is shown; history_count: the one being typed */
	struct buf draft; /* what was typed before history was walked */
	unsigned goal;	  /* the column Up and Down keep to */
};

/* A key of the editor's: true. False: it means nothing here (KEY_ENTER, KEY_CANCEL, KEY_EOF on an
 * empty line, Up at the top without history …), the caller may use it. */
bool edit_key(struct edit *e, enum key key, const char *text, size_t n);

/* Replace the text; the cursor goes to its end. */
void edit_set(struct edit *e, const char *text, size_t n);

/* The text is done: it goes into the history (unless empty or the same as the last), the editor is
 * empty. */
void edit_accept(struct edit *e);

/* Add to the history, as edit_accept does. */
void edit_remember(struct edit *e, const char *text, size_t n);

/*
 * Append the text as rows of at most width columns, the first after `prompt`, the
 * others indented by as much; ended by "\n". The cursor's place in them.
 */
void edit_rows(const struct edit *e, const char *prompt, unsigned width, struct buf *out,
    unsigned *ret_row, unsigned *ret_column);

void edit_finish(struct edit *e);

#endif
