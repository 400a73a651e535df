/* The checkpoint thread. */
#include "store/checkpoint.h"

#include <errno.h>
#include <sqlite3.h>
#include <stdbool.h>

#include "base/err.h"
#include "base/fault.h"
#include "base/mem.h"
#include "store/db.h"

struct checkpoint {
	pthread_t thread;
	pthread_mutex_t lock; /* guards wanted, running and stop */
	pthread_cond_t wake;
	pthread_cond_t idle; /* running became false */
	int64_t wanted;	     /* bytes of log at the last note, 0: nothing to do */
	bool running;
	bool stop;
	int64_t noted;		      /* the writer thread's: size at its last wake-up call */
	struct db *db;		      /* the thread's */
	pthread_mutex_t *writer_lock; /* borrowed */
};

static void run(struct checkpoint *c, int64_t bytes)
{
	bool hard = bytes >= CHECKPOINT_HARD;

	FAULT("checkpoint");
	/* First without anybody waiting, so that little is left for the moment that holds the
	 * writer. */
	sqlite3_wal_checkpoint_v2(c->db->h, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
	FAULT("checkpointed");
	if (!hard)
		return;
	pthread_mutex_lock(c->writer_lock);
	sqlite3_wal_checkpoint_v2(c->db->h, NULL, SQLITE_CHECKPOINT_RESTART, NULL, NULL);
	pthread_mutex_unlock(c->writer_lock);
}

static void *checkpoint_thread(void *data)
{
	struct checkpoint *c = data;

	/* A connection that never read does not know the log and checkpoints nothing, silently. */
	db_number(c->db, "SELECT count(*) FROM sqlite_schema", 0);
	pthread_mutex_lock(&c->lock);
	while (!c->stop) {
		int64_t bytes = c->wanted;

		if (!bytes) {
			pthread_cond_wait(&c->wake, &c->lock);
			continue;
		}
		c->wanted = 0;
		c->running = true;
		pthread_mutex_unlock(&c->lock);
		run(c, bytes);
		pthread_mutex_lock(&c->lock);
		c->running = false;
		pthread_cond_signal(&c->idle);
	}
	pthread_mutex_unlock(&c->lock);
	return NULL;
}

int checkpoint_new(
    const char *path, pthread_mutex_t *writer_lock, struct checkpoint **ret, struct err *reterr)
{
	struct checkpoint *c = mem_zalloc(1, sizeof *c);
	int rc = db_open(path, false, &c->db, reterr);

	if (rc != 0) {
		free(c);
		return rc;
	}
	sqlite3_busy_timeout(c->db->h, CHECKPOINT_BUSY_MS);
	pthread_mutex_init(&c->lock, NULL);
	pthread_cond_init(&c->wake, NULL);
	pthread_cond_init(&c->idle, NULL);
	c->writer_lock = writer_lock;
	rc = -pthread_create(&c->thread, NULL, checkpoint_thread, c);
	if (rc != 0) {
		db_close(c->db);
		free(c);
		return err_set(reterr, rc, "cannot start a thread: %s", strerror(-rc));
	}
	*ret = c;
	return 0;
}

void checkpoint_note(struct checkpoint *c, int64_t wal_bytes)
{
	/* The log began anew. */
	if (wal_bytes < c->noted)
		c->noted = 0;
	if (wal_bytes - c->noted < CHECKPOINT_SOFT && wal_bytes < CHECKPOINT_LIMIT)
		return;
	c->noted = wal_bytes;
	pthread_mutex_lock(&c->lock);
	c->wanted = wal_bytes;
	pthread_cond_signal(&c->wake);
	pthread_mutex_unlock(&c->lock);
}

void checkpoint_wait(struct checkpoint *c)
{
	if (c->noted < CHECKPOINT_LIMIT)
		return;
	/* Once around is enough: when a reader kept it from succeeding, writing goes on. */
	pthread_mutex_lock(&c->lock);
	while (c->wanted || c->running)
		pthread_cond_wait(&c->idle, &c->lock);
	pthread_mutex_unlock(&c->lock);
}

void checkpoint_free(struct checkpoint *c)
{
	if (!c)
		return;
	pthread_mutex_lock(&c->lock);
	c->stop = true;
	pthread_cond_signal(&c->wake);
	pthread_mutex_unlock(&c->lock);
	pthread_join(c->thread, NULL);
	db_close(c->db);
	pthread_mutex_destroy(&c->lock);
	pthread_cond_destroy(&c->wake);
	pthread_cond_destroy(&c->idle);
	free(c);
}
