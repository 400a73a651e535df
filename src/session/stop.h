#ifndef SESSION_STOP_H
#define SESSION_STOP_H

/*
 * Writing the stop event of one or more turns, with their rows and messages, in
 * one durable transaction; again every STOP_RETRY_MS while the disk refuses.
 * A turn that reached a stop is the stop's; it is freed when the event is durable.
 * This is the one place where a turn ends. Loop thread only.
 */

#include <stddef.h>

#include "protocol/events.h"

struct buf;
struct session;
struct turn;

enum { STOP_RETRY_MS = 1000 };

/* The event is durable (rc 0), or could not be written yet (rc < 0; tried again, called again). May
 * be NULL. */
typedef void stop_cb(void *data, int rc);

/* Own turns (count of them, from the session's queue or its active one) and payload's memory. */
void stop_start(struct session *s, enum event_kind kind, struct buf *payload, struct turn **turns,
    size_t count, stop_cb *done, void *data);

#endif
