#ifndef SESSION_HISTORY_H
#define SESSION_HISTORY_H

/*
 * The history of a session as a fold of its log: events in, items out. The same events give the
 * same items, whoever takes them: the turn that appends them, the start that finds a turn
 * open. Pure: no clock, no file, no socket. One thread at a time.
 *
 * A turn is in it from its turn.start on; what waits in the queue is kept aside.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "protocol/events.h"

struct history;
struct item;

struct history *history_new(void);
void history_free(struct history *h);

/*
 * The event with that seq and kind; payload is its JSON text and is not kept. Events come in the
 * order of their seqs. What is no good payload, or of no turn that is known, changes nothing.
 */
void history_take(struct history *h, uint64_t seq, enum event_kind kind, struct str payload);

/* What was taken up to seq is durable: it will not be forgotten. */
void history_settle(struct history *h, uint64_t seq);

/* The log lost what came after seq: so does the history. seq is at least the one settled last. */
void history_forget(struct history *h, uint64_t seq);

/* The items so far, in order. Borrowed until the next take or forget. */
size_t history_count(const struct history *h);
const struct item *history_item(const struct history *h, size_t i);

/* Was turn.queued of that turn taken? */
bool history_knows(const struct history *h, const char *turn_id);

/* The turn that began and did not end: its id, borrowed, or NULL. */
const char *history_running(const struct history *h);

/*
 * Calls of the running turn without a result, in the order of the answer: call i, or false. name
 * and id are borrowed. started: its tool.start was seen. answer: what a person said to it
 * (ask_user) before the end came, or NULL.
 */
struct history_call {
	const char *id, *name, *answer;
	bool started;
};
bool history_open_call(const struct history *h, size_t i, struct history_call *ret);

#endif
