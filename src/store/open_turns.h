#ifndef STORE_OPEN_TURNS_H
#define STORE_OPEN_TURNS_H

/*
 * The turns that have no stop event when a database is opened, and what ending them takes: their
 * events, and writes that follow the log's end. What is written is whoever ends them's to say
 * (session/recovery.h). Before the store's threads start; all functions block.
 */

#include <stddef.h>
#include <stdint.h>

#include "protocol/events.h"
#include "protocol/payload.h"

struct buf;
struct db;
struct err;
struct item;

/* Ending one of them: where the session's log and messages go on. */
struct open_turn {
	struct turn_names names; /* borrowed until return; mode too */
	struct db *db;
	const char *daemon_id, *session_id;
	int64_t num, session;
	uint64_t queued_seq, last_seq; /* last_seq: of the log; moves with open_turn_append */
};

/* Called for each, in the order they were accepted, all in one durable transaction. 0, or a code
 * that undoes all of it. */
typedef int open_turn_cb(struct open_turn *t);

/*
 * End every open turn by end_turn. *ret_turns gets how many there were. Costs nothing when none is
 * open. 0, or a code with a sentence: nothing was changed then.
 */
int open_turns_end(struct db *db, const char *daemon_id, open_turn_cb *end_turn, size_t *ret_turns,
    struct err *reterr);

/* The session's events from the turn's turn.queued on, each until take returns; those of other
 * turns are among them. 0 or a code. */
typedef void open_turn_take(void *data, uint64_t seq, enum event_kind kind, struct str payload);
int open_turn_replay(const struct open_turn *t, open_turn_take *take, void *data);

/* Append an event at the end of the session's log. 0 or a code. */
int open_turn_append(struct open_turn *t, enum event_kind kind, const struct buf *payload);

/* Permission requests of the turn that nobody decided: *ret gets their ids, which the caller frees,
 * each and the list. 0 or a code. */
int open_turn_requests(const struct open_turn *t, char ***ret, size_t *ret_count);

/* They are denied by the daemon from now on: the rows, not the events. 0 or a code. */
int open_turn_deny_requests(const struct open_turn *t);

/* Add item as the session's last message. 0 or a code. */
int open_turn_add_message(const struct open_turn *t, const struct item *item);

#endif
