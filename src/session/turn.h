#ifndef SESSION_TURN_H
#define SESSION_TURN_H

/*
 * One turn: from the user's words to its stop event. Loop thread only.
 * The drawing of its states is in turn.c.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/list.h"
#include "base/str.h"
#include "protocol/events.h"
#include "protocol/payload.h"
#include "protocol/requests.h"

struct session;
struct turn;

struct turn_opts {
	struct session *session; /* borrowed; the turn takes a reference */
	const char *writer_id, *client_id, *mode, *content;
	size_t content_len;
	struct turn_overrides overrides;
};

/* A turn with a fresh id, not in any queue. Strings are copied. */
struct turn *turn_new(const struct turn_opts *opts);

/* Free a turn that is in no queue and not running. */
void turn_free(struct turn *t);

/* Its place in the session's queue. */
struct list *turn_link(struct turn *t);
struct turn *turn_of_link(struct list *l);

/* Names; borrowed from t. */
const struct turn_names *turn_names(const struct turn *t);
const char *turn_content(const struct turn *t, size_t *ret_len);

/* The seq of its turn.queued; set once, when that is appended. And of its turn.start: 0 before. */
void turn_set_queued_seq(struct turn *t, uint64_t seq);
uint64_t turn_queued_seq(const struct turn *t);
uint64_t turn_start_seq(const struct turn *t);

/* Was its acceptance committed? Only then may it start. */
bool turn_recorded(const struct turn *t);
void turn_set_recorded(struct turn *t);

/* Run it: it is the session's active turn from now on and ends by itself. */
void turn_start(struct turn *t);

/* End it now with turn.error (code and message) or, with code NULL, as part of a cancel the caller
 * appends. False when its stop event is already on its way. */
bool turn_end_early(struct turn *t, const char *code, const char *message);

/* An event of the session was appended while the turn runs: it becomes history. payload is borrowed
 * until return. */
void turn_take(struct turn *t, uint64_t seq, enum event_kind kind, struct str payload);

/* The log lost what was not durable. */
void turn_storage_failed(struct turn *t, int rc);

/* The log's end moved to seq: the model may be read on. */
void turn_log_moved(struct turn *t, uint64_t seq);

/*
 * Append what goes before the turn's stop event: the ends of tool calls and permission requests
 * that were given up. At each try to write that event.
 */
void turn_put_rest(struct turn *t);

/* Add the messages it leaves in the history to the batch of its stop event, which was appended. */
void turn_save_messages(struct turn *t);

/* That batch was lost: it will be written again. */
void turn_forget(struct turn *t);

#endif
