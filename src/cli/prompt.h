#ifndef CLI_PROMPT_H
#define CLI_PROMPT_H

/*
 * A permission request's question on the terminal, answered with one key, or
 * with a line when the model asks something. For `opta do`; chat has its own editor.
 * Loop thread only.
 */

#include <stdbool.h>

struct prompt;
struct uv_loop_s;

enum prompt_answer {
	PROMPT_APPROVE,
	PROMPT_DENY,
	PROMPT_ALL, /* approve, and all that follows for this tool */
	PROMPT_QUIT,
	PROMPT_TEXT, /* the line in text */
};

/* May be called again when the answer could not be sent: the prompt stays until prompt_free. */
typedef void prompt_cb(void *data, enum prompt_answer answer, const char *text);

/* Ask on the terminal. NULL when there is none to ask on (then nothing was printed). */
struct prompt *prompt_new(struct uv_loop_s *loop, bool line, prompt_cb *on_answer, void *data);

/* Take the question away; the terminal is as it was. NULL is allowed. */
void prompt_free(struct prompt *p);

#endif
