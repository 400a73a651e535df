/* store: events and rows through the writer and back, failures included. */
#include "protocol/item.h"
#include "store/log.h"

#include <errno.h>
#include <sqlite3.h>
#include <unistd.h>
#include <uv.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "protocol/envelope.h"
#include "protocol/payload.h"
#include "store/db.h"
#include "store/segment.h"
#include "store/sessions.h"
#include "store/store.h"
#include "unit.h"

struct world {
	char dir[64];
	uv_loop_t loop;
	uv_timer_t alive; /* the store's handles alone do not keep a loop turning */
	struct store *store;
	struct log *log;
	struct store_stats stats;
	uint64_t durable;	 /* what on_durable said last */
	unsigned failed, rows;	 /* calls of on_failed; rows written well */
	uint64_t durable_at_row; /* the log's end when a row's callback ran */
	int row_rc;
	struct segment *read;
	int read_rc;
	bool done;
};

static struct world *w;

static void on_durable(void *data, uint64_t seq)
{
	w->durable = seq;
}

static void on_failed(void *data, int rc)
{
	w->failed++;
	/* As a turn does: its stop event follows at once. */
	log_append(w->log, EVENT_TURN_ERROR, "{\"turnId\":\"t\"}", 14);
}

static void on_alive(uv_timer_t *timer)
{
}

/* Of the next open_store. */
static open_turn_cb *end_open_turns;

static void open_store(void)
{
	struct err err;

	uv_loop_init(&w->loop);
	uv_timer_init(&w->loop, &w->alive);
	uv_timer_start(&w->alive, on_alive, 1000000, 0);
	if (store_open(&w->loop, w->dir, "daemon_a", end_open_turns, &w->store, &w->stats, &err) !=
	    0)
		fail_msg("%s", err.text);
}

static void open_log(uint64_t last)
{
	w->log = log_new(&(struct log_opts){.store = w->store,
	    .session = 1,
	    .session_id = "s",
	    .daemon_id = "daemon_a",
	    .last_seq = last,
	    .on_durable = on_durable,
	    .on_failed = on_failed});
}

static void close_store(void)
{
	store_close(w->store);
	w->store = NULL;
	uv_close((uv_handle_t *)&w->alive, NULL);
	uv_run(&w->loop, UV_RUN_DEFAULT);
	uv_loop_close(&w->loop);
}

/* Turn the loop until *cond, at most ten seconds. */
static void run_until(const bool *cond)
{
	uint64_t deadline = uv_hrtime() + 10000000000ull;

	while (!*cond && uv_hrtime() < deadline)
		uv_run(&w->loop, UV_RUN_NOWAIT);
	assert_true(*cond);
}

static void wait_durable(uint64_t seq)
{
	uint64_t deadline = uv_hrtime() + 10000000000ull;

	while (w->durable < seq && uv_hrtime() < deadline)
		uv_run(&w->loop, UV_RUN_NOWAIT);
	assert_int_equal(w->durable, seq);
}

static int setup(void **state)
{
	w = mem_zalloc(1, sizeof *w);
	snprintf(w->dir, sizeof w->dir, "/tmp/opta-unit-XXXXXX");
	assert_non_null(mkdtemp(w->dir));
	open_store();
	open_log(0);
	return 0;
}

static int teardown(void **state)
{
	char command[100];

	if (w->store) {
		segment_unref(w->read);
		log_free(w->log);
		close_store();
	}
	snprintf(command, sizeof command, "rm -rf '%s'", w->dir);
	assert_int_equal(system(command), 0);
	free(w);
	return 0;
}

static void on_read(void *data, int rc, struct segment *segment)
{
	w->read_rc = rc;
	segment_unref(w->read);
	w->read = segment ? segment_ref(segment) : NULL;
	w->done = true;
}

static void append(size_t count)
{
	char payload[64];

	for (size_t i = 0; i < count; i++) {
		int n =
		    snprintf(payload, sizeof payload, "{\"turnId\":\"t\",\"text\":\"w%zu \"}", i);

		log_append(w->log, EVENT_TURN_TOKEN, payload, (size_t)n);
	}
}

static void nobody_sees_an_event_before_it_is_durable(void **state)
{
	append(3);
	assert_int_equal(log_last(w->log), 3);
	assert_int_equal(log_durable(w->log), 0);
	assert_null(log_tail(w->log, 1));
	wait_durable(3);
	assert_non_null(log_tail(w->log, 1));
	assert_null(log_tail(w->log, 4));
	assert_int_equal(log_unwritten(w->log), 0);
}

static void what_is_read_from_disk_is_what_was_in_memory(void **state)
{
	struct buf live = {0}, cold = {0};
	uint64_t next = 1;

	/* Many commits of many sizes, far more than the tail holds. */
	for (int round = 0; round < 40; round++) {
		uint64_t last = log_last(w->log);
		struct segment *s;

		append((size_t)(round * 37) % 500 + 1);
		wait_durable(log_last(w->log));
		for (uint64_t seq = last + 1; seq <= w->durable; seq = s->last_seq + 1) {
			s = log_tail(w->log, seq);
			assert_non_null(s);
			buf_add(&live, s->bytes, s->len);
		}
	}
	assert_null(log_tail(w->log, 1));
	while (next <= w->durable) {
		w->done = false;
		log_read(w->log, next, LOG_SEGMENT_BYTES, on_read, NULL);
		run_until(&w->done);
		assert_int_equal(w->read_rc, 0);
		buf_add(&cold, w->read->bytes + segment_find(w->read, next),
		    w->read->len - segment_find(w->read, next));
		next = w->read->last_seq + 1;
	}
	assert_int_equal(cold.len, live.len);
	assert_memory_equal(cold.p, live.p, live.len);
	/* From the middle of a stored segment as well. */
	w->done = false;
	log_read(w->log, 777, LOG_SEGMENT_BYTES, on_read, NULL);
	run_until(&w->done);
	assert_true(w->read->first_seq <= 777 && 777 <= w->read->last_seq);
	buf_finish(&live);
	buf_finish(&cold);
}

struct asked {
	struct segment *segment; /* owned */
	int rc;
	unsigned answers;
};

static void on_asked(void *data, int rc, struct segment *segment)
{
	struct asked *a = data;

	a->rc = rc;
	a->segment = rc == 0 ? segment_ref(segment) : NULL;
	a->answers++;
	w->done = true;
}

static void append_large(size_t count)
{
	char payload[700];
	int n = snprintf(payload, sizeof payload, "{\"turnId\":\"t\",\"text\":\"%0600d\"}", 0);

	for (size_t i = 0; i < count; i++)
		log_append(w->log, EVENT_TURN_TOKEN, payload, (size_t)n);
}

static void what_is_being_read_is_read_once(void **state)
{
	enum { ALL = 6 };
	struct asked asked[ALL] = {0};
	struct log_read *reads[ALL];
	/* The last looks near enough, but is not brought: these events are larger than most. */
	uint64_t seqs[ALL] = {1, 1, 2, 2000, 2001, 200};
	unsigned pending = ALL - 1;

	append_large(300);
	append(8000);
	wait_durable(log_last(w->log));
	assert_null(log_tail(w->log, 2500));
	assert_null(log_cached(w->log, 1));
	for (int i = 0; i < ALL; i++)
		reads[i] = log_read(w->log, seqs[i], LOG_SEGMENT_BYTES, on_asked, &asked[i]);
	/* Who leaves takes nothing from those who wait with them. */
	log_read_cancel(reads[0]);
	while (pending) {
		w->done = false;
		run_until(&w->done);
		pending = ALL - 1;
		for (int i = 1; i < ALL; i++)
			pending -= asked[i].answers;
	}
	assert_int_equal(asked[0].answers, 0);
	for (int i = 1; i < ALL; i++) {
		assert_int_equal(asked[i].answers, 1);
		assert_int_equal(asked[i].rc, 0);
		assert_in_range(seqs[i], asked[i].segment->first_seq, asked[i].segment->last_seq);
	}
	assert_ptr_equal(asked[1].segment, asked[2].segment);
	assert_ptr_equal(log_cached(w->log, 1), asked[1].segment);
	assert_true(asked[1].segment->last_seq < 200);
	for (int i = 1; i < ALL; i++)
		segment_unref(asked[i].segment);
}

static void who_waits_for_anothers_read_is_answered_when_the_store_closes(void **state)
{
	struct asked first = {0}, waits = {0};

	append_large(300);
	append(8000);
	wait_durable(log_last(w->log));
	log_read(w->log, 1, LOG_SEGMENT_BYTES, on_asked, &first);
	/* Not brought by the first, and too late to be read for itself. */
	log_read(w->log, 200, LOG_SEGMENT_BYTES, on_asked, &waits);
	close_store();
	assert_int_equal(first.answers, 1);
	assert_int_equal(waits.answers, 1);
	assert_int_equal(waits.rc, -ECANCELED);
	segment_unref(first.segment);
	log_free(w->log);
}

static void on_row(void *data, int rc)
{
	w->row_rc = rc;
	w->rows += rc == 0;
	w->durable_at_row = log_durable(w->log);
	w->done = true;
}

static struct session_row row(void)
{
	return (struct session_row){.num = 1,
	    .id = (char *)"s",
	    .model = (char *)"",
	    .title = (char *)"a Title",
	    .metadata = (char *)"{}",
	    .created_ms = 1,
	    .updated_ms = 1};
}

static void rows_are_answered_after_the_events_they_came_with(void **state)
{
	struct session_row r = row();

	store_session_put(w->store, &r, true, on_row, NULL);
	append(2);
	run_until(&w->done);
	assert_int_equal(w->row_rc, 0);
	assert_int_equal(w->durable_at_row, 2);
}

static uv_sem_t may_fail;

/* A job that fails its batch, when it is told to. */
static int run_full(struct db *db, struct store_job *job)
{
	uv_sem_wait(&may_fail);
	return ERR_FULL;
}

static void done_full(struct store_job *job, int rc)
{
	assert_int_equal(rc, ERR_FULL);
	free(job);
}

static void a_failed_batch_takes_everything_built_on_it_and_the_numbers_go_on(void **state)
{
	struct store_job *full = mem_zalloc(1, sizeof *full);
	struct session_row r = row();
	struct str json;
	struct envelope_view view;

	append(5);
	wait_durable(5);
	uv_sem_init(&may_fail, 0);
	full->run = run_full;
	full->done = done_full;
	store_write(w->store, full);
	append(3);
	/* The batch goes to the writer; before its end is heard of, more is submitted, a large part
	 * of it sealed early. */
	uv_run(&w->loop, UV_RUN_NOWAIT);
	append(2000);
	store_session_put(w->store, &r, true, on_row, NULL);
	uv_sem_post(&may_fail);
	run_until(&w->done);
	assert_int_equal(w->row_rc, ERR_FULL);
	assert_int_equal(w->failed, 1);
	/* Only the stop event that on_failed appended comes after the five. */
	wait_durable(6);
	assert_int_equal(log_last(w->log), 6);
	assert_true(envelope_frame(log_tail(w->log, 6)->bytes, log_tail(w->log, 6)->len, &json));
	assert_true(envelope_view(json, &view) && view.seq == 6 && view.kind == EVENT_TURN_ERROR);
	append(1);
	wait_durable(7);
	uv_sem_destroy(&may_fail);
}

static void on_list(void *data, int rc, struct buf *json)
{
	struct buf *out = data;

	assert_int_equal(rc, 0);
	buf_clear(out);
	buf_add(out, json->p, json->len);
	w->done = true;
}

static const char *no_live(void *data, int64_t num)
{
	return NULL;
}

static void sessions_are_listed_found_and_deleted_whole(void **state)
{
	struct buf json = {0};
	struct session_row r = row();
	char id[16];

	for (int i = 1; i <= 5; i++) {
		snprintf(id, sizeof id, "s%d", i);
		r.num = i;
		r.id = id;
		r.title = (char *)(i == 3 ? "needle 50%" : "hay");
		w->done = false;
		store_session_put(w->store, &r, false, on_row, NULL);
		store_item_add(w->store, i, 1, &(struct item){.kind = ITEM_USER});
		run_until(&w->done);
	}
	append(2);
	wait_durable(2);
#define LIST(...)                                                                                  \
	w->done = false;                                                                           \
	store_session_list(                                                                        \
	    w->store, &(struct session_list){.live = no_live, __VA_ARGS__}, on_list, &json);       \
	run_until(&w->done)
	LIST(.limit = 2);
	assert_non_null(strstr(buf_cstr(&json), "\"s5\""));
	assert_non_null(strstr(buf_cstr(&json), "\"s4\""));
	assert_null(strstr(buf_cstr(&json), "\"s3\""));
	LIST(.before = "s3");
	assert_null(strstr(buf_cstr(&json), "\"s3\""));
	assert_non_null(strstr(buf_cstr(&json), "\"s1\""));
	LIST(.query = "NEEDLE 50%");
	assert_non_null(strstr(buf_cstr(&json), "\"s3\""));
	assert_null(strstr(buf_cstr(&json), "\"s2\""));
	w->done = false;
	store_session_delete(w->store, 1, on_row, NULL);
	run_until(&w->done);
	LIST(.limit = 0);
	assert_null(strstr(buf_cstr(&json), "\"s1\""));
#undef LIST
	w->done = false;
	log_read(w->log, 1, LOG_SEGMENT_BYTES, on_read, NULL);
	run_until(&w->done);
	assert_int_equal(w->read_rc, ERR_CORRUPT);
	buf_finish(&json);
}

static int end_turn(struct open_turn *t)
{
	struct buf payload = {0};
	int rc;

	buf_adds(&payload, "{\"code\":\"interrupted\"}");
	rc = open_turn_append(t, EVENT_TURN_ERROR, &payload);
	buf_finish(&payload);
	return rc;
}

static void open_turns_are_ended_once_and_the_log_goes_on(void **state)
{
	struct session_row r = row();
	uint64_t last;

	append(1);
	store_session_put(w->store, &r, false, NULL, NULL);
	store_turn_add(w->store, 1, "t", "writer", "client", "chat", "key", 1, on_row, NULL);
	append(3);
	last = log_last(w->log);
	wait_durable(last);
	log_free(w->log);
	w->log = NULL;
	close_store();

	end_open_turns = end_turn;
	open_store();
	assert_int_equal(w->stats.recovered, 1);
	open_log(last + 1);
	w->done = false;
	log_read(w->log, last + 1, LOG_SEGMENT_BYTES, on_read, NULL);
	run_until(&w->done);
	assert_int_equal(w->read_rc, 0);
	assert_non_null(memmem(w->read->bytes, w->read->len, "\"code\":\"interrupted\"", 20));
	log_free(w->log);
	segment_unref(w->read);
	w->log = NULL;
	w->read = NULL;
	close_store();

	/* A second start finds nothing open. */
	open_store();
	assert_int_equal(w->stats.recovered, 0);
	close_store();
	end_open_turns = NULL;
}

static void a_newer_database_and_one_of_somebody_else_are_refused(void **state)
{
	struct store_stats stats;
	struct store *store;
	struct err err;
	char path[100];
	sqlite3 *h;
	FILE *f;

	log_free(w->log);
	w->log = NULL;
	close_store();
	snprintf(path, sizeof path, "%s/opta.db", w->dir);
	assert_int_equal(sqlite3_open(path, &h), SQLITE_OK);
	sqlite3_exec(h, "PRAGMA user_version=999", NULL, NULL, NULL);
	sqlite3_close(h);
	uv_loop_init(&w->loop);
	assert_int_equal(
	    store_open(&w->loop, w->dir, "d", NULL, &store, &stats, &err), ERR_VERSION);
	assert_non_null(strstr(err.text, "newer"));
	assert_int_equal(sqlite3_open(path, &h), SQLITE_OK);
	sqlite3_exec(h, "PRAGMA user_version=1; PRAGMA application_id=7", NULL, NULL, NULL);
	sqlite3_close(h);
	assert_int_equal(
	    store_open(&w->loop, w->dir, "d", NULL, &store, &stats, &err), ERR_CORRUPT);
	f = fopen(path, "w");
	fputs("this is a letter, not a database; it is longer than a page header would be, too, by "
	      "a good deal of text",
	    f);
	fclose(f);
	assert_int_equal(
	    store_open(&w->loop, w->dir, "d", NULL, &store, &stats, &err), ERR_CORRUPT);
	uv_loop_close(&w->loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(
		nobody_sees_an_event_before_it_is_durable, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		what_is_read_from_disk_is_what_was_in_memory, setup, teardown),
	    cmocka_unit_test_setup_teardown(what_is_being_read_is_read_once, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		who_waits_for_anothers_read_is_answered_when_the_store_closes, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		rows_are_answered_after_the_events_they_came_with, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		a_failed_batch_takes_everything_built_on_it_and_the_numbers_go_on, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		sessions_are_listed_found_and_deleted_whole, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		open_turns_are_ended_once_and_the_log_goes_on, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		a_newer_database_and_one_of_somebody_else_are_refused, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
