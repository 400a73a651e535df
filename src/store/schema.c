/* The tables and their migrations. */
#include "store/schema.h"

#include <errno.h>
#include <inttypes.h>
#include <sqlite3.h>

#include "base/err.h"
#include "base/fault.h"
#include "store/db.h"

/* "opta" in the file's header: file(1) and we can tell it is ours. */
#define SCHEMA_APPLICATION_ID 0x6f707461

/*
 * Migration i brings version i to i + 1.
 *
 * segments.id and messages.id are session number << 36 | first seq (or message
 * number): one B-tree, no secondary index, ranges by session. A session's number
 * is never used for another while its rows exist.
 * fronts: the number of the first message the model is still given.
 * answers: the model that answered last, which need not be the one that was asked for.
 * turns.state: 1 accepted and not ended, 0 ended.
 * permissions.open: 1 until decided. rules.match: what remembered decisions hold for.
 * messages.body: the message as clients see it; more: what else is known of it, NULL nothing
 * (protocol/item.h); text: what is searched, where that is not simply the body's content.
 * message_search: full-text index of the messages, kept by triggers.
 */
static const char *const migrations[] = {
    "CREATE TABLE sessions(num INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, model TEXT NOT NULL,"
    "  title TEXT NOT NULL, metadata TEXT NOT NULL, created_ms INTEGER NOT NULL,"
    "  updated_ms INTEGER NOT NULL, turn_count INTEGER NOT NULL, message_count INTEGER NOT NULL,"
    "  tool_calls INTEGER NOT NULL, writer_count INTEGER NOT NULL, last_seq INTEGER NOT NULL,"
    "  last_turn_seq INTEGER NOT NULL);"
    "CREATE TABLE segments(id INTEGER PRIMARY KEY, last_seq INTEGER NOT NULL,"
    "  encoding INTEGER NOT NULL, bytes BLOB NOT NULL);"
    "CREATE TABLE turns(num INTEGER PRIMARY KEY, session INTEGER NOT NULL, id TEXT NOT NULL,"
    "  state INTEGER NOT NULL, writer TEXT NOT NULL, client TEXT NOT NULL, mode TEXT NOT NULL,"
    "  idempotency_key TEXT, queued_seq INTEGER NOT NULL);"
    "CREATE UNIQUE INDEX turns_by_key ON turns(session, idempotency_key)"
    "  WHERE idempotency_key IS NOT NULL;"
    "CREATE INDEX turns_open ON turns(session) WHERE state = 1;"
    "CREATE INDEX turns_by_session ON turns(session, id);"
    "CREATE TABLE messages(id INTEGER PRIMARY KEY, body TEXT NOT NULL);",
    "CREATE TABLE permissions(num INTEGER PRIMARY KEY, session INTEGER NOT NULL, id TEXT NOT NULL,"
    "  turn TEXT NOT NULL, tool TEXT NOT NULL, created_ms INTEGER NOT NULL, open INTEGER NOT NULL,"
    "  decision TEXT, decided_by TEXT);"
    "CREATE UNIQUE INDEX permissions_by_id ON permissions(session, id);"
    "CREATE INDEX permissions_open ON permissions(session) WHERE open = 1;"
    "CREATE TABLE rules(session INTEGER NOT NULL, tool TEXT NOT NULL, match TEXT NOT NULL,"
    "  decision TEXT NOT NULL, PRIMARY KEY(session, tool, match)) WITHOUT ROWID;",
    /* The index holds no text of its own: it reads it through the view. */
    "CREATE VIEW message_texts(id, text) AS SELECT id,"
    "  CASE WHEN json_valid(body) THEN json_extract(body, '$.content') END FROM messages;"
    "CREATE VIRTUAL TABLE message_search USING fts5(text, content='message_texts',"
    "  content_rowid='id', tokenize='unicode61 remove_diacritics 2');"
    "CREATE TRIGGER message_added AFTER INSERT ON messages BEGIN"
    "  INSERT INTO message_search(rowid, text) VALUES(new.id,"
    "    CASE WHEN json_valid(new.body) THEN json_extract(new.body, '$.content') END); END;"
    "CREATE TRIGGER message_removed AFTER DELETE ON messages BEGIN"
    "  INSERT INTO message_search(message_search, rowid, text) VALUES('delete', old.id,"
    "    CASE WHEN json_valid(old.body) THEN json_extract(old.body, '$.content') END); END;"
    "INSERT INTO message_search(message_search) VALUES('rebuild');",
    "CREATE TABLE IF NOT EXISTS answers(session INTEGER PRIMARY KEY, model TEXT NOT NULL);",
    "CREATE TABLE IF NOT EXISTS fronts(session INTEGER PRIMARY KEY, message INTEGER NOT NULL);"
    "ALTER TABLE messages ADD COLUMN more TEXT;"
    "ALTER TABLE messages ADD COLUMN text TEXT;"
    "DROP TRIGGER message_added; DROP TRIGGER message_removed; DROP VIEW message_texts;"
    "CREATE VIEW message_texts(id, text) AS SELECT id, coalesce(text,"
    "  CASE WHEN json_valid(body) THEN json_extract(body, '$.content') END) FROM messages;"
    "CREATE TRIGGER message_added AFTER INSERT ON messages BEGIN"
    "  INSERT INTO message_search(rowid, text) VALUES(new.id, coalesce(new.text,"
    "    CASE WHEN json_valid(new.body) THEN json_extract(new.body, '$.content') END)); END;"
    "CREATE TRIGGER message_removed AFTER DELETE ON messages BEGIN"
    "  INSERT INTO message_search(message_search, rowid, text) VALUES('delete', old.id,"
    "    coalesce(old.text, CASE WHEN json_valid(old.body) THEN"
    "      json_extract(old.body, '$.content') END)); END;",
};

enum { SCHEMA_VERSION = sizeof migrations / sizeof migrations[0] };

static int exec(struct db *db, const char *sql)
{
	return sqlite3_exec(db->h, sql, NULL, NULL, NULL) == SQLITE_OK ? 0 : db_code(db);
}

static int migrate_one(struct db *db, int from, struct err *reterr)
{
	char version[80];
	int rc;

	snprintf(version, sizeof version, "PRAGMA application_id=%d; PRAGMA user_version=%d;",
	    SCHEMA_APPLICATION_ID, from + 1);
	rc = exec(db, "BEGIN IMMEDIATE");
	if (rc == 0)
		rc = exec(db, migrations[from]);
	if (rc == 0)
		rc = exec(db, version);
	FAULT("migrated");
	if (rc == 0)
		rc = exec(db, "COMMIT");
	if (rc != 0) {
		err_set(reterr, rc, "%.400s", sqlite3_errmsg(db->h));
		exec(db, "ROLLBACK");
	}
	return rc;
}

int schema_migrate(struct db *db, const char *path, struct err *reterr)
{
	int64_t version = db_number(db, "PRAGMA user_version", -1);
	int64_t owner = db_number(db, "PRAGMA application_id", -1);
	struct err why;
	int rc;

	if (version < 0 || owner < 0 || (version > 0 && owner != SCHEMA_APPLICATION_ID))
		return err_set(reterr, ERR_CORRUPT, "%s is damaged or no database of opta (%s)",
		    path, sqlite3_errmsg(db->h));
	if (version > SCHEMA_VERSION)
		return err_set(reterr, ERR_VERSION,
		    "%s was written by a newer opta (schema %" PRId64
		    ", this one knows %d): update opta, or move the file away",
		    path, version, SCHEMA_VERSION);
	db_set_sync(db, true);
	for (; version < SCHEMA_VERSION; version++) {
		rc = migrate_one(db, (int)version, &why);
		if (rc != 0)
			return err_set(reterr, rc,
			    "cannot bring %.200s to schema %" PRId64 ": %.250s", path, version + 1,
			    why.text);
	}
	return 0;
}
