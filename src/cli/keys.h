#ifndef CLI_KEYS_H
#define CLI_KEYS_H

/*
 * Bytes from a terminal as keys: UTF-8 characters, control keys, the escape
 * sequences of xterm and its kin, bracketed paste. Sequences may be cut anywhere between reads.
 * Pure.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

enum {
	KEYS_MAX_PASTE = 1024 * 1024, /* a paste larger than this is cut */
	KEYS_MAX_SEQUENCE = 32,	      /* an escape sequence longer than this is dropped */
};

enum key {
	KEY_TEXT, /* a character, or a whole paste */
	KEY_ENTER,
	KEY_NEWLINE, /* Alt+Enter, Ctrl+J: a line end within the text */
	KEY_TAB,
	KEY_BACKSPACE,
	KEY_DELETE,
	KEY_LEFT,
	KEY_RIGHT,
	KEY_UP,
	KEY_DOWN,
	KEY_HOME,
	KEY_END,
	KEY_WORD_LEFT,
	KEY_WORD_RIGHT,
	KEY_WORD_BACKSPACE,
	KEY_WORD_DELETE,
	KEY_KILL_END,  /* Ctrl+K */
	KEY_KILL_LINE, /* Ctrl+U */
	KEY_YANK,      /* Ctrl+Y */
	KEY_TRANSPOSE, /* Ctrl+T */
	KEY_CLEAR,     /* Ctrl+L */
	KEY_CANCEL,    /* Ctrl+C */
	KEY_EOF,       /* Ctrl+D */
	KEY_ESCAPE,
	KEY_SEARCH,  /* Ctrl+R */
	KEY_SUSPEND, /* Ctrl+Z */
};

struct keys {
	struct buf pending; /* the beginning of a sequence or character, or a paste under way */
	bool pasting;
};

/* text, n: for KEY_TEXT; valid until return. pasted: it came as a paste. */
typedef void keys_cb(void *data, enum key key, const char *text, size_t n, bool pasted);

/* Take n bytes. */
void keys_feed(struct keys *k, const char *p, size_t n, keys_cb *on_key, void *data);

/* Nothing came for a moment: a lone ESC was the key itself. True when there was one. */
bool keys_settle(struct keys *k, keys_cb *on_key, void *data);

void keys_finish(struct keys *k);

#endif
