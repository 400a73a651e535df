/* What is missing of the logs of a damaged database. */
#include "store/gaps.h"

#include <inttypes.h>
#include <sqlite3.h>
#include <stdbool.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "protocol/envelope.h"
#include "protocol/requests.h"
#include "store/db.h"
#include "store/log.h"
#include "store/segment_row.h"
#include "store/store.h"

enum {
	GAPS_MAX_TAIL = 1000000, /* lost events at a log's end that are believed */
	/* No session has this number: twice it is the end of what a key can hold. */
	GAPS_MAX_SESSION = 1 << (62 - STORE_SEQ_BITS),
};

static const char lost_payload[] = "{\"reason\":\"damaged\"}";

/* Read the row stmt stands on. Is it whole, down to the JSON of each event? */
static bool read_whole(sqlite3_stmt *stmt, struct segment_row *row)
{
	struct str at;

	if (!segment_row_read(stmt, row))
		return false;
	at = row->frames;
	for (uint64_t seq = row->first_seq; seq <= row->last_seq; seq++) {
		struct envelope_view e;
		struct str json;
		json_t *parsed;
		size_t frame = envelope_frame(at.p, at.n, &json);

		if (!envelope_view(json, &e) || e.seq != seq ||
		    json_parse(json.p, json.n, &parsed, NULL) != 0)
			return false;
		json_decref(parsed);
		at.p += frame;
		at.n -= frame;
	}
	return true;
}

int gaps_check(struct db *db, struct err *reterr)
{
	sqlite3_stmt *stmt =
	    db_query(db, "SELECT " SEGMENT_COLUMNS " FROM segments ORDER BY id", "");
	struct segment_row row = {0};
	int64_t session = -1;
	uint64_t next = 1;
	int rc;

	while ((rc = db_step(db, stmt)) == 1) {
		bool whole = segment_row_read(stmt, &row);

		if (row.id >> STORE_SEQ_BITS != session)
			next = 1;
		session = row.id >> STORE_SEQ_BITS;
		if (row.first_seq != next || !whole) {
			sqlite3_reset(stmt);
			segment_row_finish(&row);
			return err_set(reterr, ERR_CORRUPT,
			    "the log of session number %" PRId64 " is not whole at event %" PRIu64,
			    session, next);
		}
		next = row.last_seq + 1;
	}
	segment_row_finish(&row);
	return rc == 0 ? 0 : err_set(reterr, rc, "%.200s", sqlite3_errmsg(db->h));
}

/* --- sessions whose row is lost --- */

static bool id_is_free(struct db *db, int64_t num, const char *id)
{
	sqlite3_stmt *stmt =
	    db_query(db, "SELECT 1 FROM sessions WHERE id = ? AND num != ?", "ti", id, num);
	bool taken = db_step(db, stmt) == 1;

	sqlite3_reset(stmt);
	return !taken;
}

/* The id of the session as its own log has it, or one made up when that cannot be read or is
 * another session's; owned. */
static char *find_id(struct db *db, int64_t num)
{
	sqlite3_stmt *stmt = db_query(db,
	    "SELECT " SEGMENT_COLUMNS " FROM segments WHERE id >= ? AND id < ? ORDER BY id", "ii",
	    store_key(num, 0), store_key(num + 1, 0));
	struct segment_row row = {0};
	char *id = NULL, made[32];

	while (!id && db_step(db, stmt) == 1) {
		struct envelope_view e;
		struct str json;

		if (read_whole(stmt, &row) && envelope_frame(row.frames.p, row.frames.n, &json) &&
		    envelope_view(json, &e))
			id = request_id_ok(e.session_id)
				 ? mem_strndup(e.session_id.p, e.session_id.n)
				 : NULL;
	}
	sqlite3_reset(stmt);
	segment_row_finish(&row);
	if (id && id_is_free(db, num, id))
		return id;
	free(id);
	snprintf(made, sizeof made, "recovered_%" PRId64, num);
	return mem_strdup(made);
}

/* The smallest number of a session above `num` that has events or messages and no row; 0: none. */
static int64_t next_without_row(struct db *db, int64_t num)
{
	sqlite3_stmt *stmt = db_query(db,
	    "SELECT min(n) FROM (SELECT id >> 36 AS n FROM segments WHERE id >= ?1 UNION"
	    " SELECT id >> 36 FROM messages WHERE id >= ?1)"
	    " WHERE n NOT IN (SELECT num FROM sessions)",
	    "i", store_key(num + 1, 0));
	int64_t found = 0;

	if (db_step(db, stmt) == 1) {
		found = sqlite3_column_int64(stmt, 0);
		sqlite3_reset(stmt);
	}
	return found;
}

static int restore_sessions(struct db *db)
{
	int64_t num = 0, now = clock_wall_ms();
	int rc = 0;

	while (rc == 0 && (num = next_without_row(db, num)) > 0) {
		char *id = find_id(db, num);

		rc = db_run(db,
		    "INSERT INTO sessions(num, id, model, title, metadata, created_ms,"
		    " updated_ms, turn_count, message_count, tool_calls, writer_count, last_seq,"
		    " last_turn_seq) VALUES(?1, ?2, '', 'recovered', '{}', ?3, ?3, (SELECT count(*)"
		    " FROM turns WHERE session = ?1), 0, 0, 0, 0, 0)",
		    "iti", num, id, now);
		free(id);
	}
	return rc;
}

/* --- events --- */

struct filling {
	struct db *db;
	const char *daemon_id, *session_id;
	int64_t session;
	uint64_t lost;
};

/* Events for the numbers first..last. */
static int put_lost(struct filling *f, uint64_t first, uint64_t last)
{
	struct buf frames = {0};
	uint64_t begin = first;
	int rc = 0;

	for (uint64_t seq = first; seq <= last && rc == 0; seq++) {
		envelope_put_frame(&frames, &(struct envelope){.kind = EVENT_SESSION_LOST,
						.daemon_id = f->daemon_id,
						.session_id = f->session_id,
						.seq = seq,
						.ts_ms = clock_wall_ms(),
						.payload = lost_payload,
						.payload_len = sizeof lost_payload - 1});
		f->lost++;
		if (seq < last && frames.len < LOG_SEGMENT_BYTES)
			continue;
		rc = segment_row_put(f->db, f->session, begin, seq, frames.p, frames.len);
		buf_clear(&frames);
		begin = seq + 1;
	}
	buf_finish(&frames);
	return rc;
}

/* The first segment at or after seq: 1 and what it is, 0 when there is none, or a code. */
static int look_at(
    struct filling *f, uint64_t seq, int64_t *ret_id, uint64_t *ret_last, bool *ret_whole)
{
	sqlite3_stmt *stmt = db_query(f->db,
	    "SELECT " SEGMENT_COLUMNS " FROM segments WHERE id >= ? AND id < ? ORDER BY id LIMIT 1",
	    "ii", store_key(f->session, seq), store_key(f->session + 1, 0));
	struct segment_row row = {0};
	int rc = db_step(f->db, stmt);

	if (rc == 1) {
		*ret_whole = read_whole(stmt, &row);
		*ret_id = row.id;
		*ret_last = row.last_seq;
		sqlite3_reset(stmt);
	}
	segment_row_finish(&row);
	return rc;
}

static int fill_session(struct filling *f, uint64_t known_last)
{
	uint64_t next = 1, last;
	int64_t id;
	bool whole;
	int rc;

	while ((rc = look_at(f, next, &id, &last, &whole)) == 1) {
		rc = 0;
		if (!whole) {
			rc = db_run(f->db, "DELETE FROM segments WHERE id = ?", "i", id);
		} else {
			if (store_seq(id) > next)
				rc = put_lost(f, next, store_seq(id) - 1);
			/* What claims the same numbers again. */
			if (rc == 0)
				rc = db_run(f->db, "DELETE FROM segments WHERE id > ? AND id <= ?",
				    "ii", id, store_key(f->session, last));
			next = last + 1;
		}
		if (rc != 0)
			return rc;
	}
	/* The number in the session's row may be damage itself. */
	if (rc == 0 && known_last >= next && known_last - next < GAPS_MAX_TAIL) {
		rc = put_lost(f, next, known_last);
		next = known_last + 1;
	}
	if (rc == 0)
		rc = db_run(f->db,
		    "UPDATE sessions SET last_seq = ?1, last_turn_seq = min(last_turn_seq, ?1)"
		    " WHERE num = ?2",
		    "ii", (int64_t)next - 1, f->session);
	return rc;
}

/* Rows whose number no session or event can have: damage, and outside of every range that is
 * walked. */
static int drop_strays(struct db *db)
{
	const int64_t first = store_key(1, 0), end = store_key(GAPS_MAX_SESSION, 0);
	int rc = db_run(
	    db, "DELETE FROM sessions WHERE num < 1 OR num >= ?", "i", (int64_t)GAPS_MAX_SESSION);

	if (rc == 0)
		rc = db_run(db, "DELETE FROM segments WHERE id < ? OR id >= ? OR id & ? = 0", "iii",
		    first, end, store_key(1, 0) - 1);
	if (rc == 0)
		rc = db_run(db, "DELETE FROM messages WHERE id < ? OR id >= ?", "ii", first, end);
	return rc;
}

int gaps_fill(struct db *db, const char *daemon_id, uint64_t *ret_lost)
{
	struct filling f = {.db = db, .daemon_id = daemon_id};
	int rc = drop_strays(db), more = 1;

	if (rc == 0)
		rc = restore_sessions(db);
	while (rc == 0 && more == 1) {
		sqlite3_stmt *stmt = db_query(db,
		    "SELECT num, id, last_seq FROM sessions WHERE num > ? ORDER BY num LIMIT 1",
		    "i", f.session);
		char *id;
		uint64_t last;

		more = db_step(db, stmt);
		if (more != 1)
			break;
		f.session = sqlite3_column_int64(stmt, 0);
		f.session_id = id = mem_strdup((const char *)sqlite3_column_text(stmt, 1));

		last = (uint64_t)sqlite3_column_int64(stmt, 2);
		sqlite3_reset(stmt);
		/* It goes into envelopes as it is. */
		if (!request_id_ok(str_of(id))) {
			free(id);
			f.session_id = id = find_id(db, f.session);
			rc = db_run(
			    db, "UPDATE sessions SET id = ? WHERE num = ?", "ti", id, f.session);
		}
		if (rc == 0)
			rc = fill_session(&f, last);
		free(id);
	}
	*ret_lost = f.lost;
	return rc ? rc : more;
}
