#ifndef SESSION_SESSION_H
#define SESSION_SESSION_H

/*
 * One session in memory: its row, its log, its turns. Loaded when somebody
 * needs it, gone when nobody holds a reference and nothing runs. Loop thread only.
 */

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/list.h"
#include "base/map.h"
#include "protocol/errors.h"
#include "store/sessions.h"

struct buf;
struct core;
struct log;
struct request_cancel;
struct request_session;
struct request_turn;
struct snapshot;
struct turn;

/* Fields are for the session floor; the daemon floor reads them through functions. */
struct session {
	struct core *core; /* borrowed */
	unsigned refs;
	struct session_row row;	 /* what the database has or will have */
	struct log *log;	 /* owned */
	struct list cursors;	 /* struct cursor */
	struct list queue;	 /* struct turn: accepted, waiting */
	struct list permissions; /* struct permission: requests not yet decided */
	json_t *rules;		 /* owned: remembered decisions, or NULL */
	struct turn *active;	 /* owned; NULL: none */
	unsigned stops;		 /* stop events being written */
	unsigned failures;	 /* runs of changes the disk refused */
	unsigned lookups;	 /* submits waiting for the store's answer */
	unsigned queued;	 /* length of queue */
	struct map keys;    /* idempotency key -> struct turn_key of turns since it was loaded */
	struct map writers; /* writer id -> itself, those known to have had a turn */
	uint64_t announced; /* the end of the log that readers were told of */
	uint64_t turn_seq;  /* the last turn event that is durable, as far as was seen */
	bool deleted, busy;
};

struct session *session_ref(struct session *s);
void session_unref(struct session *s);

/* What clients see of it; strings are borrowed from s. */
void session_snapshot(const struct session *s, struct snapshot *ret);

/*
 * Append the turns that have not ended, the running one first, as a JSON array of
 * {turnId, queuedSeq, startSeq}: where a client that comes in the middle begins to read the log so
 * that it sees what one that was there from their beginning sees. startSeq 0: it waits.
 */
void session_put_open_turns(const struct session *s, struct buf *out);

/* The end of the log that clients may see. */
uint64_t session_last_seq(const struct session *s);

/* The id. Borrowed. */
const char *session_id(const struct session *s);

/* --- for clients: each callback is called once, never before the function returns unless said ---
 */

struct submit_result {
	enum api_error error; /* API_OK: accepted */
	const char *sentence; /* for an error */
	const char *turn_id;
	uint64_t queued;
};
typedef void session_submit_cb(void *data, const struct submit_result *result);

/*
 * Accept a turn (submit.c). The callback says so only after it is durable; it may be
 * called before this returns for a refusal. Strings of request are copied.
 */
void session_submit(
    struct session *s, const struct request_turn *request, session_submit_cb *done, void *data);

struct cancel_result {
	enum api_error error;
	uint64_t queued; /* waiting turns cancelled */
	bool active;	 /* the running one was */
};
typedef void session_cancel_cb(void *data, const struct cancel_result *result);

/* Cancel the turns that match (cancel.c); calls back once it is durable (at once when none
 * matched). */
void session_cancel(
    struct session *s, const struct request_cancel *request, session_cancel_cb *done, void *data);

typedef void session_done_cb(void *data, enum api_error error, struct session *s);

/* Change title, model, metadata (those not NULL) and append session.updated. */
void session_patch(
    struct session *s, const struct request_session *request, session_done_cb *done, void *data);

/* Delete it: API_CONFLICT while a turn is active or queued. */
void session_delete(struct session *s, session_done_cb *done, void *data);

/* --- for the session floor --- */

/* Has it a workspace, its own or daemon.defaultWorkspace? The path, without a "/" at the end, is
 * appended to out (may be NULL). */
bool session_workspace(const struct session *s, struct buf *out);

/* Make the in-memory session of row (copied). One reference, the caller's. */
struct session *session_new(struct core *core, const struct session_row *row);

/* End queued turns, and with running also the active one, as interrupted. */
void session_interrupt(struct session *s, bool running);

/* Append an event (counts it, keeps last_turn_seq). */
uint64_t session_append(struct session *s, int kind, struct buf *payload);

/* Write the row with the current numbers. */
void session_save(struct session *s, bool durable, store_done_cb *done, void *data);

/* Put a turn at the end of the queue; take one out, wherever it stands. */
void session_enqueue(struct session *s, struct turn *t);
void session_dequeue(struct session *s, struct turn *t);

/* Something began, ended or left the queue: start the next turn, become busy or idle. */
void session_pump(struct session *s);

/* ERR_FULL and kin as an API error. */
enum api_error session_store_error(int rc);

#endif
