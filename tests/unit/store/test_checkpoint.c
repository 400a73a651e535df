/* store/checkpoint: the write-ahead log stays bounded while somebody writes. */
#include "store/checkpoint.h"

#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "store/db.h"
#include "unit.h"

enum { FRAME = 4096 + 24 };

static pthread_mutex_t writer_lock = PTHREAD_MUTEX_INITIALIZER;
static int pages;

static int on_wal(void *data, sqlite3 *h, const char *name, int n)
{
	pages = n;
	return SQLITE_OK;
}

static int64_t wal_size(void)
{
	struct stat st;

	return stat(unit_path("x.db-wal"), &st) == 0 ? st.st_size : 0;
}

static struct db *open_db(void)
{
	struct err err;
	struct db *db;

	if (db_open(unit_path("x.db"), false, &db, &err) != 0)
		fail_msg("%s", err.text);
	assert_int_equal(db_run(db, "CREATE TABLE t(b BLOB)", ""), 0);
	sqlite3_wal_hook(db->h, on_wal, NULL);
	return db;
}

/* About a megabyte, as the writer thread does it. */
static void write_some(struct db *db, struct checkpoint *c)
{
	pthread_mutex_lock(&writer_lock);
	assert_int_equal(db_run(db, "INSERT INTO t VALUES(zeroblob(1000000))", ""), 0);
	pthread_mutex_unlock(&writer_lock);
	if (c)
		checkpoint_note(c, (int64_t)pages * FRAME);
}

static void without_it_the_log_grows(void **state)
{
	struct db *db = open_db();

	for (int i = 0; i < 40; i++)
		write_some(db, NULL);
	assert_true(wal_size() > 30 * 1000 * 1000);
	db_close(db);
}

static void with_it_the_log_begins_anew(void **state)
{
	struct db *db = open_db();
	struct checkpoint *c;
	struct err err;
	int64_t largest = 0;
	uint64_t deadline = clock_mono_us() + 20 * 1000000;

	assert_int_equal(checkpoint_new(unit_path("x.db"), &writer_lock, &c, &err), 0);
	/* Past the hard limit a restart comes while we write on, as fast as a model does and no
	   faster: the other thread must get the disk too. Wait for it at a deadline. */
	for (int i = 0; i < 40 || (int64_t)pages * FRAME >= largest; i++) {
		if (clock_mono_us() > deadline)
			break;
		write_some(db, c);
		if (i > 40)
			usleep(2000);
		if ((int64_t)pages * FRAME > largest)
			largest = (int64_t)pages * FRAME;
	}
	assert_true((int64_t)pages * FRAME < largest);
	checkpoint_free(c);
	/* Nothing was lost on the way. */
	assert_true(db_number(db, "SELECT count(*) FROM t WHERE length(b) = 1000000", -1) >= 40);
	assert_int_equal(db_number(db, "SELECT count(*) FROM t WHERE length(b) <> 1000000", -1), 0);
	db_close(db);
}

static void a_writer_that_waits_never_outruns_it(void **state)
{
	struct db *db = open_db();
	struct checkpoint *c;
	struct err err;

	assert_int_equal(checkpoint_new(unit_path("x.db"), &writer_lock, &c, &err), 0);
	for (int i = 0; i < 150; i++) {
		checkpoint_wait(c);
		write_some(db, c);
	}
	/* The file keeps the greatest size it ever had. */
	assert_in_range(wal_size(), CHECKPOINT_SOFT, CHECKPOINT_LIMIT + 2 * 1000 * 1000);
	checkpoint_free(c);
	db_close(db);
}

/* A reader's old view keeps the log from beginning anew: no reason to stop. */
static void a_writer_does_not_wait_for_readers(void **state)
{
	struct db *db = open_db(), *reader;
	sqlite3_stmt *view;
	struct checkpoint *c;
	uint64_t begun;
	struct err err;

	assert_int_equal(checkpoint_new(unit_path("x.db"), &writer_lock, &c, &err), 0);
	write_some(db, c);
	assert_int_equal(db_open(unit_path("x.db"), true, &reader, &err), 0);
	view = db_query(reader, "SELECT rowid FROM t UNION ALL SELECT 0", "");
	assert_int_equal(db_step(reader, view), 1);
	begun = clock_mono_us();
	for (int i = 0; i < 30; i++) {
		checkpoint_wait(c);
		write_some(db, c);
	}
	assert_true(wal_size() > 2 * CHECKPOINT_LIMIT);
	assert_in_range(clock_mono_us() - begun, 0, 5 * 1000 * 1000);
	sqlite3_reset(view);
	db_close(reader);
	checkpoint_free(c);
	db_close(db);
}

static void it_ends_while_it_is_wanted(void **state)
{
	struct db *db = open_db();
	struct err err;

	for (int i = 0; i < 10; i++) {
		struct checkpoint *c;

		assert_int_equal(checkpoint_new(unit_path("x.db"), &writer_lock, &c, &err), 0);
		write_some(db, c);
		checkpoint_note(c, CHECKPOINT_HARD);
		checkpoint_free(c);
	}
	checkpoint_free(NULL);
	db_close(db);
}

static void what_cannot_be_opened_is_an_error(void **state)
{
	struct checkpoint *c = NULL;
	struct err err = {0};

	assert_true(checkpoint_new(unit_path("none/x.db"), &writer_lock, &c, &err) < 0);
	assert_null(c);
	assert_holds(err.text, "none/x.db");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    with_dir(without_it_the_log_grows),
	    with_dir(with_it_the_log_begins_anew),
	    with_dir(a_writer_that_waits_never_outruns_it),
	    with_dir(a_writer_does_not_wait_for_readers),
	    with_dir(it_ends_while_it_is_wanted),
	    with_dir(what_cannot_be_opened_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
