#ifndef CLI_PROMPT_H
#define CLI_PROMPT_H

/*
 * A permission request's question on the terminal, answered with one key
 * (consent.h), or with a line when the model asks something. For `opta do`; chat has its own
 * editor. Loop thread only.
 */

#include <stdbool.h>
#include <stddef.h>

struct live;
struct prompt;
struct uv_loop_s;

enum prompt_answer {
	PROMPT_YES,
	PROMPT_SESSION, /* yes, and the same again in this session */
	PROMPT_NO,	/* text: why, or NULL */
	PROMPT_QUIT,
	PROMPT_TEXT, /* the line in text */
	PROMPT_VIEW, /* show all of the request, then call prompt_resume */
};

/* May be called again when the answer could not be sent: the prompt stays until prompt_free. */
typedef void prompt_cb(void *data, enum prompt_answer answer, const char *text);

struct prompt_opts {
	struct uv_loop_s *loop; /* borrowed, like live */
	struct live *live;	/* the bottom of the terminal, where the question is painted */
	bool line;		/* the model asks: a line answers */
	bool command;		/* "this session" is for one exact command */
	size_t hidden;		/* rows of the request that are not on the screen */
	prompt_cb *on_answer;
	void *data;
};

/* Ask on the terminal. NULL when there is none to ask on (then nothing was painted). */
struct prompt *prompt_new(const struct prompt_opts *opts);

/* The terminal was somebody else's for a while and is ours again; viewed: all of the request was
 * shown. */
void prompt_resume(struct prompt *p, bool viewed);

/* Something was written above it: it is painted anew, and keys count from a while later on. */
void prompt_repaint(struct prompt *p);

/* Give the terminal to somebody else, until prompt_resume. */
void prompt_pause(struct prompt *p);

/* Take the question away; the terminal is as it was. NULL is allowed. */
void prompt_free(struct prompt *p);

#endif
