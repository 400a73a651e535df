/* Packing the rows of ended turns. */
#include "store/packer.h"

#include <assert.h>
#include <errno.h>
#include <sqlite3.h>

#include "base/buf.h"
#include "base/fault.h"
#include "base/mem.h"
#include "protocol/envelope.h"
#include "store/db.h"
#include "store/pack.h"
#include "store/segment_row.h"
#include "store/store.h"

/* Events to be packed. */
struct want {
	struct list link;
	int64_t session;
	uint64_t from, until;
};

struct packer {
	struct store *store; /* borrowed */
	struct list wants;   /* the first is being worked on while busy */
	bool busy;	     /* a job is with the store */
	bool stopping;
};

/* One row to be made of several, first on the reader's thread, then on the writer's. */
struct piece {
	struct store_job job;
	struct packer *packer;
	int64_t session;
	uint64_t from, until; /* to be packed */
	uint64_t first, last; /* what the rows gathered hold; last 0: none */
	int64_t rows;
	size_t stored;	   /* bytes of those rows */
	struct buf frames; /* theirs */
	struct buf packed; /* what takes their place; empty: they stay as they are */
	uint64_t next;	   /* where the next piece begins; 0: there is none */
};

static void next_step(struct packer *p);

static void free_piece(struct piece *piece)
{
	buf_finish(&piece->frames);
	buf_finish(&piece->packed);
	free(piece);
}

/* Packed events name their daemon once. */
static bool same_daemon(struct str frames, struct str more)
{
	struct envelope_view a, b;
	struct str json;

	return envelope_frame(frames.p, frames.n, &json) && envelope_view(json, &a) &&
	       envelope_frame(more.p, more.n, &json) && envelope_view(json, &b) &&
	       a.daemon_id.n == b.daemon_id.n &&
	       memcmp(a.daemon_id.p, b.daemon_id.p, a.daemon_id.n) == 0;
}

static bool fits(const struct piece *piece, const struct segment_row *row)
{
	return !piece->last ||
	       (row->first_seq == piece->last + 1 &&
		   piece->frames.len + row->frames.n <= PACK_BYTES &&
		   same_daemon((struct str){piece->frames.p, piece->frames.len}, row->frames));
}

static void forget_rows(struct piece *piece)
{
	piece->last = 0;
	piece->rows = 0;
	piece->stored = 0;
	buf_clear(&piece->frames);
}

static void add_row(struct piece *piece, const struct segment_row *row)
{
	if (!piece->last)
		piece->first = row->first_seq;
	piece->last = row->last_seq;
	piece->rows++;
	piece->stored += row->stored_len;
	buf_add(&piece->frames, row->frames.p, row->frames.n);
}

/* Take rows until the piece is full. 0 or a code. */
static int gather(struct db *db, struct piece *piece)
{
	/* The row before grows if it is a small one: short turns share a row. */
	sqlite3_stmt *stmt = db_query(db,
	    "SELECT " SEGMENT_COLUMNS " FROM segments WHERE id >= coalesce("
	    "(SELECT max(id) FROM segments WHERE id < ?1 AND id >= ?2), ?1) AND id <= ?3"
	    " AND encoding = (id < ?1) ORDER BY id",
	    "iii", store_key(piece->session, piece->from), store_key(piece->session, 0),
	    store_key(piece->session, piece->until));
	struct segment_row row = {0};
	int rc;

	while ((rc = db_step(db, stmt)) == 1) {
		bool whole = segment_row_read(stmt, &row);

		if (piece->last < piece->from) {
			/* Nothing to be packed yet. Damage is left to doctor. */
			if (!whole)
				continue;
			if (!fits(piece, &row))
				forget_rows(piece);
		} else if (!whole || !fits(piece, &row)) {
			piece->next = row.first_seq;
			sqlite3_reset(stmt);
			rc = 0;
			break;
		}
		if (!row.packed || row.frames.n <= PACK_BYTES / 2)
			add_row(piece, &row);
	}
	segment_row_finish(&row);
	return rc;
}

static int run_gather(struct db *db, struct store_job *job)
{
	struct piece *piece = list_entry(job, struct piece, job);
	int rc = gather(db, piece);

	if (rc != 0 || piece->last < piece->from)
		return rc;
	if (!pack_frames(
		piece->first, piece->last, piece->frames.p, piece->frames.len, &piece->packed) ||
	    piece->packed.len >= piece->stored)
		buf_clear(&piece->packed);
	buf_finish(&piece->frames);
	return 0;
}

static int replace(struct db *db, const struct piece *piece)
{
	int64_t first = store_key(piece->session, piece->first),
		last = store_key(piece->session, piece->last);
	int rc;

	rc = db_run(db, "DELETE FROM segments WHERE id >= ? AND id <= ?", "ii", first, last);
	FAULT("packing");
	/* Not all of them: the session was deleted meanwhile. */
	if (rc == 0 && sqlite3_changes(db->h) != piece->rows)
		return -ENOENT;
	if (rc == 0)
		rc = segment_row_put_packed(db, piece->session, piece->first, piece->last,
		    piece->packed.p, piece->packed.len);
	return rc;
}

static int run_replace(struct db *db, struct store_job *job)
{
	struct piece *piece = list_entry(job, struct piece, job);
	int rc = db_run(db, "SAVEPOINT pack", "");

	if (rc != 0)
		return rc;
	if (replace(db, piece) != 0) {
		/* What else is in the batch need not fail for this, if the transaction still is. */
		if (!sqlite3_get_autocommit(db->h))
			rc = db_run(db, "ROLLBACK TO pack", "");
		else
			rc = -EIO;
		piece->next = 0;
	}
	return rc ? rc : db_run(db, "RELEASE pack", "");
}

static void end_piece(struct piece *piece, int rc)
{
	struct packer *p = piece->packer;
	struct want *want = list_entry(p->wants.next, struct want, link);

	p->busy = false;
	if (rc != 0 || !piece->next || p->stopping) {
		list_remove(&want->link);
		free(want);
	} else {
		assert(piece->next > want->from);
		want->from = piece->next;
	}
	free_piece(piece);
	next_step(p);
}

static void done_replace(struct store_job *job, int rc)
{
	end_piece(list_entry(job, struct piece, job), rc);
}

static void done_gather(struct store_job *job, int rc)
{
	struct piece *piece = list_entry(job, struct piece, job);

	if (rc != 0 || !piece->packed.len || piece->packer->stopping) {
		end_piece(piece, rc);
		return;
	}
	piece->job = (struct store_job){.run = run_replace, .done = done_replace};
	store_write(piece->packer->store, &piece->job);
}

static void start_piece(struct packer *p, const struct want *want)
{
	struct piece *piece = mem_zalloc(1, sizeof *piece);

	piece->packer = p;
	piece->session = want->session;
	piece->from = want->from;
	piece->until = want->until;
	piece->job.run = run_gather;
	piece->job.done = done_gather;
	p->busy = true;
	store_read(p->store, &piece->job);
}

/* --- giving pages back --- */

struct trim {
	struct store_job job;
	struct packer *packer;
	bool more;
};

static int run_trim(struct db *db, struct store_job *job)
{
	struct trim *t = list_entry(job, struct trim, job);
	int64_t unused = db_number(db, "PRAGMA freelist_count", 0);
	int64_t spare =
	    PACKER_SPARE_PAGES + db_number(db, "PRAGMA page_count", 0) / PACKER_SPARE_SHARE;
	char sql[64];

	/* A database made without auto_vacuum keeps its free pages for what comes. */
	if (unused <= spare || db_number(db, "PRAGMA auto_vacuum", 0) != 2)
		return 0;
	unused -= spare;
	t->more = unused > PACKER_TRIM_PAGES;
	snprintf(sql, sizeof sql, "PRAGMA incremental_vacuum(%d)",
	    t->more ? PACKER_TRIM_PAGES : (int)unused);
	if (sqlite3_exec(db->h, sql, NULL, NULL, NULL) != SQLITE_OK)
		t->more = false;
	return sqlite3_get_autocommit(db->h) ? db_code(db) : 0;
}

static void done_trim(struct store_job *job, int rc)
{
	struct trim *t = list_entry(job, struct trim, job);
	struct packer *p = t->packer;
	bool more = rc == 0 && t->more;

	free(t);
	p->busy = false;
	if (more || !list_empty(&p->wants))
		next_step(p);
}

static void next_step(struct packer *p)
{
	if (p->stopping || p->busy)
		return;
	if (!list_empty(&p->wants)) {
		start_piece(p, list_entry(p->wants.next, struct want, link));
	} else {
		struct trim *t = mem_zalloc(1, sizeof *t);

		t->packer = p;
		t->job.run = run_trim;
		t->job.done = done_trim;
		p->busy = true;
		store_write(p->store, &t->job);
	}
}

struct packer *packer_new(struct store *s)
{
	struct packer *p = mem_zalloc(1, sizeof *p);

	p->store = s;
	list_init(&p->wants);
	return p;
}

void packer_want(struct packer *p, int64_t session, uint64_t from, uint64_t until)
{
	struct want *want;

	if (p->stopping || until < from)
		return;
	want = mem_zalloc(1, sizeof *want);
	want->session = session;
	want->from = from;
	want->until = until;
	list_append(&p->wants, &want->link);
	next_step(p);
}

void packer_stop(struct packer *p)
{
	p->stopping = true;
}

void packer_free(struct packer *p)
{
	if (!p)
		return;
	assert(!p->busy);
	while (!list_empty(&p->wants)) {
		struct want *want = list_entry(p->wants.next, struct want, link);

		list_remove(&want->link);
		free(want);
	}
	free(p);
}
