#ifndef CLI_CONSENT_H
#define CLI_CONSENT_H

/*
 * Which key answers a permission request on the screen. A letter of a word that
 * somebody is typing must not approve a command, and what was not shown must not be approved: so a
 * key counts only where nothing is typed and the request has stood there, unchanged and without any
 * key, for CONSENT_QUIET_MS; and it is carried out only when no other key follows within
 * CONSENT_HOLD_MS ("stop that" begins with an s), or at Enter. Pure: times are given, in
 * microseconds of the monotonic clock.
 *
 *   quiet --a letter that answers--> HELD --CONSENT_HOLD_MS, Enter--> carried out
 *                                      |
 *                                      +--any other key--> text, like that key
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;

enum {
	CONSENT_QUIET_MS = 700,
	CONSENT_HOLD_MS = 350, /* longer than between two letters of a word */
};

enum consent_answer {
	CONSENT_NONE,	 /* the key is no answer: it is text */
	CONSENT_HELD,	 /* it is one; call consent_settle after CONSENT_HOLD_MS without a key */
	CONSENT_UNSEEN,	 /* it would approve what was not shown: view it first */
	CONSENT_ONCE,	 /* y: yes */
	CONSENT_SESSION, /* s: yes, and the same again in this session */
	CONSENT_NO,	 /* n: no */
	CONSENT_REASON,	 /* r: no, and why */
	CONSENT_VIEW,	 /* v: show all of it */
};

/* A request on the screen. Zeroed: none. */
struct consent {
	bool open;
	bool command;	   /* "this session" holds for this exact command */
	size_t hidden;	   /* lines of it that were not shown */
	bool viewed;	   /* all of it was, in the pager */
	uint64_t quiet_us; /* of the last key, or of its last appearance on the screen */
	enum consent_answer held;
	char held_key;
	char text; /* a held letter that turned out to be text; 0: none */
};

/* It stands on the screen, (again) as of now. */
void consent_show(struct consent *c, uint64_t now_us);

/*
 * Any key was pressed. key: its character ('\r' for Enter), 0 for another one; draft: is something
 * being typed? Where c->text is set then, that letter was typed before this key, which is
 * CONSENT_NONE; the caller takes it and sets it to 0.
 */
enum consent_answer consent_key(struct consent *c, char key, bool draft, uint64_t now_us);

/* CONSENT_HOLD_MS have passed without another key: the held answer, CONSENT_NONE when there is
 * none.
 */
enum consent_answer consent_settle(struct consent *c);

/* Append the question and its keys as rows of at most width columns, ended by "\n". */
void consent_put_question(const struct consent *c, unsigned width, struct buf *out);

#endif
