#ifndef CLI_ASK_H
#define CLI_ASK_H

/*
 * One turn from the command line: submit, follow its events through lost
 * connections and restarted daemons, print, answer what is asked, cancel on Ctrl+C. Blocks.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct client;
struct err;

enum ask_format {
	ASK_MARKDOWN, /* shown on a terminal, as it is in a pipe */
	ASK_TEXT,     /* as the model wrote it */
	ASK_JSON,     /* each event a line */
};

struct ask_opts {
	const char *session; /* its id */
	const char *mode;    /* "chat", "do", "plan" … */
	const char *content; /* the user's words */
	size_t content_len;
	enum ask_format format;
	bool quiet;	    /* the answer alone */
	bool leave_running; /* a signal or a lost reader ends us and not the turn, as in chat */
	bool *ret_gone;	    /* set when one of the two ended us; may be NULL */
	/* What the turn may do (protocol/requests.h, struct turn_overrides). */
	bool allow_edits, allow_all, non_interactive;
	uint64_t max_tool_calls; /* 0: the setting's */
};

/*
 * Make a session for the current directory. model NULL: the default; device NULL or "": the model
 * server of the settings. Writes its id (72 bytes).
 */
int ask_new_session(const struct client *c, const char *model, const char *device, char *ret_id,
    struct err *reterr);

/* Run the turn. An exit code of cli/cmd.h; says itself what went wrong. *c is updated when the
 * daemon was found anew. */
int ask_run(struct client *c, const struct ask_opts *opts);

#endif
