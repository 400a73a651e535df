#ifndef STORE_CHECKPOINT_H
#define STORE_CHECKPOINT_H

/*
 * Moves the write-ahead log into the database on a thread and connection of
 * its own, so that no commit waits for it: passively every CHECKPOINT_SOFT
 * bytes, and past CHECKPOINT_HARD with the writer held for the moment it takes
 * to begin the log anew (passive ones alone let it grow without end under load).
 * A writer faster than the disk waits past CHECKPOINT_LIMIT.
 */

#include <pthread.h>
#include <stdint.h>

struct checkpoint;
struct err;

enum {
	CHECKPOINT_SOFT = 4 * 1024 * 1024,
	CHECKPOINT_HARD = 8 * 1024 * 1024,
	CHECKPOINT_LIMIT = 12 * 1024 * 1024,
	/* How long the writer is held while somebody reads what the log's begin would overwrite. */
	CHECKPOINT_BUSY_MS = 20,
};

/* Start the thread on path. writer_lock is held by the writer during each transaction; borrowed. */
int checkpoint_new(
    const char *path, pthread_mutex_t *writer_lock, struct checkpoint **ret, struct err *reterr);

/* The log is wal_bytes long now. Writer thread; never blocks for long. */
void checkpoint_note(struct checkpoint *c, int64_t wal_bytes);

/* Before a transaction: wait while the log is longer than CHECKPOINT_LIMIT and being written back.
 * Writer thread, without the lock. */
void checkpoint_wait(struct checkpoint *c);

/* End the thread. NULL is allowed. */
void checkpoint_free(struct checkpoint *c);

#endif
