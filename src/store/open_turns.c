/* The turns without a stop event. */
#include "store/open_turns.h"

#include <sqlite3.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/fault.h"
#include "base/mem.h"
#include "protocol/envelope.h"
#include "protocol/item.h"
#include "store/db.h"
#include "store/segment_row.h"
#include "store/sessions.h"
#include "store/store.h"

/* --- for whoever ends one --- */

int open_turn_replay(const struct open_turn *t, open_turn_take *take, void *data)
{
	int64_t base = store_key(t->session, 0), end = store_key(t->session + 1, 0);
	sqlite3_stmt *stmt = db_query(t->db,
	    "SELECT " SEGMENT_COLUMNS " FROM segments WHERE id >= coalesce("
	    "(SELECT max(id) FROM segments WHERE id <= ?1 AND id >= ?2), ?1) AND id < ?3"
	    " ORDER BY id",
	    "iii", base | (int64_t)t->queued_seq, base, end);
	struct segment_row row = {0};
	uint64_t last = 0;
	int rc;

	while ((rc = db_step(t->db, stmt)) == 1) {
		struct envelope_view e;
		struct str at, json;
		size_t frame;

		segment_row_read(stmt, &row);
		at = row.frames;
		while (at.n && (frame = envelope_frame(at.p, at.n, &json))) {
			/* A damaged segment may repeat what another has. */
			if (envelope_view(json, &e) && e.seq >= t->queued_seq && e.seq > last) {
				last = e.seq;
				take(data, e.seq, e.kind, e.payload);
			}
			at.p += frame;
			at.n -= frame;
		}
	}
	segment_row_finish(&row);
	return rc;
}

int open_turn_append(struct open_turn *t, enum event_kind kind, const struct buf *payload)
{
	struct buf frame = {0};
	uint64_t seq = t->last_seq + 1;
	int rc;

	envelope_put_frame(&frame, &(struct envelope){.kind = kind,
				       .daemon_id = t->daemon_id,
				       .session_id = t->session_id,
				       .seq = seq,
				       .ts_ms = clock_wall_ms(),
				       .payload = payload->p,
				       .payload_len = payload->len});
	rc = segment_row_put(t->db, t->session, seq, seq, frame.p, frame.len);
	buf_finish(&frame);
	if (rc == 0)
		t->last_seq = seq;
	return rc;
}

int open_turn_requests(const struct open_turn *t, char ***ret, size_t *ret_count)
{
	sqlite3_stmt *stmt = db_query(t->db,
	    "SELECT id FROM permissions WHERE session = ? AND turn = ? AND open = 1 ORDER BY num",
	    "it", t->session, t->names.turn_id);
	int rc;

	*ret = NULL;
	*ret_count = 0;
	while ((rc = db_step(t->db, stmt)) == 1) {
		*ret = mem_realloc(*ret, (*ret_count + 1) * sizeof **ret);
		(*ret)[(*ret_count)++] = mem_strdup((const char *)sqlite3_column_text(stmt, 0));
	}
	return rc;
}

int open_turn_deny_requests(const struct open_turn *t)
{
	return db_run(t->db,
	    "UPDATE permissions SET open = 0, decision = 'deny', decided_by = 'daemon'"
	    " WHERE session = ? AND turn = ? AND open = 1",
	    "it", t->session, t->names.turn_id);
}

int open_turn_add_message(const struct open_turn *t, const struct item *item)
{
	return sessions_insert_item(t->db, t->session, 0, item);
}

/* --- all of them --- */

static int64_t last_seq_of(struct db *db, int64_t session)
{
	sqlite3_stmt *stmt = db_query(db,
	    "SELECT last_seq FROM segments WHERE id >= ? AND id < ? ORDER BY id DESC LIMIT 1", "ii",
	    store_key(session, 0), store_key(session + 1, 0));
	int64_t seq = 0;

	if (db_step(db, stmt) == 1) {
		seq = sqlite3_column_int64(stmt, 0);
		sqlite3_reset(stmt);
	}
	return seq;
}

/* The row says what its log and messages are now. */
static int update_session(const struct open_turn *t)
{
	sqlite3_stmt *stmt =
	    db_query(t->db, "SELECT count(*) FROM messages WHERE id >= ? AND id < ?", "ii",
		store_key(t->session, 0), store_key(t->session + 1, 0));
	int64_t messages = db_step(t->db, stmt) == 1 ? sqlite3_column_int64(stmt, 0) : 0;

	sqlite3_reset(stmt);
	return db_run(t->db,
	    "UPDATE sessions SET last_seq = ?1, last_turn_seq = ?1, message_count = ?2,"
	    " updated_ms = ?3, turn_count = (SELECT count(*) FROM turns WHERE session = ?4)"
	    " WHERE num = ?4",
	    "iiii", (int64_t)t->last_seq, messages, clock_wall_ms(), t->session);
}

static int end_open_turn(struct open_turn *t, open_turn_cb *end_turn)
{
	int rc;

	t->last_seq = (uint64_t)last_seq_of(t->db, t->session);
	rc = end_turn(t);
	if (rc == 0)
		rc = db_run(t->db, "UPDATE turns SET state = 0 WHERE num = ?", "i", t->num);
	if (rc == 0)
		rc = update_session(t);
	FAULT("recovery-turn");
	return rc;
}

struct open_list {
	struct open_turn *turns; /* owned, with their strings */
	size_t count;
};

static char *copy_column(sqlite3_stmt *stmt, int column)
{
	return mem_strdup((const char *)sqlite3_column_text(stmt, column));
}

static int list_open(struct db *db, const char *daemon_id, struct open_list *ret)
{
	sqlite3_stmt *stmt = db_query(db,
	    "SELECT t.num, t.session, t.queued_seq, t.id, t.writer, t.client, t.mode, s.id"
	    " FROM turns t JOIN sessions s ON s.num = t.session WHERE t.state = 1 ORDER BY t.num",
	    "");
	int rc;

	while ((rc = db_step(db, stmt)) == 1) {
		ret->turns = mem_realloc(ret->turns, (ret->count + 1) * sizeof *ret->turns);
		ret->turns[ret->count++] = (struct open_turn){.db = db,
		    .daemon_id = daemon_id,
		    .num = sqlite3_column_int64(stmt, 0),
		    .session = sqlite3_column_int64(stmt, 1),
		    .queued_seq = (uint64_t)sqlite3_column_int64(stmt, 2),
		    .names = {.turn_id = copy_column(stmt, 3),
			.writer_id = copy_column(stmt, 4),
			.client_id = copy_column(stmt, 5),
			.mode = copy_column(stmt, 6)},
		    .session_id = copy_column(stmt, 7)};
	}
	return rc;
}

static void finish_list(struct open_list *list)
{
	for (size_t i = 0; i < list->count; i++) {
		struct open_turn *t = &list->turns[i];
		const char *const strings[] = {t->names.turn_id, t->names.writer_id,
		    t->names.client_id, t->names.mode, t->session_id};

		for (size_t k = 0; k < sizeof strings / sizeof strings[0]; k++)
			free((void *)(uintptr_t)strings[k]);
	}
	free(list->turns);
}

static int end_list(struct db *db, const struct open_list *list, open_turn_cb *end_turn)
{
	int rc = db_set_sync(db, true);

	if (rc == 0)
		rc = db_run(db, "BEGIN IMMEDIATE", "");
	for (size_t i = 0; i < list->count && rc == 0; i++)
		rc = end_open_turn(&list->turns[i], end_turn);
	if (rc == 0)
		rc = db_run(db, "COMMIT", "");
	else
		db_run(db, "ROLLBACK", "");
	FAULT("recovered");
	return rc;
}

int open_turns_end(struct db *db, const char *daemon_id, open_turn_cb *end_turn, size_t *ret_turns,
    struct err *reterr)
{
	struct open_list list = {0};
	int rc = list_open(db, daemon_id, &list);

	if (rc == 0 && list.count)
		rc = end_list(db, &list, end_turn);
	*ret_turns = rc == 0 ? list.count : 0;
	if (rc != 0)
		err_set(reterr, rc, "cannot end the turns the last daemon left open: %s",
		    sqlite3_errmsg(db->h));
	finish_list(&list);
	return rc;
}
