#ifndef STORE_STORE_H
#define STORE_STORE_H

/*
 * The database and its threads: one writer with group commit, one reader, one
 * for checkpoints. The loop thread hands over jobs and gets them back by callback.
 *
 * When a batch fails, what was submitted after it fails with it.
 * Jobs written within one turn of the loop, and the events appended to logs
 * within it, are one transaction: all or none. A batch that holds a job marked
 * durable survives a power cut before its callbacks run; others survive the
 * death of the process.
 *
 * All functions: loop thread only, but job->run, which runs on the store's thread.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/list.h"
#include "store/open_turns.h"

struct cache;
struct db;
struct err;
struct packer;
struct store;
struct uv_loop_s;

/* Sessions are numbered; a segment's or message's key is number << STORE_SEQ_BITS | seq. */
enum { STORE_SEQ_BITS = 36 };

static inline int64_t store_key(int64_t session, uint64_t seq)
{
	/* A damaged row may hold any number. */
	return (int64_t)((uint64_t)session << STORE_SEQ_BITS | seq);
}

static inline uint64_t store_seq(int64_t key)
{
	return (uint64_t)key & (((uint64_t)1 << STORE_SEQ_BITS) - 1);
}

struct store_job {
	struct list link; /* the store's from submission to done */
	/* On a store thread, within a transaction. 0 or a negative code; a code fails the whole
	 * batch. */
	int (*run)(struct db *db, struct store_job *job);
	/* On the loop: rc is run's, or why the commit failed. Owns the job again. */
	void (*done)(struct store_job *job, int rc);
	bool single;  /* run is one statement: by itself it needs no transaction around it */
	bool durable; /* writes: the commit must survive a power cut */
	int rc;	      /* the store's */
};

struct store_stats {
	int64_t sessions;	/* stored */
	int64_t turns;		/* ever accepted */
	int64_t next_session;	/* the next free number */
	size_t recovered;	/* turns ended as interrupted at the start */
	const char *network_fs; /* name of the network filesystem, or NULL */
};

/*
 * Open the database dir/opta.db, migrate, end every turn without a stop event by end_turn, in the
 * name of daemon_id (NULL: they stay open), start the threads. Blocks: call before the loop runs.
 * ERR_VERSION, ERR_CORRUPT, -EACCES … with a sentence.
 */
int store_open(struct uv_loop_s *loop, const char *dir, const char *daemon_id,
    open_turn_cb *end_turn, struct store **ret, struct store_stats *ret_stats, struct err *reterr);

/* Write what is pending, run its callbacks, end the threads, close. The loop must run once more
 * before it is closed. */
void store_close(struct store *s);

/* Has store_close begun? Then nothing that is asked for is read any more. */
bool store_is_closing(const struct store *s);

/* Hand over a job for the writer (in the next batch) or the reader. */
void store_write(struct store *s, struct store_job *job);
void store_read(struct store *s, struct store_job *job);

/*
 * Like store_write, before all jobs given to that in the batch: events, so that
 * readers know of them when the callbacks of rows run.
 */
void store_write_first(struct store *s, struct store_job *job);

/* Segments read before; borrowed for the store's life. */
struct cache *store_cache(struct store *s);

/* Packs what is of ended turns; borrowed for the store's life. */
struct packer *store_packer(struct store *s);

/* Something is to be written at the end of this turn of the loop: sealer is called then, to submit
 * it. */
struct store_sealer {
	struct list link; /* in no list, or the store's */
	void (*seal)(struct store_sealer *sealer);
};
void store_want_seal(struct store *s, struct store_sealer *sealer);

/* Microseconds from hand-over to commit of the last batches; for metrics. */
void store_latency(
    const struct store *s, uint64_t *ret_p50_us, uint64_t *ret_p99_us, size_t *ret_samples);

#endif
