/* One SQLite connection. */
#include "store/db.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/os.h"

/* Page cache per connection, in KiB: the writer's working set is a few pages, readers stream. */
#define DB_CACHE_KB "256"
/* How long a connection waits for another's lock; only the checkpoint ever holds one for long, and
 * not against who reads. */
enum { DB_BUSY_MS = 10000, DB_BUSY_READ_MS = 1000 };

struct db_cached {
	const char *sql; /* literal: compared by address */
	sqlite3_stmt *stmt;
};

int db_code(struct db *db)
{
	/* SQLite keeps it, but not of a write that fails in the commit of a statement by itself. */
	int system = sqlite3_system_errno(db->h) ? sqlite3_system_errno(db->h) : errno;

	switch (sqlite3_errcode(db->h)) {
	case SQLITE_OK:
	case SQLITE_DONE:
	case SQLITE_ROW:
		return 0;
	case SQLITE_FULL:
		return ERR_FULL;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return ERR_CORRUPT;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return ERR_BUSY;
	case SQLITE_READONLY:
		return -EROFS;
	case SQLITE_NOMEM:
		return -ENOMEM;
	case SQLITE_CONSTRAINT:
		return -EEXIST;
	case SQLITE_IOERR:
		/* A quota or a full disk can come as a write error, too. */
		return system == ENOSPC || system == EDQUOT || system == EFBIG ? ERR_FULL : -EIO;
	default:
		return -EIO;
	}
}

static int setup(struct db *db, bool readonly)
{
	static const char common[] = "PRAGMA cache_size=-" DB_CACHE_KB ";"
				     "PRAGMA temp_store=MEMORY;"
				     "PRAGMA wal_autocheckpoint=0;"
				     "PRAGMA secure_delete=OFF;";

	sqlite3_busy_timeout(db->h, readonly ? DB_BUSY_READ_MS : DB_BUSY_MS);
	sqlite3_extended_result_codes(db->h, 0);
	if (sqlite3_exec(db->h, common, NULL, NULL, NULL) != SQLITE_OK)
		return -1;
	if (readonly)
		return sqlite3_exec(db->h, "PRAGMA query_only=1;", NULL, NULL, NULL) == SQLITE_OK
			   ? 0
			   : -1;
	/* Free pages can be given back (store/packer.h): said before the file is made, or never. */
	return sqlite3_exec(db->h, "PRAGMA auto_vacuum=INCREMENTAL;PRAGMA journal_mode=WAL;", NULL,
		   NULL, NULL) == SQLITE_OK
		   ? 0
		   : -1;
}

/*
 * SQLite changes the index of the write-ahead log through a mapping, and where a changed page needs
 * new room a full disk answers that with SIGBUS. There it is kept in memory, as a database that one
 * process has for itself allows: no other one can read it meanwhile (sqlite.org/vfs.html,
 * unix-excl). Another VFS than the usual one is a test's.
 */
static const char *vfs_for(const char *path)
{
	const sqlite3_vfs *usual = sqlite3_vfs_find(NULL);
	const char *slash = strrchr(path, '/');
	char dir[PATH_MAX];

	if (!usual || strcmp(usual->zName, "unix") != 0 || !slash)
		return NULL;
	snprintf(dir, sizeof dir, "%.*s", (int)(slash - path), path);
	return os_is_cow_fs(dir) ? "unix-excl" : NULL;
}

int db_open(const char *path, bool readonly, struct db **ret, struct err *reterr)
{
	/* A read-only WAL reader must still write the shared-memory file, so all open READWRITE. */
	int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_NOFOLLOW |
		    (readonly ? 0 : SQLITE_OPEN_CREATE);
	struct db *db = mem_zalloc(1, sizeof *db);
	int rc;

	db->sync = -1;
	if (sqlite3_open_v2(path, &db->h, flags, vfs_for(path)) != SQLITE_OK ||
	    setup(db, readonly) != 0) {
		rc = db->h ? db_code(db) : -ENOMEM;
		rc = err_set(reterr, rc ? rc : -EIO, "cannot open the database %s: %s%s", path,
		    db->h ? sqlite3_errmsg(db->h) : "out of memory",
		    rc == ERR_BUSY ? "; another program has it open (opta doctor, or a backup?)"
				   : "");
		db_close(db);
		return rc;
	}
	*ret = db;
	return 0;
}

void db_close(struct db *db)
{
	if (!db)
		return;
	for (size_t i = 0; i < db->cached_len; i++)
		sqlite3_finalize(db->cached[i].stmt);
	free(db->cached);
	sqlite3_close(db->h);
	free(db);
}

static sqlite3_stmt *prepare(struct db *db, const char *sql)
{
	sqlite3_stmt *stmt;

	for (size_t i = 0; i < db->cached_len; i++)
		if (db->cached[i].sql == sql) {
			sqlite3_reset(db->cached[i].stmt);
			return db->cached[i].stmt;
		}
	if (sqlite3_prepare_v3(db->h, sql, -1, SQLITE_PREPARE_PERSISTENT, &stmt, NULL) != SQLITE_OK)
		return NULL;
	db->cached = mem_realloc(db->cached, (db->cached_len + 1) * sizeof *db->cached);
	db->cached[db->cached_len++] = (struct db_cached){sql, stmt};
	return stmt;
}

static sqlite3_stmt *bind(struct db *db, const char *sql, const char *format, va_list ap)
{
	sqlite3_stmt *stmt = prepare(db, sql);
	const char *text;
	const void *blob;
	int at = 1;

	if (!stmt)
		return NULL;
	for (; *format; format++, at++) {
		switch (*format) {
		case 'i':
			sqlite3_bind_int64(stmt, at, va_arg(ap, int64_t));
			break;
		case 't':
			text = va_arg(ap, const char *);
			sqlite3_bind_text(stmt, at, text, -1, SQLITE_STATIC);
			break;
		case 'b':
			blob = va_arg(ap, const void *);
			sqlite3_bind_blob64(stmt, at, blob, va_arg(ap, size_t), SQLITE_STATIC);
			break;
		default:
			/* A format db_query does not know: a slip of ours. */
			abort();
		}
	}
	return stmt;
}

sqlite3_stmt *db_query(struct db *db, const char *sql, const char *format, ...)
{
	sqlite3_stmt *stmt;
	va_list ap;

	va_start(ap, format);
	stmt = bind(db, sql, format, ap);
	va_end(ap);
	return stmt;
}

int db_run(struct db *db, const char *sql, const char *format, ...)
{
	sqlite3_stmt *stmt;
	va_list ap;
	int rc;

	va_start(ap, format);
	stmt = bind(db, sql, format, ap);
	va_end(ap);
	if (!stmt)
		return db_code(db);
	rc = sqlite3_step(stmt) == SQLITE_DONE ? 0 : db_code(db);
	sqlite3_reset(stmt);
	sqlite3_clear_bindings(stmt);
	return rc;
}

int db_step(struct db *db, sqlite3_stmt *stmt)
{
	int rc;

	if (!stmt)
		return db_code(db) ? db_code(db) : -EIO;
	switch (sqlite3_step(stmt)) {
	case SQLITE_ROW:
		return 1;
	case SQLITE_DONE:
		sqlite3_reset(stmt);
		return 0;
	default:
		rc = db_code(db);
		sqlite3_reset(stmt);
		return rc ? rc : -EIO;
	}
}

int64_t db_number(struct db *db, const char *sql, int64_t fallback)
{
	sqlite3_stmt *stmt = db_query(db, sql, "");
	int64_t n = fallback;

	if (db_step(db, stmt) == 1) {
		if (sqlite3_column_type(stmt, 0) != SQLITE_NULL)
			n = sqlite3_column_int64(stmt, 0);
		sqlite3_reset(stmt);
	}
	return n;
}

int db_set_sync(struct db *db, bool full)
{
	int want = full ? 2 : 1;
	sqlite3_stmt *stmt;

	if (db->sync == want)
		return 0;
	stmt = db_query(db, full ? "PRAGMA synchronous=FULL" : "PRAGMA synchronous=NORMAL", "");
	while (db_step(db, stmt) == 1)
		continue;
	/* Within a transaction the pragma does nothing and says nothing: ask. */
	db->sync = (int)db_number(db, "PRAGMA synchronous", -1);
	return db->sync == want ? 0 : -EIO;
}
