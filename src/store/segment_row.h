#ifndef STORE_SEGMENT_ROW_H
#define STORE_SEGMENT_ROW_H

/*
 * Segments as rows of the database, plain or packed (store/pack.h). All
 * functions: the thread the connection belongs to.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"

struct db;
struct sqlite3_stmt;

/* What segments.encoding may be. */
enum { SEGMENT_PLAIN = 0, SEGMENT_PACKED = 1 };

/* The columns a query for segment_row_read selects, no others before them. */
#define SEGMENT_COLUMNS "id, last_seq, encoding, bytes"

/* One for all rows of a query; zero-initialised. */
struct segment_row {
	int64_t id; /* store_key of the session and first_seq */
	uint64_t first_seq, last_seq;
	bool packed;
	size_t stored_len; /* bytes on disk */
	struct str frames; /* borrowed until the next step or read */
	struct buf open;   /* what they were unpacked into */
};

/* Insert the plain frames first_seq … last_seq in p[0..n). 0 or a code of db_code. */
int segment_row_put(
    struct db *db, int64_t session, uint64_t first_seq, uint64_t last_seq, const char *p, size_t n);

/* Insert them packed: p[0..n) is of pack_frames. */
int segment_row_put_packed(
    struct db *db, int64_t session, uint64_t first_seq, uint64_t last_seq, const char *p, size_t n);

/* Append the frames of the row stmt stands on to out, and tell its numbers in row (frames is left
 * empty). False when they are not whole; out may have grown. */
bool segment_row_append(struct sqlite3_stmt *stmt, struct segment_row *row, struct buf *out);

/* The row stmt stands on. False when its frames are not whole; id and last_seq are as stored then,
 * frames is empty. */
bool segment_row_read(struct sqlite3_stmt *stmt, struct segment_row *row);

/* Free what was unpacked. */
void segment_row_finish(struct segment_row *row);

#endif
