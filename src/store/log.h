#ifndef STORE_LOG_H
#define STORE_LOG_H

/*
 * The log of one session: where events are appended, and from where they are
 * read once they are durable. An event appended now is written with everything
 * else of this turn of the loop; nobody sees it before on_durable has run.
 * Recent segments stay in memory (the tail); older ones are read by log_read.
 * Loop thread only.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "protocol/events.h"

struct log;
struct segment;
struct store;

enum {
	/* Sealed when larger: one read and one write of a client. A single event may be larger. */
	LOG_SEGMENT_BYTES = 64 * 1024,
	/* Memory of one session's tail; a client further behind reads from disk. */
	LOG_TAIL_BYTES = 256 * 1024,
	/* Memory of all tails together: past it each keeps only what is not yet durable. */
	LOG_TAILS_BYTES = 2 * 1024 * 1024,
	/* Read for who takes one segment after the other: fewer turns of two threads. With what a
	 * row may have more than this, still small enough for the cache. */
	LOG_AHEAD_BYTES = 192 * 1024 - 1024,
	/* Bytes of an event, to guess how far a read under way will come. */
	LOG_TYPICAL_FRAME = 256,
	/* What the last daemon left unpacked is packed with the first turn, so many events back. */
	LOG_PACK_BACK = 1000000,
	/* More than this not yet durable: the producer (the model's stream) is paused. */
	LOG_PAUSE_BYTES = 1024 * 1024,
};

struct log_opts {
	struct store *store;
	int64_t session;	/* its number */
	const char *session_id; /* borrowed for the log's life */
	const char *daemon_id;	/* borrowed */
	uint64_t last_seq;	/* of what is stored */
	/* The log now ends at seq for readers. */
	void (*on_durable)(void *data, uint64_t seq);
	/* Events after log_durable could not be written (rc) and are forgotten; their numbers will
	 * be used again. */
	void (*on_failed)(void *data, int rc);
	void *data;
};

struct log *log_new(const struct log_opts *opts);

/* Free a log that has nothing unwritten (assert). NULL is allowed. */
void log_free(struct log *l);

/* Append an event; payload is JSON text and is copied. Returns its seq. */
uint64_t log_append(struct log *l, enum event_kind kind, const char *payload, size_t n);

/* The number of the last event appended, and of the last one readers may see. */
uint64_t log_last(const struct log *l);
uint64_t log_durable(const struct log *l);

/* Bytes appended and not yet durable. */
size_t log_unwritten(const struct log *l);

/* The turns whose events are durable have ended: pack them, in the background. */
void log_pack(struct log *l);

/* The segment of the tail that holds seq (durable), borrowed; NULL: see log_cached. */
struct segment *log_tail(const struct log *l, uint64_t seq);

/* One that was read for somebody and holds seq, borrowed until anything is read; NULL: use
 * log_read. */
struct segment *log_cached(const struct log *l, uint64_t seq);

/* rc 0: segment begins at or before the asked seq, and is borrowed; else ERR_CORRUPT or another
 * code. */
typedef void log_read_cb(void *data, int rc, struct segment *segment);

struct log_read;

/*
 * Read at least `bytes` of events from seq on (durable ones), if there are so many, off the
 * loop. on_read is called once, never before this returns, unless log_read_cancel is. Who
 * asks for what is being read already waits for that, and gets what it brought from seq on.
 */
struct log_read *log_read(
    struct log *l, uint64_t seq, size_t bytes, log_read_cb *on_read, void *data);

/* on_read will not be called. The read goes on and is dropped. */
void log_read_cancel(struct log_read *r);

#endif
