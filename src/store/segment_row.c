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

/* What the row says of itself. The frames as stored, or an empty str when nobody knows their form.
 */
static struct str stored(sqlite3_stmt *stmt, struct segment_row *row)
{
	int encoding = sqlite3_column_int(stmt, 2);
	const char *p = sqlite3_column_blob(stmt, 3);

	row->id = sqlite3_column_int64(stmt, 0);
	row->first_seq = store_seq(row->id);
	row->last_seq = (uint64_t)sqlite3_column_int64(stmt, 1);
	row->packed = encoding == SEGMENT_PACKED;
	row->stored_len = (size_t)sqlite3_column_bytes(stmt, 3);
	row->frames = (struct str){0};
	if (encoding != SEGMENT_PLAIN && encoding != SEGMENT_PACKED)
		return (struct str){0};
	return (struct str){p, row->stored_len};
}

bool segment_row_append(sqlite3_stmt *stmt, struct segment_row *row, struct buf *out)
{
	struct str bytes = stored(stmt, row);

	/* Unpacked frames are rendered here from what a checksum vouches for: whole. */
	if (row->packed)
		return pack_open(row->first_seq, row->last_seq, bytes.p, bytes.n, out);
	if (!segment_is_whole(row->first_seq, row->last_seq, bytes.p, bytes.n))
		return false;
	buf_add(out, bytes.p, bytes.n);
	return true;
}

bool segment_row_read(sqlite3_stmt *stmt, struct segment_row *row)
{
	struct str bytes = stored(stmt, row);

	if (row->packed) {
		buf_clear(&row->open);
		if (!pack_open(row->first_seq, row->last_seq, bytes.p, bytes.n, &row->open))
			return false;
		bytes = (struct str){row->open.p, row->open.len};
	} else if (!segment_is_whole(row->first_seq, row->last_seq, bytes.p, bytes.n)) {
		return false;
	}
	row->frames = bytes;
	return true;
}

void segment_row_finish(struct segment_row *row)
{
	buf_finish(&row->open);
}
