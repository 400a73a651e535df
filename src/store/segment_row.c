/* Segments as rows of the database. */
#include "store/segment_row.h"

#include <sqlite3.h>

#include "store/db.h"
#include "store/pack.h"
#include "store/segment.h"
#include "store/store.h"

int segment_row_put(
    struct db *db, int64_t session, uint64_t first_seq, uint64_t last_seq, const char *p, size_t n)
{
	return db_run(db, "INSERT INTO segments(" SEGMENT_COLUMNS ") VALUES(?,?,0,?)", "iib",
	    store_key(session, first_seq), (int64_t)last_seq, (const void *)p, n);
}

int segment_row_put_packed(
    struct db *db, int64_t session, uint64_t first_seq, uint64_t last_seq, const char *p, size_t n)
{
	return db_run(db, "INSERT INTO segments(" SEGMENT_COLUMNS ") VALUES(?,?,1,?)", "iib",
	    store_key(session, first_seq), (int64_t)last_seq, (const void *)p, n);
}

bool segment_row_read(sqlite3_stmt *stmt, struct segment_row *row)
{
	int encoding = sqlite3_column_int(stmt, 2);
	const char *p = sqlite3_column_blob(stmt, 3);
	size_t n = (size_t)sqlite3_column_bytes(stmt, 3);

	row->id = sqlite3_column_int64(stmt, 0);
	row->first_seq = store_seq(row->id);
	row->last_seq = (uint64_t)sqlite3_column_int64(stmt, 1);
	row->packed = encoding == SEGMENT_PACKED;
	row->stored_len = n;
	row->frames = (struct str){0};
	if (row->packed) {
		buf_clear(&row->open);
		if (!pack_open(row->first_seq, row->last_seq, p, n, &row->open))
			return false;
		/* Rendered here from what a checksum vouches for: whole. */
		row->frames = (struct str){row->open.p, row->open.len};
		return true;
	}
	if (encoding != SEGMENT_PLAIN || !segment_is_whole(row->first_seq, row->last_seq, p, n))
		return false;
	row->frames = (struct str){p, n};
	return true;
}

void segment_row_finish(struct segment_row *row)
{
	buf_finish(&row->open);
}
