#ifndef DAEMON_SUBSCRIBER_H
#define DAEMON_SUBSCRIBER_H

/*
 * A client of events, whatever its transport: its cursors (one for the session
 * it named, or one for each session that said something since it came), which of
 * them is in the middle of an event, and who goes next. An event is never
 * interrupted by another one, nor by anything else that is sent. Embedded by value in the
 * client of a transport. Loop thread only.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/list.h"
#include "daemon/push.h"
#include "session/feed.h"

struct conn;
struct core;
struct segment;
struct session;
struct subscriber;

/* Where a subscriber stands in one session. */
struct place {
	struct list link;
	struct cursor cursor;
	struct subscriber *subscriber;
	bool told_end; /* subscriber_ops.on_end was called for it */
	bool checking; /* cursor.next was seen before; subscriber_ops.check says what follows */
};

struct subscriber_ops {
	/* Between two events: what else is to be sent goes now. May be NULL. */
	void (*between)(void *data);
	/* The place reached the log's end for the first time. May be NULL. */
	void (*on_end)(void *data, struct place *place);
	/* The event of a place that is checking lies at `at`: advance the cursor. NULL when none
	 * ever is. */
	void (*check)(void *data, struct place *place, const struct segment *segment, size_t at);
	/* PUSH_GONE, PUSH_BAD or PUSH_LOST: end the client; the subscriber may be finished and
	 * freed. */
	void (*on_lost)(void *data, enum push_result why);
};

struct subscriber {
	struct conn *conn;		      /* borrowed */
	const struct subscriber_ops *ops;     /* borrowed */
	const struct push_encoding *encoding; /* borrowed; NULL: WebSocket frames */
	void *data;
	struct list places;    /* owned */
	struct place *cut;     /* the place whose event is half sent, or NULL */
	struct place *writing; /* the place whose offered write is under way, or NULL */
	struct follower follower;
	bool *finished; /* where subscriber_flush waits to be told of an end, or NULL */
	bool all;	/* follows all sessions */
};

/* Begin: counts as a client of events and bounds the kernel's queue. Fields above `places` are set.
 */
void subscriber_init(struct subscriber *s);

/* Leave all logs. The connection is the caller's. */
void subscriber_finish(struct subscriber *s);

/* Events of session from `next` on; sent soon. */
struct place *subscriber_add(struct subscriber *s, struct session *session, uint64_t next);

/* Leave one session's log; not while its event is half sent. */
void subscriber_drop(struct place *place);

/* Events of all sessions from now on. */
void subscriber_follow_all(struct subscriber *s, struct core *core);

/* The socket takes bytes again. */
void subscriber_wake(struct subscriber *s);

/* Is an event half sent, or anything queued before the next one? Then nothing else may be sent. */
bool subscriber_is_blocked(const struct subscriber *s);

/*
 * Send what lies ready and fits into the socket, before a goodbye. False: the
 * client ended within (on_lost) and s may be gone.
 */
bool subscriber_flush(struct subscriber *s);

#endif
