#ifndef MODEL_MARKS_H
#define MODEL_MARKS_H

/*
 * What templates leave in a text when a server does not take it out: calls written as text (Hermes,
 * Qwen, Mistral, Llama), the channels of harmony, a </think> whose beginning stands in the prompt.
 * Such a call is one only when it ends the answer, stands in no block of code and names a tool that
 * was offered; all else stays the text it is. Pure; one thread.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

enum {
	MARKS_MAX_HELD = 1024 * 1024, /* bytes that may yet be a call; then they are text */
	MARKS_MAX_CALLS = 128,	      /* of one answer; more stay text */
	MARKS_MAX_HEADER = 256, /* bytes from a channel's mark to its message; else it is text */
};

struct marks_call {
	struct buf name, arguments; /* arguments: JSON text of an object */
};

struct marks {
	/* Text that is told; thinking: it is a thought. */
	void (*on_text)(void *data, bool thinking, const char *p, size_t n);
	/* The words told so far were thoughts. */
	void (*on_thought)(void *data);
	void *data;
	enum { MARKS_PLAIN, MARKS_HELD, MARKS_HEADER, MARKS_BODY } mode;
	struct buf held;	  /* not told yet */
	struct buf header;	  /* harmony: of the message that is read */
	struct marks_call *calls; /* owned: those that were read; whole after marks_end */
	size_t count;
	char line[3]; /* the beginning of the line, blanks left out */
	size_t line_len;
	char last; /* byte that was told */
	bool fenced, told, thought, off;
};

/* Embedded, zero but for on_text, on_thought and data. marks_finish frees what it has. */
void marks_feed(struct marks *m, const char *p, size_t n);

/*
 * The answer ended. offered: is there a tool of that name? What is no call is told as text; calls
 * are in m->calls. Once.
 */
void marks_end(struct marks *m, bool (*offered)(void *data, const char *name), void *data);
void marks_finish(struct marks *m);

/* The text that became calls, as it was written; empty when none did. Borrowed. */
struct str marks_written(const struct marks *m);

#endif
