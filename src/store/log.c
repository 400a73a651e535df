/* The log of one session: append, tail, cold reads. */
#include "store/log.h"

#include <assert.h>
#include <errno.h>
#include <sqlite3.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "protocol/envelope.h"
#include "store/cache.h"
#include "store/db.h"
#include "store/packer.h"
#include "store/segment.h"
#include "store/segment_row.h"
#include "store/store.h"

struct log {
	struct log_opts opts;
	struct store_sealer sealer;
	struct buf heads[EVENT_KINDS]; /* of envelopes; empty until there is one of that kind */
	struct buf open;	       /* frames appended since the last seal */
	uint64_t open_first;	       /* seq of its first frame */
	uint64_t last, durable;
	uint64_t packed;       /* up to it packing was asked for */
	size_t unwritten;      /* bytes in open and in segments with the writer */
	struct segment **tail; /* owned references, oldest first; the undurable ones last */
	size_t tail_len, tail_cap, tail_bytes;
	struct list reads; /* struct log_read: under way */
};

/* Writing one segment. */
struct log_write {
	struct store_job job;
	struct log *log; /* alive until done: log_free asserts it */
	struct segment *segment;
};

/* Bytes in all tails; loop thread. */
static size_t all_tails;

static void drop_oldest(struct log *l, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		l->tail_bytes -= l->tail[i]->len;
		all_tails -= l->tail[i]->len;
		segment_unref(l->tail[i]);
	}
	l->tail_len -= count;
	if (l->tail_len)
		memmove(l->tail, l->tail + count, l->tail_len * sizeof *l->tail);
}

/* Keep the tail within its budget; what is not durable stays. */
static void trim(struct log *l)
{
	size_t budget = all_tails > LOG_TAILS_BYTES ? LOG_SEGMENT_BYTES : LOG_TAIL_BYTES;
	size_t bytes = l->tail_bytes, n = 0;

	while (n + 1 < l->tail_len && bytes > budget && l->tail[n]->last_seq <= l->durable)
		bytes -= l->tail[n++]->len;
	/* Moving the array for each segment would cost more than it frees: trim in strides. */
	if (n > 16 || (n && bytes + LOG_SEGMENT_BYTES < l->tail_bytes))
		drop_oldest(l, n);
}

static int run_write(struct db *db, struct store_job *job)
{
	struct log_write *w = list_entry(job, struct log_write, job);
	struct segment *s = w->segment;

	return segment_row_put(
	    db, w->log->opts.session, s->first_seq, s->last_seq, s->bytes, s->len);
}

/* The writer could not keep events: forget all after the last durable one. */
static void fail(struct log *l, int rc)
{
	while (l->tail_len && l->tail[l->tail_len - 1]->last_seq > l->durable) {
		struct segment *s = l->tail[--l->tail_len];

		l->tail_bytes -= s->len;
		all_tails -= s->len;
		segment_unref(s);
	}
	buf_finish(&l->open);
	list_remove(&l->sealer.link);
	l->unwritten = 0;
	l->last = l->durable;
	l->opts.on_failed(l->opts.data, rc);
}

static void done_write(struct store_job *job, int rc)
{
	struct log_write *w = list_entry(job, struct log_write, job);
	struct segment *s = w->segment;
	struct log *l = w->log;

	free(w);
	if (rc != 0) {
		/* Only the first of a failed batch's segments still follows what is durable. */
		if (s->first_seq == l->durable + 1 && l->last > l->durable)
			fail(l, rc);
		segment_unref(s);
		return;
	}
	assert(s->first_seq == l->durable + 1);
	l->durable = s->last_seq;
	l->unwritten -= s->len;
	segment_unref(s);
	trim(l);
	l->opts.on_durable(l->opts.data, l->durable);
}

static void seal(struct log *l)
{
	struct log_write *w;
	struct segment *s;

	if (!l->open.len)
		return;
	s = segment_new(l->open_first, l->last, l->open.p, l->open.len);
	if (l->open.cap > LOG_SEGMENT_BYTES)
		buf_finish(&l->open);
	buf_clear(&l->open);
	if (l->tail_len == l->tail_cap) {
		l->tail_cap = l->tail_cap ? l->tail_cap * 2 : 16;
		l->tail = mem_realloc(l->tail, l->tail_cap * sizeof(struct segment *));
	}
	l->tail[l->tail_len++] = s;
	l->tail_bytes += s->len;
	all_tails += s->len;
	w = mem_zalloc(1, sizeof *w);
	w->job.run = run_write;
	w->job.done = done_write;
	w->job.single = true;
	w->log = l;
	w->segment = segment_ref(s);
	store_write_first(l->opts.store, &w->job);
}

static void on_seal(struct store_sealer *sealer)
{
	seal(list_entry(sealer, struct log, sealer));
}

struct log *log_new(const struct log_opts *opts)
{
	struct log *l = mem_zalloc(1, sizeof *l);

	l->opts = *opts;
	l->last = l->durable = opts->last_seq;
	l->packed = l->last > LOG_PACK_BACK ? l->last - LOG_PACK_BACK : 0;
	list_init(&l->sealer.link);
	l->sealer.seal = on_seal;
	list_init(&l->reads);
	return l;
}

void log_free(struct log *l)
{
	if (!l)
		return;
	assert(l->last == l->durable);
	list_remove(&l->sealer.link);
	drop_oldest(l, l->tail_len);
	free(l->tail);
	/* Cancelled ones end later. */
	while (!list_empty(&l->reads))
		list_remove(l->reads.next);
	buf_finish(&l->open);
	for (int i = 0; i < EVENT_KINDS; i++)
		buf_finish(&l->heads[i]);
	free(l);
}

uint64_t log_append(struct log *l, enum event_kind kind, const char *payload, size_t n)
{
	size_t before;

	if (l->open.len && l->open.len + n > LOG_SEGMENT_BYTES)
		seal(l);
	if (!l->open.len)
		l->open_first = l->last + 1;
	before = l->open.len;
	if (!l->heads[kind].len)
		envelope_put_head(&l->heads[kind], kind, l->opts.daemon_id, l->opts.session_id);
	envelope_put(&l->open, &l->heads[kind], ++l->last, clock_wall_ms(), payload, n);
	l->unwritten += l->open.len - before;
	store_want_seal(l->opts.store, &l->sealer);
	return l->last;
}

uint64_t log_last(const struct log *l)
{
	return l->last;
}

uint64_t log_durable(const struct log *l)
{
	return l->durable;
}

size_t log_unwritten(const struct log *l)
{
	return l->unwritten;
}

void log_pack(struct log *l)
{
	packer_want(store_packer(l->opts.store), l->opts.session, l->packed + 1, l->durable);
	l->packed = l->durable;
}

struct segment *log_tail(const struct log *l, uint64_t seq)
{
	size_t low = 0, high = l->tail_len;

	if (seq > l->durable || !l->tail_len || seq < l->tail[0]->first_seq)
		return NULL;
	/* Nearly everybody wants the newest. */
	for (size_t i = 0; i < 3 && high > 0; i++, high--)
		if (l->tail[high - 1]->first_seq <= seq)
			return l->tail[high - 1];
	while (high - low > 1) {
		size_t middle = low + (high - low) / 2;

		if (l->tail[middle]->first_seq <= seq)
			low = middle;
		else
			high = middle;
	}
	return l->tail[low];
}

struct segment *log_cached(const struct log *l, uint64_t seq)
{
	return seq <= l->durable ? cache_find(store_cache(l->opts.store), l->opts.session, seq)
				 : NULL;
}

/* --- cold reads --- */

struct log_read {
	struct store_job job;
	struct list link;    /* in log->reads, or in the waiters of another */
	struct list waiters; /* reads of what this one probably brings */
	struct log *log;     /* who asks keeps it; after log_read_cancel it may be gone */
	struct store *store; /* borrowed */
	int64_t session;
	uint64_t seq, until;	 /* from, and the last durable one at the time of asking */
	size_t bytes;		 /* enough of them */
	struct segment *segment; /* the result, owned */
	log_read_cb *on_read;	 /* NULL: cancelled */
	void *data;
};

static int run_read(struct db *db, struct store_job *job)
{
	struct log_read *r = list_entry(job, struct log_read, job);
	struct segment_row row = {0};
	uint64_t first = 0, last = 0;
	struct buf frames = {0};
	sqlite3_stmt *stmt;
	int rc;

	segment_begin(&frames);
	/* The row that holds seq is the last one that begins at or before it. */
	stmt = db_query(db,
	    "SELECT " SEGMENT_COLUMNS " FROM segments WHERE id >= coalesce("
	    "(SELECT max(id) FROM segments WHERE id <= ?1 AND id >= ?2), ?1) AND id <= ?3 ORDER BY "
	    "id",
	    "iii", store_key(r->session, r->seq), store_key(r->session, 0),
	    store_key(r->session, r->until));
	while ((rc = db_step(db, stmt)) == 1) {
		if (!segment_row_append(stmt, &row, &frames) ||
		    (last && row.first_seq != last + 1)) {
			rc = ERR_CORRUPT;
			sqlite3_reset(stmt);
			break;
		}
		if (!last)
			first = row.first_seq;
		last = row.last_seq;
		if (frames.len >= r->bytes) {
			sqlite3_reset(stmt);
			rc = 0;
			break;
		}
	}
	if (rc == 0 && (!last || r->seq < first || r->seq > last))
		rc = ERR_CORRUPT;
	if (rc == 0)
		r->segment = segment_end(&frames, first, last);
	buf_finish(&frames);
	return rc;
}

/* Tell who asked, and end. */
static void answer(struct log_read *r, int rc, struct segment *segment)
{
	if (r->on_read)
		r->on_read(r->data, rc, segment);
	segment_unref(r->segment);
	free(r);
}

/* The read under way that will probably bring seq, or NULL. */
static struct log_read *find_read(struct log *l, uint64_t seq)
{
	list_each (at, &l->reads) {
		struct log_read *r = list_entry(at, struct log_read, link);

		if (r->seq <= seq && seq <= r->until && seq - r->seq < r->bytes / LOG_TYPICAL_FRAME)
			return r;
	}
	return NULL;
}

/* Wait for another's read, or read. */
static void begin(struct log_read *r)
{
	struct log_read *other = find_read(r->log, r->seq);

	if (other) {
		list_append(&other->waiters, &r->link);
		return;
	}
	list_append(&r->log->reads, &r->link);
	store_read(r->store, &r->job);
}

static void done_read(struct store_job *job, int rc)
{
	struct log_read *r = list_entry(job, struct log_read, job);
	struct segment *s = rc == 0 ? r->segment : NULL;

	list_remove(&r->link);
	if (s)
		cache_put(store_cache(r->store), r->session, s);
	while (!list_empty(&r->waiters)) {
		struct log_read *waiter = list_entry(r->waiters.next, struct log_read, link);

		list_remove(&waiter->link);
		if (!waiter->on_read || (s && waiter->seq <= s->last_seq))
			answer(waiter, 0, s);
		else if (store_is_closing(r->store))
			answer(waiter, -ECANCELED, NULL);
		else
			begin(waiter);
	}
	answer(r, rc, s);
}

struct log_read *log_read(
    struct log *l, uint64_t seq, size_t bytes, log_read_cb *on_read, void *data)
{
	struct log_read *r = mem_zalloc(1, sizeof *r);

	assert(seq >= 1 && seq <= l->durable);
	list_init(&r->link);
	list_init(&r->waiters);
	r->job.run = run_read;
	r->job.done = done_read;
	r->log = l;
	r->store = l->opts.store;
	r->session = l->opts.session;
	r->seq = seq;
	r->bytes = bytes;
	r->until = l->durable;
	r->on_read = on_read;
	r->data = data;
	begin(r);
	return r;
}

void log_read_cancel(struct log_read *r)
{
	if (r)
		r->on_read = NULL;
}
