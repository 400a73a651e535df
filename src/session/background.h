#ifndef SESSION_BACKGROUND_H
#define SESSION_BACKGROUND_H

/*
 * Processes that outlive the call that started them: a bounded number, each
 * with a bounded ring of what it wrote, its story told as events of its session.
 * They run in the same sandbox as a command and end with the daemon. Loop thread only.
 */

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "protocol/errors.h"

struct background;
struct buf;
struct core;
struct request_background;
struct session;

enum {
	BACKGROUND_MAX_ENDED = 50, /* remembered after their end; then the oldest is forgotten */
	/* Read from one process in BACKGROUND_PAUSE_MS; then it waits, as one that floods must not
	   cost the others the loop. */
	BACKGROUND_BURST = 1024 * 1024,
	BACKGROUND_PAUSE_MS = 250,
	/* Added to the length of each piece where output is bounded: a process that writes byte by
	   byte costs memory and log for every one of them. */
	BACKGROUND_PIECE_COST = 128,
	/* Longest wait of background_await: one that waits for a free worker has no pid yet. */
	BACKGROUND_AWAIT_MS = 5000,
	BACKGROUND_MAX_CHUNKS = 1000, /* in one answer of background_put_output */
};

struct background *background_new(struct core *core);
void background_free(struct background *b);

/* End all of the session's (it is deleted), or with NULL all there are (the daemon stops). */
void background_end(struct background *b, const struct session *s);

/*
 * Start request's command in the session. API_OK and *ret_id (borrowed, the process's);
 * API_CONFLICT when too many run, API_INVALID_REQUEST without a workspace or outside of it,
 * API_SHUTTING_DOWN when the daemon stops; why gets a sentence.
 */
enum api_error background_start(struct background *b, struct session *s,
    const struct request_background *request, const char **ret_id, char *why, size_t size);

/*
 * The process `id` (borrowed) has its pid, or has ended, or the wait was too long. refused: the
 * sentence why nothing ran, NULL when it did or may; the process is forgotten afterwards.
 */
typedef void background_await_cb(void *data, const char *id, const char *refused);

/* Call done once for a process that was started just now; at most one waits for each. */
void background_await(struct background *b, const char *id, background_await_cb *done, void *data);

/* Append the process as JSON; false when there is none of that id (in session_id, when given). */
bool background_put(
    const struct background *b, const char *id, const char *session_id, struct buf *out);

/* Append the processes of the session (NULL: of all) as the inside of a JSON array. */
void background_put_list(const struct background *b, const char *session_id, struct buf *out);

/* Append {"process":…,"chunks":[…],"nextSeq":…,"hasMore":…}; stream "stdout", "stderr" or "both".
 */
bool background_put_output(const struct background *b, const char *id, const char *session_id,
    uint64_t after, uint64_t limit, const char *stream, struct buf *out);

/* Send SIGTERM, SIGINT or SIGKILL (their numbers). False: there is none; *ret_killed: it ran. */
bool background_kill(
    struct background *b, const char *id, const char *session_id, int signum, bool *ret_killed);

/* A bg_* tool as it was decided on. Borrowed. */
struct background_call {
	const char *name;
	const json_t *args;
	const json_t *repositories; /* git directories outside the workspace that the process may
				       write: array of paths, NULL: none */
	bool any_repository;
	bool unguarded;
};

/* Carry it out for the session; the text for the model is appended to out. True: ok. */
bool background_tool(
    struct background *b, struct session *s, const struct background_call *call, struct buf *out);

#endif
