/* Saving what can be read of a damaged database. */
#include "store/salvage.h"

#include <errno.h>
#include <inttypes.h>
#include <sqlite3.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/ids.h"
#include "store/db.h"
#include "store/gaps.h"
#include "store/schema.h"

/* Rows are skipped in growing steps when they cannot be read; past this many places a table is
 * given up. */
enum { SALVAGE_MAX_GAPS = 10000 };

int salvage_check(const char *path, struct err *reterr)
{
	struct db *db = NULL;
	sqlite3_stmt *stmt;
	int rc;

	if (access(path, F_OK) != 0)
		return -ENOENT;
	rc = db_open(path, true, &db, reterr);
	if (rc != 0)
		return rc;
	stmt = db_query(db, "PRAGMA quick_check(1)", "");
	rc = db_step(db, stmt);
	if (rc == 1) {
		const char *said = (const char *)sqlite3_column_text(stmt, 0);

		rc = said && strcmp(said, "ok") == 0
			 ? 0
			 : err_set(reterr, ERR_CORRUPT, "%.200s", said ? said : "no answer");
		sqlite3_reset(stmt);
	} else {
		rc = err_set(reterr, rc == ERR_BUSY ? ERR_BUSY : ERR_CORRUPT, "%.200s",
		    sqlite3_errmsg(db->h));
	}
	if (rc == 0)
		rc = gaps_check(db, reterr);
	db_close(db);
	return rc;
}

/* The tables to save and the columns of each, in the order of the schema. */
static const struct {
	const char *name, *columns;
	int count;
	bool keyed;	   /* by its rowid: the rows behind damage can be reached */
	const char *older; /* the columns before this schema, "" none: there was no such table */
} tables[] = {
    {"sessions",
	"num, id, model, title, metadata, created_ms, updated_ms, turn_count, message_count, "
	"tool_calls,"
	" writer_count, last_seq, last_turn_seq",
	13, true, NULL},
    {"segments", "id, last_seq, encoding, bytes", 4, true, NULL},
    {"turns", "num, session, id, state, writer, client, mode, idempotency_key, queued_seq", 9, true,
	NULL},
    {"messages", "id, body, more, text", 4, true, "id, body, NULL, NULL"},
    {"answers", "session, model", 2, true, ""},
    {"fronts", "session, message", 2, true, ""},
    {"permissions", "num, session, id, turn, tool, created_ms, open, decision, decided_by", 9, true,
	NULL},
    {"rules", "session, tool, match, decision", 4, false, NULL},
};

/* Prepare the reading of a table, of whichever schema. *ret is NULL when there is none to read. */
static int prepare_copy(sqlite3 *from, size_t table, int64_t last, sqlite3_stmt **ret)
{
	const char *columns[] = {tables[table].columns, tables[table].older};
	int rc = SQLITE_ERROR;

	for (size_t i = 0; i < 2 && rc == SQLITE_ERROR && columns[i]; i++) {
		struct buf select = {0};

		if (!columns[i][0])
			return SQLITE_OK;
		buf_addf(&select, "SELECT %s FROM %s", columns[i], tables[table].name);
		if (tables[table].keyed)
			buf_addf(&select, " WHERE rowid > %" PRId64 " ORDER BY rowid", last);
		rc = sqlite3_prepare_v2(from, buf_cstr(&select), -1, ret, NULL);
		buf_finish(&select);
	}
	return rc;
}

/* Copy the rows whose key is above *last. 0 at the end; a code when a row could not be read. */
static int copy_from(
    sqlite3 *from, sqlite3 *to, size_t table, int64_t *last, struct salvage_report *r)
{
	struct buf insert = {0};
	sqlite3_stmt *in = NULL, *out = NULL;
	int rc;

	buf_addf(&insert, "INSERT OR IGNORE INTO %s(%s) VALUES(?", tables[table].name,
	    tables[table].columns);
	for (int i = 1; i < tables[table].count; i++)
		buf_adds(&insert, ",?");
	buf_addc(&insert, ')');
	rc = prepare_copy(from, table, *last, &in);
	if (rc == SQLITE_OK && !in)
		rc = SQLITE_DONE;
	if (rc == SQLITE_OK)
		rc = sqlite3_prepare_v2(to, buf_cstr(&insert), -1, &out, NULL);
	while (rc == SQLITE_OK && (rc = sqlite3_step(in)) == SQLITE_ROW) {
		for (int i = 0; i < tables[table].count; i++)
			sqlite3_bind_value(out, i + 1, sqlite3_column_value(in, i));
		*last = sqlite3_column_int64(in, 0);
		r->rows += sqlite3_step(out) == SQLITE_DONE;
		sqlite3_reset(out);
		rc = SQLITE_OK;
	}
	sqlite3_finalize(in);
	sqlite3_finalize(out);
	buf_finish(&insert);
	return rc == SQLITE_DONE ? 0 : rc;
}

/* The largest key of a table; 0 when it cannot be told. */
static int64_t last_key(sqlite3 *db, const char *table)
{
	struct buf sql = {0};
	sqlite3_stmt *stmt = NULL;
	int64_t last = 0;

	buf_addf(&sql, "SELECT max(rowid) FROM %s", table);
	if (sqlite3_prepare_v2(db, buf_cstr(&sql), -1, &stmt, NULL) == SQLITE_OK &&
	    sqlite3_step(stmt) == SQLITE_ROW)
		last = sqlite3_column_int64(stmt, 0);
	sqlite3_finalize(stmt);
	buf_finish(&sql);
	return last;
}

static void copy_table(sqlite3 *from, sqlite3 *to, size_t table, struct salvage_report *r)
{
	int64_t last = INT64_MIN, end, jump = 1;
	uint64_t rows = r->rows;

	if (!tables[table].keyed) {
		r->gaps += copy_from(from, to, table, &last, r) != 0;
		return;
	}
	end = last_key(from, tables[table].name);
	for (int gaps = 0; gaps < SALVAGE_MAX_GAPS; gaps++) {
		if (copy_from(from, to, table, &last, r) == 0)
			return;
		r->gaps++;
		/* Past the damage in growing steps; back to small ones once rows come again. */
		jump = r->rows > rows ? 1 : jump < INT64_C(1) << 40 ? jump * 4 : jump;
		rows = r->rows;
		if (last == INT64_MIN)
			last = 0;
		if (last > end || last > INT64_MAX - jump)
			return;
		last += jump;
	}
}

/* Make the rows agree with one another again. */
static int mend(struct db *db, struct salvage_report *r)
{
	char daemon_id[32];
	int rc;

	ids_make("doctor_", 4, daemon_id, sizeof daemon_id);
	rc = gaps_fill(db, daemon_id, &r->lost);
	if (rc != 0)
		return rc;
	db_run(db, "DELETE FROM turns WHERE session NOT IN (SELECT num FROM sessions)", "");
	db_run(db, "DELETE FROM fronts WHERE session NOT IN (SELECT num FROM sessions)", "");
	db_run(db, "DELETE FROM answers WHERE session NOT IN (SELECT num FROM sessions)", "");
	db_run(db, "DELETE FROM permissions WHERE session NOT IN (SELECT num FROM sessions)", "");
	db_run(db, "DELETE FROM rules WHERE session NOT IN (SELECT num FROM sessions)", "");
	db_run(db,
	    "UPDATE sessions SET message_count = (SELECT count(*) FROM messages WHERE id >> 36 = "
	    "sessions.num)",
	    "");
	return 0;
}

static int copy_all(
    const char *damaged, const char *fresh, struct salvage_report *r, struct err *reterr)
{
	sqlite3 *from = NULL;
	struct db *to = NULL;
	int rc = db_open(fresh, false, &to, reterr);

	if (rc == 0)
		rc = schema_migrate(to, fresh, reterr);
	if (rc == 0 && sqlite3_open_v2(damaged, &from, SQLITE_OPEN_READONLY, NULL) != SQLITE_OK)
		rc = err_set(reterr, ERR_CORRUPT, "%s cannot be opened at all: %s", damaged,
		    sqlite3_errmsg(from));
	if (rc == 0) {
		db_run(to, "BEGIN IMMEDIATE", "");
		for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++)
			copy_table(from, to->h, i, r);
		rc = mend(to, r);
		if (rc == 0)
			rc = db_run(to, "COMMIT", "");
		if (rc != 0)
			err_set(reterr, rc, "the saved rows could not be written: %s",
			    sqlite3_errmsg(to->h));
	}
	sqlite3_close(from);
	db_close(to);
	return rc;
}

int salvage_run(const char *dir, struct salvage_report *ret, struct err *reterr)
{
	static const char *const ends[] = {"", "-wal", "-shm"};
	struct buf damaged = {0}, fresh = {0};
	int64_t now = clock_wall_ms() / 1000;
	int rc;

	*ret = (struct salvage_report){0};
	buf_addf(&damaged, "%s/opta.db", dir);
	buf_addf(&fresh, "%s/opta.db.salvage", dir);
	unlink(buf_cstr(&fresh));
	snprintf(ret->aside, sizeof ret->aside, "%s.damaged-%" PRId64, buf_cstr(&damaged), now);
	rc = copy_all(buf_cstr(&damaged), buf_cstr(&fresh), ret, reterr);
	for (size_t i = 0; i < 3 && rc == 0; i++) {
		char from[1200], to[1300];

		snprintf(from, sizeof from, "%s%s", buf_cstr(&damaged), ends[i]);
		snprintf(to, sizeof to, "%s%s", ret->aside, ends[i]);
		if (rename(from, to) != 0 && errno != ENOENT)
			rc = err_set(
			    reterr, -errno, "cannot put %s aside: %s", from, strerror(errno));
	}
	if (rc == 0 && rename(buf_cstr(&fresh), buf_cstr(&damaged)) != 0)
		rc = err_set(
		    reterr, -errno, "cannot put the saved database in place: %s", strerror(errno));
	buf_finish(&damaged);
	buf_finish(&fresh);
	return rc;
}
