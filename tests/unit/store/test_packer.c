/* store/packer: the rows of ended turns become few and small, the events stay what they were. */
#include "store/packer.h"

#include <sqlite3.h>

#include "protocol/envelope.h"
#include "store/cache.h"
#include "store/log.h"
#include "store/segment.h"
#include "world.h"

static struct log *session_log;

static void on_durable(void *data, uint64_t seq)
{
}

static void on_failed(void *data, int rc)
{
	fail_msg("events could not be written: %d", rc);
}

static struct log *open_log(const char *daemon_id, uint64_t last)
{
	return log_new(&(struct log_opts){.store = store,
	    .session = 1,
	    .session_id = "session_0123456789",
	    .daemon_id = daemon_id,
	    .last_seq = last,
	    .on_durable = on_durable,
	    .on_failed = on_failed});
}

static int setup(void **state)
{
	world_setup(state);
	session_log = open_log("daemon_a", 0);
	return 0;
}

static int teardown(void **state)
{
	log_free(session_log);
	return world_teardown(state);
}

/* A turn of `tokens`, a few to a batch, and its end. */
static void stream(size_t tokens)
{
	for (size_t i = 0; i < tokens; i++) {
		char payload[100];
		int n = snprintf(payload, sizeof payload,
		    "{\"turnId\":\"turn_0123456789\",\"text\":\"word%zu \"}", i * 7919 % 10007);

		log_append(session_log, EVENT_TURN_TOKEN, payload, (size_t)n);
		if (i % 9 == 0)
			uv_run(&loop, UV_RUN_NOWAIT);
	}
	log_append(session_log, EVENT_TURN_DONE, "{\"turnId\":\"turn_0123456789\"}", 28);
	run_until(log_durable(session_log) == log_last(session_log));
}

static int64_t number(const char *sql)
{
	struct err err;
	struct db *db;
	int64_t n;

	assert_int_equal(db_open(unit_path("opta.db"), true, &db, &err), 0);
	n = db_number(db, sql, -1);
	db_close(db);
	return n;
}

#define COUNT_PLAIN "SELECT count(*) FROM segments WHERE encoding = 0"
#define COUNT_PACKED "SELECT count(*) FROM segments WHERE encoding = 1"

static struct segment *found;
static int found_rc;
static bool answered;

static void on_read(void *data, int rc, struct segment *segment)
{
	found_rc = rc;
	found = rc == 0 ? segment_ref(segment) : NULL;
	answered = true;
}

/* All frames as a client far behind gets them: by a log with no tail, past the cache. */
static struct buf read_all(void)
{
	struct log *cold = open_log("daemon_a", log_durable(session_log));
	uint64_t next = 1;
	struct buf all = {0};

	cache_forget(store_cache(store), 1);
	while (next <= log_durable(session_log)) {
		answered = false;
		log_read(cold, next, LOG_SEGMENT_BYTES, on_read, NULL);
		run_until(answered);
		assert_int_equal(found_rc, 0);
		buf_add(&all, found->bytes + segment_find(found, next),
		    found->len - segment_find(found, next));
		next = found->last_seq + 1;
		segment_unref(found);
	}
	log_free(cold);
	return all;
}

static void is_still(struct buf *before)
{
	struct buf now = read_all();

	assert_int_equal(now.len, before->len);
	assert_memory_equal(now.p, before->p, now.len);
	buf_finish(&now);
	buf_finish(before);
}

static void a_turn_is_packed_and_reads_as_before(void **state)
{
	struct buf before;
	int64_t plain, packed;

	stream(3000);
	before = read_all();
	plain = number("SELECT sum(length(bytes)) FROM segments");
	log_pack(session_log);
	run_until(number(COUNT_PLAIN) == 0);
	packed = number("SELECT sum(length(bytes)) FROM segments");
	assert_in_range(number(COUNT_PACKED), 2, 10);
	if (packed * 20 > plain)
		fail_msg("%d bytes for %d", (int)packed, (int)plain);
	is_still(&before);
}

static void what_is_streamed_meanwhile_is_left_for_the_next_time(void **state)
{
	struct buf before;

	stream(2000);
	log_pack(session_log);
	stream(2000);
	before = read_all();
	run_until(number("SELECT coalesce(min(id & 0xFFFFFFFFF), 0) FROM segments WHERE encoding = "
			 "0") == 2002);
	is_still(&before);
	before = read_all();
	log_pack(session_log);
	run_until(number(COUNT_PLAIN) == 0);
	is_still(&before);
}

static void short_turns_share_a_row(void **state)
{
	struct buf before;

	for (int i = 0; i < 30; i++) {
		stream(5);
		log_pack(session_log);
		run_until(number(COUNT_PLAIN) == 0);
	}
	assert_int_equal(number(COUNT_PACKED), 1);
	before = read_all();
	is_still(&before);
}

static void what_the_last_daemon_left_is_packed_with_the_next_turn(void **state)
{
	struct buf before;
	uint64_t last;

	stream(100);
	last = log_durable(session_log);
	log_free(session_log);
	world_close();
	world_open();
	session_log = open_log("daemon_b", last);
	stream(100);
	before = read_all();
	log_pack(session_log);
	run_until(number(COUNT_PLAIN) == 0);
	/* Each row is of one daemon. */
	assert_int_equal(number(COUNT_PACKED), 2);
	is_still(&before);
}

static void spoil(const char *sql)
{
	struct err err;
	struct db *db;

	assert_int_equal(db_open(unit_path("opta.db"), false, &db, &err), 0);
	assert_int_equal(sqlite3_exec(db->h, sql, NULL, NULL, NULL), SQLITE_OK);
	db_close(db);
}

static void a_damaged_row_is_left_and_what_surrounds_it_is_packed(void **state)
{
	for (int i = 0; i < 5; i++)
		stream(20);
	spoil("UPDATE segments SET bytes = x'00' || substr(bytes, 2) WHERE id & 0xFFFFFFFFF = 22");
	log_pack(session_log);
	run_until(number(COUNT_PLAIN) == 1);
	assert_int_equal(number("SELECT id & 0xFFFFFFFFF FROM segments WHERE encoding = 0"), 22);
	assert_int_equal(number(COUNT_PACKED), 2);
	assert_int_equal(number("SELECT max(last_seq) FROM segments"), 105);
}

static void a_deleted_session_does_not_come_back(void **state)
{
	struct outcome deleted = {0};

	stream(5000);
	log_pack(session_log);
	store_session_delete(store, 1, on_outcome, &deleted);
	run_until(deleted.times == 1);
	/* The packer sees it at its next piece, the first trim is after that. */
	stream(1);
	run_until(number("SELECT count(*) FROM segments WHERE encoding = 1 OR id & 0xFFFFFFFFF < "
			 "5000") == 0);
}

static void the_file_gives_back_what_became_free(void **state)
{
	int64_t pages;

	for (int i = 0; i < 10; i++)
		stream(2000);
	pages = number("PRAGMA page_count");
	assert_in_range(pages, 500, 10000);
	log_pack(session_log);
	run_until(number(COUNT_PLAIN) == 0);
	run_until(number("PRAGMA freelist_count") < 2 * PACKER_SPARE_PAGES);
	if (number("PRAGMA page_count") * 5 > pages)
		fail_msg("%d pages of %d", (int)number("PRAGMA page_count"), (int)pages);
}

int main(void)
{
#define with_log(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
	    with_log(a_turn_is_packed_and_reads_as_before),
	    with_log(what_is_streamed_meanwhile_is_left_for_the_next_time),
	    with_log(short_turns_share_a_row),
	    with_log(what_the_last_daemon_left_is_packed_with_the_next_turn),
	    with_log(a_damaged_row_is_left_and_what_surrounds_it_is_packed),
	    with_log(a_deleted_session_does_not_come_back),
	    with_log(the_file_gives_back_what_became_free),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
