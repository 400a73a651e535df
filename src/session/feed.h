#ifndef SESSION_FEED_H
#define SESSION_FEED_H

/*
 * Cursors: where each client stands in a session's log. When the log's end
 * moves, cursors that wait there are called, at most FEED_SLICE_US of them in
 * one turn of the loop, however many logs moved in it, so that a thousand
 * clients do not make one wait. Those that want one small write each get them
 * done together (net/fanout.h).
 * A cursor costs a position, never a queue. Loop thread only.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/list.h"

struct fanout_write;
struct feed;
struct log_read;
struct segment;
struct session;
struct uv_loop_s;

enum {
	FEED_SLICE_US = 1000,
	FEED_CALLS = 4,	     /* before the clock is read */
	FEED_TOGETHER = 128, /* writes done together before it is read, as far as there is time */
	FEED_WRITE_US = 4,   /* what one takes, about */
	/* Two threads write only after a rest of so many times what the last round takes one: with
	 * less, whoever reads needs the processor. */
	FEED_REST = 2,
	/* The same once a round has lasted so long: it is a stream of events, not one. */
	FEED_ROUND_US = 10000,
	/* Cursors that read the segment after theirs while theirs is being sent; the others wait
	 * for each. */
	FEED_AHEAD = 8,
};

struct cursor {
	struct list link;	 /* in the session's list of cursors */
	struct list ready;	 /* in the feed's list, in that of writes under way, or in none */
	struct session *session; /* owned reference; NULL when detached */
	uint64_t next;		 /* the event to send next */
	size_t offset;		 /* bytes of it already sent, in the owner's own encoding */
	struct segment *cold;	 /* owned reference: what was read from disk for it */
	struct segment *after;	 /* the same: what follows cold, or NULL */
	struct log_read *read;	 /* under way, or NULL */
	bool flows;		 /* took one whole segment from disk, and wants the next */
	bool ahead;		 /* counted as one that reads ahead */
	bool waiting;		 /* at the end: to be called when it moves */
	bool failed;		 /* the log could not be read */
	/* There is more (or the session is gone, or a read failed): call cursor_next. May detach.
	 */
	void (*on_ready)(struct cursor *cursor);
	/*
	 * May be asked instead, or NULL; on_taken goes with it. True: all there is to do now is
	 * this write, and on_taken will be told its outcome. False: on_ready is called. Detaches
	 * and frees nobody. No two cursors offer writes to one descriptor before the first is told.
	 */
	bool (*offer)(struct cursor *cursor, struct fanout_write *ret);
	void (*on_taken)(struct cursor *cursor, const struct fanout_write *write);
	unsigned write; /* the feed's: which of the writes under way is its own */
};

enum cursor_state {
	CURSOR_DATA, /* *ret_segment holds cursor->next, at *ret_at */
	CURSOR_END,  /* nothing more now; on_ready will be called */
	CURSOR_WAIT, /* being read from disk; on_ready will be called */
	CURSOR_GONE, /* the session was deleted */
	CURSOR_BAD,  /* the log is damaged or cannot be read here */
};

struct feed *feed_new(struct uv_loop_s *loop);
void feed_free(struct feed *f);

/* Put a zeroed cursor (on_ready set) into the session, before event `next`; on_ready is called
 * soon. */
void cursor_attach(struct cursor *cursor, struct session *session, uint64_t next);

/* Take it out; safe at any time, also within on_ready and when not attached. */
void cursor_detach(struct cursor *cursor);

/* What is to be sent now. The segment is borrowed until the loop goes on. */
enum cursor_state cursor_next(struct cursor *cursor, struct segment **ret_segment, size_t *ret_at);

/* The client took everything before event `next` and offset bytes of that. */
void cursor_advance(struct cursor *cursor, uint64_t next, size_t offset);

/* The client is blocked: give back memory that can be read again. */
void cursor_relax(struct cursor *cursor);

/* Call on_ready soon (the client's socket takes bytes again). */
void cursor_wake(struct cursor *cursor);

/* The end of the session's log moved, or the session is gone: wake who waits. */
void feed_announce(struct feed *f, struct session *session);

/* A client of all sessions. on_activity: events from seq `from` on became readable in session. */
struct follower {
	struct list link;
	void (*on_activity)(struct follower *f, struct session *session, uint64_t from);
};

#endif
