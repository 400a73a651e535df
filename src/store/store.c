/*
 * The store's threads. One batch is with the writer at a time; what comes
 * meanwhile is the next batch, so commits group themselves under load.
 */
#include "store/store.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <sqlite3.h>
#include <uv.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/fault.h"
#include "base/mem.h"
#include "base/os.h"
#include "base/worker.h"
#include "store/cache.h"
#include "store/checkpoint.h"
#include "store/db.h"
#include "store/packer.h"
#include "store/schema.h"

enum {
	STORE_LATENCIES = 1024, /* the last so many batches are remembered for metrics */
	STORE_WAL_PAGE = 4096 + 24,
};

struct read_work {
	struct work work;
	struct store *store;
	struct store_job *job;
};

struct store {
	uv_loop_t *loop;
	uv_async_t async;	/* the writer finished a batch */
	uv_prepare_t prepare;	/* before the loop sleeps: hand over what came up */
	struct cache *cache;	/* owned */
	struct packer *packer;	/* owned */
	struct list first;	/* jobs of the next batch: events */
	struct list pending;	/* and what comes after them: rows */
	struct list unanswered; /* reads asked for after store_close */
	struct list sealers;	/* who has more for the next batch */
	struct worker *reader;
	struct db *read_db;  /* the reader's */
	struct db *write_db; /* the writer's */
	struct checkpoint *checkpoint;
	pthread_t writer;
	pthread_mutex_t commit_lock; /* held during a transaction, and by a hard checkpoint */
	pthread_mutex_t lock;	     /* guards batch, batch_state, stop */
	pthread_cond_t wake;
	struct list batch;
	enum { BATCH_NONE, BATCH_WITH_WRITER, BATCH_FINISHED } batch_state;
	bool stop;
	bool closing;
	unsigned open_handles; /* while closing */
	bool in_flight;	       /* loop thread's view: a batch is with the writer */
	uint64_t handed_us;
	uint32_t latency_us[STORE_LATENCIES];
	size_t latencies;
	int wal_pages; /* the writer's, set by SQLite's hook */
};

/* One transaction. 0 or why nothing of it was kept. */
static int commit_batch(struct store *s, struct list *batch)
{
	struct db *db = s->write_db;
	/* SQLite makes a transaction of a statement that is in none. */
	bool single = list_single(batch) && list_entry(batch->next, struct store_job, link)->single;
	bool durable = false;
	int rc;

	list_each (l, batch) {
		durable |= list_entry(l, struct store_job, link)->durable;
	}
	rc = db_set_sync(db, durable);
	if (rc == 0 && !single)
		rc = db_run(db, "BEGIN IMMEDIATE", "");
	if (rc != 0)
		return rc;
	FAULT("batch-begun");
	list_each (l, batch) {
		struct store_job *job = list_entry(l, struct store_job, link);

		rc = job->run(db, job);
		if (rc != 0)
			break;
		FAULT("batch-job");
	}
	FAULT("batch-commit");
	if (rc == 0 && !single)
		rc = db_run(db, "COMMIT", "");
	FAULT("batch-committed");
	if (rc != 0 && !sqlite3_get_autocommit(db->h))
		db_run(db, "ROLLBACK", "");
	return rc;
}

static void *writer_thread(void *data)
{
	struct store *s = data;

	pthread_mutex_lock(&s->lock);
	for (;;) {
		int rc;

		while (s->batch_state != BATCH_WITH_WRITER && !s->stop)
			pthread_cond_wait(&s->wake, &s->lock);
		if (s->batch_state != BATCH_WITH_WRITER)
			break;
		pthread_mutex_unlock(&s->lock);
		checkpoint_wait(s->checkpoint);
		pthread_mutex_lock(&s->commit_lock);
		rc = commit_batch(s, &s->batch);
		pthread_mutex_unlock(&s->commit_lock);
		list_each (l, &s->batch) {
			list_entry(l, struct store_job, link)->rc = rc;
		}
		pthread_mutex_lock(&s->lock);
		s->batch_state = BATCH_FINISHED;
		pthread_mutex_unlock(&s->lock);
		uv_async_send(&s->async);
		checkpoint_note(s->checkpoint, (int64_t)s->wal_pages * STORE_WAL_PAGE);
		pthread_mutex_lock(&s->lock);
	}
	pthread_mutex_unlock(&s->lock);
	return NULL;
}

/* Have everybody who holds back events submit them. */
static void seal_all(struct store *s)
{
	while (!list_empty(&s->sealers)) {
		struct list *l = s->sealers.next;

		list_remove(l);
		list_entry(l, struct store_sealer, link)
		    ->seal(list_entry(l, struct store_sealer, link));
	}
}

/* Give the pending jobs to the writer, if it has none. */
static void hand_over(struct store *s)
{
	if (s->in_flight)
		return;
	seal_all(s);
	if (list_empty(&s->first) && list_empty(&s->pending))
		return;
	s->in_flight = true;
	s->handed_us = clock_mono_us();
	pthread_mutex_lock(&s->lock);
	assert(s->batch_state == BATCH_NONE);
	list_splice(&s->batch, &s->first);
	list_splice(&s->batch, &s->pending);
	s->batch_state = BATCH_WITH_WRITER;
	/* Not before: the writer would wake up only to wait for the lock. */
	pthread_mutex_unlock(&s->lock);
	pthread_cond_signal(&s->wake);
}

/*
 * A batch failed. What was submitted since then builds on it (the events after
 * its events, the rows that speak of them), so all of it fails with it. Only
 * what the callbacks submit from now on starts afresh.
 */
static void fail_pending(struct store *s, struct list *batch, int rc)
{
	seal_all(s);
	list_splice(batch, &s->first);
	list_splice(batch, &s->pending);
	list_each (l, batch) {
		list_entry(l, struct store_job, link)->rc = rc;
	}
}

static void take_finished(struct store *s)
{
	struct list batch;
	int rc;

	list_init(&batch);
	pthread_mutex_lock(&s->lock);
	if (s->batch_state == BATCH_FINISHED) {
		list_splice(&batch, &s->batch);
		s->batch_state = BATCH_NONE;
	}
	pthread_mutex_unlock(&s->lock);
	if (list_empty(&batch))
		return;
	s->in_flight = false;
	s->latency_us[s->latencies++ % STORE_LATENCIES] =
	    (uint32_t)(clock_mono_us() - s->handed_us);
	rc = list_entry(batch.next, struct store_job, link)->rc;
	/* The writer works on while clients are served. */
	if (rc == 0)
		hand_over(s);
	else
		fail_pending(s, &batch, rc);
	while (!list_empty(&batch)) {
		struct store_job *job = list_entry(batch.next, struct store_job, link);

		list_remove(&job->link);
		job->done(job, job->rc);
		FAULT("batch-answered");
	}
}

static void on_async(uv_async_t *async)
{
	take_finished(async->data);
}

static void on_prepare(uv_prepare_t *prepare)
{
	hand_over(prepare->data);
}

static int on_wal(void *data, sqlite3 *h, const char *name, int pages)
{
	struct store *s = data;

	s->wal_pages = pages;
	return SQLITE_OK;
}

static int open_databases(struct store *s, const char *path, const char *daemon_id,
    open_turn_cb *end_turn, struct store_stats *stats, struct err *reterr)
{
	int rc = db_open(path, false, &s->write_db, reterr);

	if (rc == 0)
		rc = schema_migrate(s->write_db, path, reterr);
	if (rc == 0 && end_turn)
		rc = open_turns_end(s->write_db, daemon_id, end_turn, &stats->recovered, reterr);
	if (rc == 0)
		rc = db_open(path, true, &s->read_db, reterr);
	if (rc == 0)
		rc = checkpoint_new(path, &s->commit_lock, &s->checkpoint, reterr);
	if (rc != 0)
		return rc;
	stats->sessions = db_number(s->write_db, "SELECT count(*) FROM sessions", 0);
	stats->turns = db_number(s->write_db, "SELECT max(num) FROM turns", 0);
	stats->next_session = db_number(s->write_db, "SELECT max(num) FROM sessions", 0) + 1;
	sqlite3_wal_hook(s->write_db->h, on_wal, s);
	return 0;
}

int store_open(uv_loop_t *loop, const char *dir, const char *daemon_id, open_turn_cb *end_turn,
    struct store **ret, struct store_stats *ret_stats, struct err *reterr)
{
	struct store *s = mem_zalloc(1, sizeof *s);
	struct buf path = {0};
	int rc;

	memset(ret_stats, 0, sizeof *ret_stats);
	os_is_network_fs(dir, &ret_stats->network_fs);
	pthread_mutex_init(&s->commit_lock, NULL);
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->wake, NULL);
	s->cache = cache_new();
	list_init(&s->first);
	list_init(&s->pending);
	list_init(&s->sealers);
	list_init(&s->unanswered);
	list_init(&s->batch);
	s->loop = loop;
	buf_addf(&path, "%s/opta.db", dir);
	rc = open_databases(s, buf_cstr(&path), daemon_id, end_turn, ret_stats, reterr);
	buf_finish(&path);
	if (rc == 0) {
		rc = -pthread_create(&s->writer, NULL, writer_thread, s);
		if (rc != 0)
			err_set(reterr, rc, "cannot start a thread: %s", strerror(-rc));
	}
	if (rc != 0) {
		checkpoint_free(s->checkpoint);
		db_close(s->read_db);
		db_close(s->write_db);
		cache_free(s->cache);
		free(s);
		return rc;
	}
	uv_async_init(loop, &s->async, on_async);
	s->async.data = s;
	uv_prepare_init(loop, &s->prepare);
	s->prepare.data = s;
	uv_prepare_start(&s->prepare, on_prepare);
	uv_unref((uv_handle_t *)&s->prepare);
	uv_unref((uv_handle_t *)&s->async);
	s->reader = worker_new(loop);
	s->packer = packer_new(s);
	*ret = s;
	return 0;
}

/* Both handles lie in s: it goes with the second, whichever that is. */
static void on_handle_closed(uv_handle_t *handle)
{
	struct store *s = handle->data;

	if (--s->open_handles)
		return;
	cache_free(s->cache);

	pthread_mutex_destroy(&s->commit_lock);
	pthread_mutex_destroy(&s->lock);
	pthread_cond_destroy(&s->wake);
	free(s);
}

void store_close(struct store *s)
{
	if (!s)
		return;
	s->closing = true;
	packer_stop(s->packer);
	worker_stop(s->reader);
	/* Each round may submit more (a stop event's rows); stop when a round brought nothing. */
	for (;;) {
		hand_over(s);
		if (!s->in_flight)
			break;
		while (s->in_flight) {
			take_finished(s);
			if (s->in_flight)
				uv_sleep(1);
		}
	}
	pthread_mutex_lock(&s->lock);
	s->stop = true;
	pthread_cond_signal(&s->wake);
	pthread_mutex_unlock(&s->lock);
	pthread_join(s->writer, NULL);
	packer_free(s->packer);
	checkpoint_free(s->checkpoint);
	db_close(s->read_db);
	db_close(s->write_db);
	s->open_handles = 2;
	uv_close((uv_handle_t *)&s->prepare, on_handle_closed);
	uv_close((uv_handle_t *)&s->async, on_handle_closed);
}

bool store_is_closing(const struct store *s)
{
	return s->closing;
}

void store_write(struct store *s, struct store_job *job)
{
	list_append(&s->pending, &job->link);
}

void store_write_first(struct store *s, struct store_job *job)
{
	list_append(&s->first, &job->link);
}

static void run_read(struct work *work)
{
	struct read_work *r = list_entry(work, struct read_work, work);

	r->job->rc = r->job->run(r->store->read_db, r->job);
}

static void done_read(struct work *work)
{
	struct read_work *r = list_entry(work, struct read_work, work);
	struct store_job *job = r->job;

	free(r);
	job->done(job, job->rc);
}

void store_read(struct store *s, struct store_job *job)
{
	struct read_work *r;

	/* Asked by a callback while we close: the process ends, nobody waits for the answer. */
	if (s->closing) {
		list_append(&s->unanswered, &job->link);
		return;
	}
	r = mem_zalloc(1, sizeof *r);
	r->work.run = run_read;
	r->work.done = done_read;
	r->store = s;
	r->job = job;
	worker_submit(s->reader, &r->work);
}

struct cache *store_cache(struct store *s)
{
	return s->cache;
}

struct packer *store_packer(struct store *s)
{
	return s->packer;
}

void store_want_seal(struct store *s, struct store_sealer *sealer)
{
	if (list_empty(&sealer->link))
		list_append(&s->sealers, &sealer->link);
}

static int compare_u32(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

void store_latency(
    const struct store *s, uint64_t *ret_p50_us, uint64_t *ret_p99_us, size_t *ret_samples)
{
	size_t n = s->latencies < STORE_LATENCIES ? s->latencies : STORE_LATENCIES;
	uint32_t sorted[STORE_LATENCIES];

	*ret_p50_us = *ret_p99_us = 0;
	*ret_samples = n;
	if (!n)
		return;
	memcpy(sorted, s->latency_us, n * sizeof *sorted);
	qsort(sorted, n, sizeof *sorted, compare_u32);
	*ret_p50_us = sorted[n / 2];
	*ret_p99_us = sorted[n * 99 / 100];
}
