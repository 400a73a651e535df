/* store/db: one connection, its statements and its errors. */
#include "store/db.h"

#include <sqlite3.h>
#include <unistd.h>

#include "base/err.h"
#include "unit.h"

static struct db *open_db(bool readonly)
{
	struct err err;
	struct db *db;

	if (db_open(unit_path("x.db"), readonly, &db, &err) != 0)
		fail_msg("%s", err.text);
	return db;
}

static void values_are_bound_and_come_back(void **state)
{
	struct db *db = open_db(false);
	sqlite3_stmt *stmt;

	assert_int_equal(db_run(db, "CREATE TABLE t(i INTEGER, t TEXT, b BLOB)", ""), 0);
	assert_int_equal(db_run(db, "INSERT INTO t VALUES(?,?,?)", "itb", (int64_t)-5, "text",
			     (const void *)"a\0b", (size_t)3),
	    0);
	assert_int_equal(db_run(db, "INSERT INTO t VALUES(?,?,?)", "itb", INT64_MAX,
			     (const char *)NULL, (const void *)"", (size_t)0),
	    0);
	stmt = db_query(db, "SELECT i, t, b FROM t WHERE i < ?", "i", (int64_t)0);
	assert_int_equal(db_step(db, stmt), 1);
	assert_int_equal(sqlite3_column_int64(stmt, 0), -5);
	assert_string_equal((const char *)sqlite3_column_text(stmt, 1), "text");
	assert_int_equal(sqlite3_column_bytes(stmt, 2), 3);
	assert_memory_equal(sqlite3_column_blob(stmt, 2), "a\0b", 3);
	assert_int_equal(db_step(db, stmt), 0);
	assert_int_equal(db_number(db, "SELECT count(*) FROM t WHERE t IS NULL", -1), 1);
	db_close(db);
}

static void a_statement_is_prepared_once_and_reset_when_asked_again(void **state)
{
	static const char sql[] = "SELECT 1 UNION SELECT 2";
	struct db *db = open_db(false);
	sqlite3_stmt *stmt = db_query(db, sql, "");

	assert_int_equal(db_step(db, stmt), 1);
	assert_ptr_equal(db_query(db, sql, ""), stmt);
	assert_int_equal(db_step(db, stmt), 1);
	assert_int_equal(sqlite3_column_int(stmt, 0), 1);
	assert_int_equal(db->cached_len, 1);
	db_close(db);
}

static void a_number_that_is_not_there_is_the_fallback(void **state)
{
	struct db *db = open_db(false);

	assert_int_equal(db_number(db, "SELECT max(name) FROM sqlite_schema", 7), 7);
	assert_int_equal(db_number(db, "SELECT 1 WHERE 0", 8), 8);
	assert_int_equal(db_number(db, "SELECT nonsense", 9), 9);
	db_close(db);
}

static void errors_are_ours(void **state)
{
	struct db *db = open_db(false), *reader;

	assert_int_equal(db_run(db, "CREATE TABLE t(i INTEGER PRIMARY KEY, b BLOB)", ""), 0);
	assert_int_equal(db_run(db, "INSERT INTO t(i) VALUES(1)", ""), 0);
	assert_int_equal(db_run(db, "INSERT INTO t(i) VALUES(1)", ""), -EEXIST);
	assert_true(db_run(db, "INSERT INTO nowhere VALUES(1)", "") < 0);
	assert_true(db_step(db, NULL) < 0);
	/* A disk that is full: no page more than there are. */
	assert_true(db_number(db, "PRAGMA max_page_count=1", -1) > 0);
	assert_int_equal(db_run(db, "INSERT INTO t(b) VALUES(zeroblob(1000000))", ""), ERR_FULL);
	reader = open_db(true);
	assert_true(db_run(reader, "DELETE FROM t", "") < 0);
	assert_int_equal(db_number(reader, "SELECT count(*) FROM t", -1), 1);
	db_close(reader);
	db_close(db);
	db_close(NULL);
}

static void what_is_no_database_is_corrupt_and_a_link_is_not_followed(void **state)
{
	struct err err = {0};
	struct db *db;

	unit_write("x.db", "this is a letter, not a database, and it is long enough to be one; the "
			   "header alone would take a hundred bytes of it");
	assert_int_equal(db_open(unit_path("x.db"), false, &db, &err), ERR_CORRUPT);
	assert_holds(err.text, "x.db");
	assert_int_equal(symlink(unit_path("y.db"), unit_path("z.db")), 0);
	assert_true(db_open(unit_path("z.db"), false, &db, &err) < 0);
	assert_true(access(unit_path("y.db"), F_OK) != 0);
	assert_true(db_open(unit_path("none/x.db"), false, &db, &err) < 0);
	/* A reader makes no file. */
	assert_true(db_open(unit_path("new.db"), true, &db, &err) < 0);
	assert_true(access(unit_path("new.db"), F_OK) != 0);
}

static void how_far_a_commit_goes_is_set_and_seen(void **state)
{
	struct db *db = open_db(false);

	assert_int_equal(db_set_sync(db, true), 0);
	assert_int_equal(db_number(db, "PRAGMA synchronous", -1), 2);
	assert_int_equal(db_set_sync(db, false), 0);
	assert_int_equal(db_number(db, "PRAGMA synchronous", -1), 1);
	/* Within a transaction it would do nothing, and says so. */
	assert_int_equal(db_run(db, "BEGIN", ""), 0);
	assert_true(db_set_sync(db, true) < 0);
	assert_int_equal(db_run(db, "COMMIT", ""), 0);
	assert_int_equal(db_set_sync(db, true), 0);
	db_close(db);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    with_dir(values_are_bound_and_come_back),
	    with_dir(a_statement_is_prepared_once_and_reset_when_asked_again),
	    with_dir(a_number_that_is_not_there_is_the_fallback),
	    with_dir(errors_are_ours),
	    with_dir(what_is_no_database_is_corrupt_and_a_link_is_not_followed),
	    with_dir(how_far_a_commit_goes_is_set_and_seen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
