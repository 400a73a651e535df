/* store/schema: a new database, one of today, and those that are not for us. */
#include "store/schema.h"

#include <sqlite3.h>

#include "base/err.h"
#include "store/db.h"
#include "unit.h"

static struct db *open_db(void)
{
	struct err err;
	struct db *db;

	if (db_open(unit_path("x.db"), false, &db, &err) != 0)
		fail_msg("%s", err.text);
	return db;
}

static void a_new_database_gets_todays_tables(void **state)
{
	struct db *db = open_db();
	struct err err;

	assert_int_equal(schema_migrate(db, "x.db", &err), 0);
	assert_int_equal(db_number(db,
			     "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name IN "
			     "('sessions', 'segments', 'turns', 'messages')",
			     -1),
	    4);
	assert_true(db_number(db, "PRAGMA user_version", -1) >= 1);
	assert_int_equal(db_number(db, "PRAGMA application_id", -1), 0x6f707461);
	db_close(db);
}

static void todays_database_is_left_as_it_is(void **state)
{
	struct db *db = open_db();
	struct err err;
	int64_t version;

	assert_int_equal(schema_migrate(db, "x.db", &err), 0);
	version = db_number(db, "PRAGMA user_version", -1);
	assert_int_equal(db_run(db, "INSERT INTO messages(id, body) VALUES(1, 'kept')", ""), 0);
	db_close(db);
	db = open_db();
	assert_int_equal(schema_migrate(db, "x.db", &err), 0);
	assert_int_equal(db_number(db, "PRAGMA user_version", -1), version);
	assert_int_equal(db_number(db, "SELECT count(*) FROM messages", -1), 1);
	db_close(db);
}

static void a_newer_one_is_refused_with_a_sentence_and_not_touched(void **state)
{
	struct db *db = open_db();
	struct err err;

	assert_int_equal(schema_migrate(db, "x.db", &err), 0);
	assert_int_equal(sqlite3_exec(db->h, "PRAGMA user_version=999", NULL, NULL, NULL), 0);
	assert_int_equal(schema_migrate(db, "/home/x.db", &err), ERR_VERSION);
	assert_holds(err.text, "/home/x.db");
	assert_holds(err.text, "newer");
	assert_holds(err.text, "999");
	assert_int_equal(db_number(db, "PRAGMA user_version", -1), 999);
	db_close(db);
}

static void somebody_elses_is_refused(void **state)
{
	struct db *db = open_db();
	struct err err;

	assert_int_equal(sqlite3_exec(db->h,
			     "CREATE TABLE theirs(x); PRAGMA user_version=1; PRAGMA "
			     "application_id=7",
			     NULL, NULL, NULL),
	    0);
	assert_int_equal(schema_migrate(db, "x.db", &err), ERR_CORRUPT);
	assert_holds(err.text, "no database of opta");
	assert_int_equal(db_number(db, "SELECT count(*) FROM sqlite_schema", -1), 1);
	db_close(db);
}

static void a_migration_that_fails_leaves_nothing_of_itself(void **state)
{
	struct db *db = open_db();
	struct err err;

	/* The last of the tables is in the way. */
	assert_int_equal(db_run(db, "CREATE TABLE messages(x)", ""), 0);
	assert_true(schema_migrate(db, "x.db", &err) < 0);
	assert_holds(err.text, "schema 1");
	assert_int_equal(db_number(db, "SELECT count(*) FROM sqlite_schema", -1), 1);
	assert_int_equal(db_number(db, "PRAGMA user_version", -1), 0);
	assert_true(sqlite3_get_autocommit(db->h));
	db_close(db);
}

static void a_key_is_taken_once_in_a_session_and_none_is_no_key(void **state)
{
	static const char sql[] = "INSERT INTO turns(session, id, state, writer, client, mode,"
				  " idempotency_key, queued_seq) VALUES(?,'t',1,'w','c','m',?,1)";
	struct db *db = open_db();
	struct err err;

	assert_int_equal(schema_migrate(db, "x.db", &err), 0);
	assert_int_equal(db_run(db, sql, "it", (int64_t)1, "k"), 0);
	assert_int_equal(db_run(db, sql, "it", (int64_t)1, "k"), -EEXIST);
	assert_int_equal(db_run(db, sql, "it", (int64_t)2, "k"), 0);
	assert_int_equal(db_run(db, sql, "it", (int64_t)1, (const char *)NULL), 0);
	assert_int_equal(db_run(db, sql, "it", (int64_t)1, (const char *)NULL), 0);
	db_close(db);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    with_dir(a_new_database_gets_todays_tables),
	    with_dir(todays_database_is_left_as_it_is),
	    with_dir(a_newer_one_is_refused_with_a_sentence_and_not_touched),
	    with_dir(somebody_elses_is_refused),
	    with_dir(a_migration_that_fails_leaves_nothing_of_itself),
	    with_dir(a_key_is_taken_once_in_a_session_and_none_is_no_key),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
