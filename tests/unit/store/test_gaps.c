/* store/gaps: what a damaged log lacks is found, and filled. */
#include "store/gaps.h"

#include <errno.h>
#include <sqlite3.h>

#include "base/buf.h"
#include "base/err.h"
#include "protocol/envelope.h"
#include "store/db.h"
#include "store/schema.h"
#include "store/store.h"
#include "unit.h"

static struct db *db;

static int open_db(void **state)
{
	struct err err;

	if (unit_make_dir(state) != 0 || db_open(unit_path("x.db"), false, &db, &err) != 0)
		return -1;
	return schema_migrate(db, "x.db", &err);
}

static int close_db(void **state)
{
	db_close(db);
	return unit_remove_dir(state);
}

static void put_session(int64_t num, const char *id, int64_t last_seq)
{
	assert_int_equal(
	    db_run(db, "INSERT INTO sessions VALUES(?, ?, 'm', 't', '{}', 1, 1, 0, 0, 0, 0, ?, 0)",
		"iti", num, id, last_seq),
	    0);
}

static void put_segment(int64_t session, uint64_t first, uint64_t last)
{
	struct buf frames = {0};

	for (uint64_t seq = first; seq <= last; seq++)
		envelope_put_frame(&frames, &(struct envelope){.kind = EVENT_TURN_TOKEN,
						.daemon_id = "d",
						.session_id = "a-session",
						.seq = seq,
						.payload = "{\"text\":\"x\"}",
						.payload_len = 12});
	assert_int_equal(
	    db_run(db, "INSERT INTO segments(id, last_seq, encoding, bytes) VALUES(?,?,0,?)", "iib",
		store_key(session, first), (int64_t)last, (const void *)frames.p, frames.len),
	    0);
	buf_finish(&frames);
}

/* How many session.lost events there are: each is found by its name. */
static int64_t count_lost(void)
{
	sqlite3_stmt *stmt = db_query(db, "SELECT bytes FROM segments", "");
	int64_t count = 0;

	while (db_step(db, stmt) == 1) {
		const char *p = sqlite3_column_blob(stmt, 0);
		size_t n = (size_t)sqlite3_column_bytes(stmt, 0), frame;
		struct envelope_view e;
		struct str json;

		while (n && (frame = envelope_frame(p, n, &json))) {
			count += envelope_view(json, &e) && e.kind == EVENT_SESSION_LOST;
			p += frame;
			n -= frame;
		}
	}
	return count;
}

static void fill(uint64_t expected)
{
	struct err err;
	uint64_t lost;

	assert_int_equal(gaps_check(db, &err), ERR_CORRUPT);
	assert_int_equal(gaps_fill(db, "doctor_x", &lost), 0);
	assert_int_equal(lost, expected);
	assert_int_equal(count_lost(), expected);
	if (gaps_check(db, &err) != 0)
		fail_msg("%s", err.text);
}

static void gaps_fill_ok(void)
{
	uint64_t lost;

	assert_int_equal(gaps_fill(db, "doctor_x", &lost), 0);
	assert_int_equal(lost, 0);
}

static void whole_logs_are_left_alone(void **state)
{
	struct err err;
	uint64_t lost;

	put_session(1, "a", 5);
	put_segment(1, 1, 3);
	put_segment(1, 4, 5);
	put_session(2, "b", 1);
	put_segment(2, 1, 1);
	assert_int_equal(gaps_check(db, &err), 0);
	assert_int_equal(gaps_fill(db, "doctor_x", &lost), 0);
	assert_int_equal(lost, 0);
	assert_int_equal(db_number(db, "SELECT last_seq FROM sessions WHERE num = 1", 0), 5);
}

static void missing_numbers_get_an_event_each(void **state)
{
	put_session(1, "a", 1010);
	put_segment(1, 3, 3);
	put_segment(1, 1004, 1005);
	fill(2 + 1000 + 5);
	assert_int_equal(db_number(db, "SELECT last_seq FROM sessions WHERE num = 1", 0), 1010);
}

static void a_segment_that_is_not_whole_goes(void **state)
{
	put_session(1, "a", 9);
	for (uint64_t seq = 1; seq <= 9; seq += 3)
		put_segment(1, seq, seq + 2);
	/* Cut short; and the middle one's last event claims another number. */
	db_run(db,
	    "UPDATE segments SET bytes = substr(bytes, 1, length(bytes) - 1) WHERE id & 15 = 1",
	    "");
	db_run(db,
	    "UPDATE segments SET bytes = CAST(replace(CAST(bytes AS TEXT), '\"seq\":6', "
	    "'\"seq\":7') AS BLOB)"
	    " WHERE id & 15 = 4 AND instr(bytes, CAST('\"seq\":6' AS BLOB))",
	    "");
	fill(6);
}

static void what_claims_the_same_numbers_goes(void **state)
{
	put_session(1, "a", 6);
	put_segment(1, 1, 4);
	put_segment(1, 3, 6);
	fill(2);
}

static void a_session_without_a_row_gets_one_again(void **state)
{
	put_segment(7, 1, 4);
	put_segment(7, 6, 6);
	db_run(db, "INSERT INTO messages(id, body) VALUES(?, '{}')", "i", store_key(9, 1));
	fill(1);
	assert_int_equal(
	    db_number(db, "SELECT count(*) FROM sessions WHERE num = 7 AND id = 'a-session'", 0),
	    1);
	assert_int_equal(
	    db_number(db, "SELECT count(*) FROM sessions WHERE num = 9 AND id = 'recovered_9'", 0),
	    1);
}

/* The number of a session without a row would be the next new session's, and its events with it. */
static void an_id_that_is_anothers_is_not_taken(void **state)
{
	put_session(1, "a-session", 2);
	put_segment(1, 1, 2);
	put_segment(2, 1, 3);
	put_session(3, "x y", 1);
	put_segment(3, 1, 1);
	gaps_fill_ok();
	assert_int_equal(
	    db_number(db, "SELECT count(*) FROM sessions WHERE num = 1 AND id = 'a-session'", 0),
	    1);
	assert_int_equal(
	    db_number(db, "SELECT last_seq FROM sessions WHERE num = 2 AND id = 'recovered_2'", 0),
	    3);
	assert_int_equal(
	    db_number(db, "SELECT count(*) FROM sessions WHERE num = 3 AND id = 'recovered_3'", 0),
	    1);
}

static void a_made_up_id_that_is_anothers_is_said(void **state)
{
	uint64_t lost;

	put_session(1, "recovered_2", 0);
	db_run(db, "INSERT INTO messages(id, body) VALUES(?, '{}')", "i", store_key(2, 1));
	assert_int_equal(gaps_fill(db, "doctor_x", &lost), -EEXIST);
}

static void a_last_number_nobody_could_reach_is_not_believed(void **state)
{
	put_session(1, "a", INT64_C(1) << 35);
	put_segment(1, 2, 2);
	fill(1);
	assert_int_equal(db_number(db, "SELECT last_seq FROM sessions WHERE num = 1", 0), 2);
}

static void an_id_that_is_none_is_replaced(void **state)
{
	put_session(1, "a\"b", 2);
	put_segment(1, 2, 2);
	fill(1);
	assert_int_equal(
	    db_number(db, "SELECT count(*) FROM sessions WHERE num = 1 AND id = 'a-session'", 0),
	    1);
}

#define with_db(test) cmocka_unit_test_setup_teardown(test, open_db, close_db)

/* The key of a damaged row may be any number: no walk over sessions would come by it. */
static void rows_of_numbers_no_session_can_have_go(void **state)
{
	static const int64_t nums[] = {0, -1, -5, (int64_t)1 << 26, ((int64_t)1 << 27) - 1};
	struct err err;

	put_session(1, "a-session", 2);
	put_segment(1, 1, 2);
	for (size_t i = 0; i < sizeof nums / sizeof nums[0]; i++) {
		put_session(nums[i], i ? (char[]){(char)('a' + i), 0} : "zero", 1);
		put_segment(nums[i], 1, 1);
		db_run(db, "INSERT INTO messages(id, body) VALUES(?, '{}')", "i",
		    store_key(nums[i], 1));
	}
	/* An event of number 0; a row without bytes. */
	db_run(db, "INSERT INTO segments VALUES(?,2,0,x'00')", "i", store_key(1, 0));
	db_run(db, "INSERT INTO segments VALUES(?,3,0,x'')", "i", store_key(1, 3));
	gaps_fill_ok();
	assert_int_equal(gaps_check(db, &err), 0);
	assert_int_equal(db_number(db, "SELECT count(*) FROM sessions", 0), 1);
	assert_int_equal(db_number(db, "SELECT count(*) FROM messages", -1), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    with_db(whole_logs_are_left_alone),
	    with_db(missing_numbers_get_an_event_each),
	    with_db(a_segment_that_is_not_whole_goes),
	    with_db(what_claims_the_same_numbers_goes),
	    with_db(a_session_without_a_row_gets_one_again),
	    with_db(an_id_that_is_anothers_is_not_taken),
	    with_db(a_made_up_id_that_is_anothers_is_said),
	    with_db(a_last_number_nobody_could_reach_is_not_believed),
	    with_db(an_id_that_is_none_is_replaced),
	    with_db(rows_of_numbers_no_session_can_have_go),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
