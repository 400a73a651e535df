#ifndef CLI_CLIENT_H
#define CLI_CLIENT_H

/*
 * The daemon as the command line meets it: finding it, starting it, asking it.
 * These block until the answer is there; each runs a small loop of its own.
 */

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/paths.h"

struct err;

enum { CLIENT_ASK_MS = 10000 }; /* for commands that only ask the daemon */

/* Where the running daemon is and what proves we may talk to it. */
struct client {
	struct paths paths;
	pid_t pid;
	char host[256]; /* to connect to */
	int port;
	char token[128];
	char contract[80]; /* what it speaks, "opta-daemon-v3@1"; "" when it does not say */
	bool told_to_stop; /* with CLIENT_STOPPED: somebody stopped it, it did not die */
};

/* What state.json says of a daemon that is not running; exit codes aside. */
enum client_found {
	CLIENT_RUNNING, /* c is filled */
	CLIENT_STOPPED, /* no daemon; c->told_to_stop says why */
	CLIENT_LOST,	/* one holds the lock (c->pid) and does not say where it is */
};

/*
 * Fill c from the text of a state.json: pid, host, port, token, told_to_stop. False when
 * it does not name a daemon one could talk to. Pure.
 */
bool client_parse_state(struct client *c, const char *p, size_t n);

/*
 * Find the daemon that owns c->paths (set). A lost state.json is asked for by
 * SIGHUP and waited for. Never starts one.
 */
enum client_found client_find(struct client *c);

enum client_start {
	CLIENT_EXPLICIT,  /* somebody said `daemon start`: always try */
	CLIENT_AUTOMATIC, /* a command needs it: not again and again when it dies (launch.h) */
};

/*
 * Find the daemon or start it, waiting for it to be ready. *ret_started: by us.
 * 0, or a code with the reason.
 */
int client_start(struct client *c, enum client_start how, bool *ret_started, struct err *reterr);

/* Fill c->paths, client_start, and see that it speaks our contract (ERR_VERSION). The one line for
 * commands that need the daemon. */
int client_open(struct client *c, struct err *reterr);

/*
 * One request. body may be NULL. Appends the answer's body to out; returns the
 * HTTP status, or a negative code when there was no answer within ms.
 */
int client_request(const struct client *c, const char *method, const char *target, const char *body,
    int ms, struct buf *out, struct err *reterr);

/*
 * The same for answers that are JSON: the answer of a 2xx (json_decref), or NULL with the daemon's
 * sentence or why there was none. *ret_status as of client_request, or NULL.
 */
json_t *client_json(const struct client *c, const char *method, const char *target,
    const char *body, int ms, int *ret_status, struct err *reterr);

/* The JSON of an answer's 2xx (json_decref), or NULL with the daemon's sentence; untouched for a
 * status below 1. */
json_t *client_parse_answer(int status, struct buf *out, struct err *reterr);

/* Append the target that lists the sessions whose ids may begin with id; and find in that list what
 * client_find_session finds. */
void client_put_session_query(const char *id, struct buf *out);
int client_match_session(const json_t *list, const char *id, char *ret_id, char *why, size_t size);

/*
 * The session named by an id or the only one whose id begins with it (with or without "sess_"),
 * into ret_id (72 bytes). 0, or a code with a sentence in why.
 */
int client_find_session(
    const struct client *c, const char *id, char *ret_id, char *why, size_t size);

/* The sentence of an error body, or the body itself when it has none. Valid until out changes. */
void client_error_text(const struct buf *out, char *text, size_t size);

/* The bearer header line. */
void client_put_auth(const struct client *c, struct buf *headers);

#endif
