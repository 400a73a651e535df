#ifndef STORE_CHECKPOINT_H
#define STORE_CHECKPOINT_H

/*
 * Moves the write-ahead log into the database on a thread and connection of
 * its own, so that no commit waits for it: passively every CHECKPOINT_SOFT
 * bytes, and past CHECKPOINT_HARD with the writer held for the moment it takes
 * to begin the log anew (passive ones alone let it grow without end under load).
 */

#include <pthread.h>
#include <stdint.h>

struct checkpoint;
struct err;

enum {
	CHECKPOINT_SOFT = 4 * 1024 * 1024,
	CHECKPOINT_HARD = 8 * 1024 * 1024,
};

/* Start the thread on path. writer_lock is held by the writer during each transaction; borrowed. */
int checkpoint_new(
    const char *path, pthread_mutex_t *writer_lock, struct checkpoint **ret, struct err *reterr);

/* The log is wal_bytes long now. Writer thread; never blocks for long. */
void checkpoint_note(struct checkpoint *c, int64_t wal_bytes);

/* End the thread. NULL is allowed. */
void checkpoint_free(struct checkpoint *c);

#endif
