#ifndef UNIT_STORE_WORLD_H
#define UNIT_STORE_WORLD_H

/* A store in unit_dir on a loop of its own. */

#include <uv.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "protocol/item.h"
#include "store/db.h"
#include "store/sessions.h"
#include "store/store.h"
#include "unit.h"

static uv_loop_t loop;
static uv_timer_t alive; /* the store's handles alone do not keep a loop turning */
static struct store *store;
static struct store_stats stats;

static void on_alive(uv_timer_t *timer)
{
}

/* Turn the loop until the condition holds, at most twenty seconds. */
#define run_until(condition)                                                                       \
	do {                                                                                       \
		uint64_t until_ = uv_hrtime() + 20000000000ull;                                    \
		while (!(condition) && uv_hrtime() < until_)                                       \
			uv_run(&loop, UV_RUN_NOWAIT);                                              \
		if (!(condition))                                                                  \
			fail_msg("waited in vain for %s", #condition);                             \
	} while (0)

static void world_open(void)
{
	struct err err;

	uv_loop_init(&loop);
	uv_timer_init(&loop, &alive);
	uv_timer_start(&alive, on_alive, 1000000, 0);
	if (store_open(&loop, unit_dir, "daemon_b", NULL, &store, &stats, &err) != 0)
		fail_msg("%s", err.text);
}

/* Close; no handle may be left on the loop. */
static void world_close(void)
{
	store_close(store);
	store = NULL;
	uv_close((uv_handle_t *)&alive, NULL);
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&loop), 0);
}

__attribute__((unused)) static int world_setup(void **state)
{
	unit_make_dir(state);
	world_open();
	return 0;
}

__attribute__((unused)) static int world_teardown(void **state)
{
	if (store)
		world_close();
	return unit_remove_dir(state);
}

/* The message body as number n of the session. */
__attribute__((unused)) static void world_message(int64_t session, uint64_t n, const char *body)
{
	struct item item;

	assert_int_equal(item_take(body, strlen(body), NULL, 0, &item), 0);
	store_item_add(store, session, n, &item);
	item_finish(&item);
}

#define with_store(test) cmocka_unit_test_setup_teardown(test, world_setup, world_teardown)

/* What a write's callback said. */
struct outcome {
	unsigned times;
	int rc;
};

__attribute__((unused)) static void on_outcome(void *data, int rc)
{
	struct outcome *o = data;

	o->times++;
	o->rc = rc;
}

/* A session's row; the strings are literals, which nobody frees. */
__attribute__((unused)) static struct session_row world_row(int64_t num, const char *id)
{
	return (struct session_row){.num = num,
	    .id = (char *)(uintptr_t)id,
	    .model = (char *)(uintptr_t) "m",
	    .title = (char *)(uintptr_t) "t",
	    .metadata = (char *)(uintptr_t) "{}",
	    .created_ms = 5,
	    .updated_ms = 6};
}

/* Write the row and wait. */
__attribute__((unused)) static void world_put(int64_t num, const char *id)
{
	struct session_row row = world_row(num, id);
	struct outcome o = {0};

	store_session_put(store, &row, false, on_outcome, &o);
	run_until(o.times);
	assert_int_equal(o.rc, 0);
}

/* A number straight from the database file. */
__attribute__((unused)) static int64_t world_number(const char *sql)
{
	struct db *db;
	int64_t n;

	assert_int_equal(db_open(unit_path("opta.db"), true, &db, NULL), 0);
	n = db_number(db, sql, -1);
	db_close(db);
	return n;
}

#endif
