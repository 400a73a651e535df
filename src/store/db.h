#ifndef STORE_DB_H
#define STORE_DB_H

/*
 * One SQLite connection with its prepared statements. A db belongs to one
 * thread at a time. Values are bound by a format string, so that every SQL text
 * stands where it is used.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;
struct sqlite3;
struct sqlite3_stmt;

struct db {
	struct sqlite3 *h;	  /* owned */
	struct db_cached *cached; /* owned */
	size_t cached_len;
	int sync; /* what PRAGMA synchronous was last set to and seen to be */
};

/* Open (and create, when writing) the database at path in WAL mode. Blocks. The caller closes with
 * db_close. On a copy-on-write filesystem only one process can have it open (ERR_BUSY). */
int db_open(const char *path, bool readonly, struct db **ret, struct err *reterr);

/* Finalize statements and close; the last connection checkpoints. NULL is allowed. */
void db_close(struct db *db);

/*
 * Prepare (once; sql must be a literal, it is cached by address) and bind:
 * i int64_t, t const char * (NULL: NULL), b const void * and size_t. Bound memory
 * must live until the statement is stepped to its end. NULL on a database error.
 */
struct sqlite3_stmt *db_query(struct db *db, const char *sql, const char *format, ...);

/* Bind and run a statement that returns no rows. 0 or a code of db_code. */
int db_run(struct db *db, const char *sql, const char *format, ...);

/* Step a query: 1 a row, 0 the end (the statement is reset), negative: a code of db_code. */
int db_step(struct db *db, struct sqlite3_stmt *stmt);

/* The single number a query gives, or fallback when it gives none or fails. */
int64_t db_number(struct db *db, const char *sql, int64_t fallback);

/* The last error of the connection as ours: ERR_FULL, ERR_CORRUPT, ERR_BUSY, -EIO, … */
int db_code(struct db *db);

/* Commits from now on reach the disk's platter before they return (full) or survive only the
 * process (not). Outside a transaction. */
int db_set_sync(struct db *db, bool full);

#endif
