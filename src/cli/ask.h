#ifndef CLI_ASK_H
#define CLI_ASK_H

/*
 * One turn from the command line: submit, follow its events through lost
 * connections and restarted daemons, print, cancel on Ctrl+C. Blocks.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct client;
struct err;

struct ask_opts {
	const char *session; /* its id */
	const char *mode;    /* "chat" or "do" */
	const char *content; /* the user's words */
	size_t content_len;
	bool json; /* print envelopes instead of text */
};

/*
 * Make a session for the current directory. model NULL: the default. Writes its id (72 bytes).
 */
int ask_new_session(const struct client *c, const char *model, char *ret_id, struct err *reterr);

/* Run the turn. An exit code of cli/cmd.h; says itself what went wrong. *c is updated when the
 * daemon was found anew. */
int ask_run(struct client *c, const struct ask_opts *opts);

#endif
