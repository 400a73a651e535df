/* session/feed: cursors wake after the commit, each at its own place. */
#include "session/feed.h"

#include "session/world.h"

struct reader {
	struct cursor cursor;
	uint64_t seen, limit; /* the last event taken; how many it takes at once, 0: all */
	unsigned calls;
	unsigned ahead; /* events taken while the next segment was being read */
	enum cursor_state state;
	void (*also)(struct reader *r); /* in the callback */
	struct reader *other;
	unsigned *in_turn; /* calls in this turn of the loop, of all readers */
};

static void on_ready(struct cursor *cursor)
{
	struct reader *r = list_entry(cursor, struct reader, cursor);
	struct segment *s;
	size_t at;

	r->calls++;
	if (r->also)
		r->also(r);
	for (uint64_t n = 0; r->cursor.session; n++) {
		if (r->limit && n == r->limit) {
			cursor_relax(cursor);
			cursor_wake(cursor);
			return;
		}
		r->state = cursor_next(cursor, &s, &at);
		if (r->state != CURSOR_DATA)
			return;
		r->ahead += cursor->cold && cursor->read;
		/* Who reads ahead is one of few: nobody is for nothing. */
		assert_true(!cursor->ahead || cursor->cold || cursor->read);
		/* One by one, and nothing that is not durable. */
		assert_int_equal(cursor->next, r->seen + 1);
		assert_true(cursor->next <= session_last_seq(cursor->session));
		r->seen = cursor->next;
		cursor_advance(cursor, cursor->next + 1, 0);
	}
}

static void attach(struct reader *r, uint64_t next)
{
	r->cursor.on_ready = on_ready;
	r->seen = next - 1;
	cursor_attach(&r->cursor, w->session, next);
}

static void append(const char *text)
{
	struct buf payload = {0};

	buf_addf(&payload, "{\"turnId\":\"t\",\"text\":\"%s\"}", text);
	session_append(w->session, EVENT_TURN_TOKEN, &payload);
	buf_finish(&payload);
}

static void append_all_durable(void)
{
	run_until(session_last_seq(w->session) == log_last(w->session->log));
}

/* A session of so many events, its first one included, none of them in memory. */
static void session_on_disk(uint64_t events)
{
	world_session("s");
	for (uint64_t i = 1; i < events; i++)
		append("a word of some length, so that it fills more than one segment");
	append_all_durable();
	world_reload("s");
}

static void a_cursor_is_called_soon_and_waits_at_the_end(void **state)
{
	struct reader r = {0};

	world_session("s");
	attach(&r, 1);
	assert_int_equal(r.calls, 0);
	run_until(r.calls);
	assert_int_equal(r.seen, 1);
	assert_int_equal(r.state, CURSOR_END);
	for (int i = 0; i < 10; i++)
		uv_run(&w->loop, UV_RUN_NOWAIT);
	assert_int_equal(r.calls, 1);
	cursor_detach(&r.cursor);
}

static void a_waiting_cursor_wakes_only_once_the_event_is_durable(void **state)
{
	struct reader r = {0};

	world_session("s");
	attach(&r, 1);
	run_until(r.state == CURSOR_END && r.calls);
	world_hold_writer();
	append("x");
	for (int i = 0; i < 20; i++)
		uv_run(&w->loop, UV_RUN_NOWAIT);
	assert_int_equal(r.calls, 1);
	world_let_go(0);
	run_until(r.seen == 2);
	assert_int_equal(r.calls, 2);
	cursor_detach(&r.cursor);
	uv_sem_destroy(&world_held);
}

static void an_event_the_disk_refused_is_never_seen(void **state)
{
	struct reader r = {0};

	world_session("s");
	attach(&r, 1);
	run_until(r.calls);
	append("lost");
	world_fail_batch();
	run_until(log_last(w->session->log) == 1);
	append("kept");
	run_until(r.seen == 2);
	assert_holds(world_payload(2), "kept");
	cursor_detach(&r.cursor);
}

static void a_thousand_readers_all_get_everything(void **state)
{
	enum { READERS = 1000, EVENTS = 50 };
	struct reader *all = mem_zalloc(READERS, sizeof *all);
	size_t done = 0;

	world_session("s");
	for (size_t i = 0; i < READERS; i++) {
		all[i].limit = i % 3;
		attach(&all[i], 1);
	}
	for (int i = 0; i < EVENTS; i++) {
		append("word");
		uv_run(&w->loop, UV_RUN_NOWAIT);
	}
	append_all_durable();
	for (uint64_t until = uv_hrtime() + 20000000000ull;
	     done < READERS && uv_hrtime() < until;) {
		uv_run(&w->loop, UV_RUN_NOWAIT);
		for (done = 0; done < READERS && all[done].seen == EVENTS + 1; done++)
			continue;
	}
	assert_int_equal(done, READERS);
	for (size_t i = 0; i < READERS; i++)
		cursor_detach(&all[i].cursor);
	assert_true(list_empty(&w->session->cursors));
	free(all);
}

static void detach_other(struct reader *r)
{
	if (r->other)
		cursor_detach(&r->other->cursor);
}

static void detach_self(struct reader *r)
{
	cursor_detach(&r->cursor);
}

static void a_callback_may_detach_itself_and_who_is_next(void **state)
{
	struct reader r[4] = {0};

	world_session("s");
	for (size_t i = 0; i < 4; i++)
		attach(&r[i], 1);
	run_until(r[3].calls);
	r[0].also = detach_self;
	r[1].also = detach_other;
	r[1].other = &r[2];
	append("x");
	run_until(r[3].seen == 2);
	assert_int_equal(r[0].calls, 2);
	assert_int_equal(r[0].seen, 1);
	assert_int_equal(r[2].calls, 1);
	assert_int_equal(r[1].seen, 2);
	/* Twice is harmless. */
	cursor_detach(&r[0].cursor);
	cursor_detach(&r[1].cursor);
	cursor_detach(&r[3].cursor);
}

static void on_ready_freed(struct cursor *cursor)
{
	struct reader *r = list_entry(cursor, struct reader, cursor);

	cursor_detach(&r->cursor);
	r->other->calls++;
	free(r);
}

static void a_callback_may_free_its_cursor_and_with_it_the_session(void **state)
{
	struct reader *r = mem_zalloc(1, sizeof *r), seen = {0};

	world_session("s");
	r->cursor.on_ready = on_ready_freed;
	r->other = &seen;
	cursor_attach(&r->cursor, w->session, 1);
	session_unref(w->session);
	w->session = NULL;
	/* The cursor alone holds it. */
	assert_int_equal(w->core->sessions.len, 1);
	run_until(seen.calls);
	assert_int_equal(w->core->sessions.len, 0);
}

/* It leaves while its read is under way. */
static void on_ready_leaves(struct cursor *cursor)
{
	struct reader *r = list_entry(cursor, struct reader, cursor);
	struct segment *s;
	size_t at;

	r->calls++;
	assert_int_equal(cursor_next(cursor, &s, &at), CURSOR_WAIT);
	assert_non_null(cursor->read);
	cursor_detach(cursor);
}

static void what_is_not_in_memory_is_read_from_the_disk(void **state)
{
	struct reader whole = {0}, part = {0}, left = {0};

	session_on_disk(2001);
	assert_null(log_tail(w->session->log, 1));
	attach(&whole, 1);
	attach(&part, 1500);
	left.cursor.on_ready = on_ready_leaves;
	cursor_attach(&left.cursor, w->session, 1);
	run_until(left.calls);
	run_until(whole.seen == 2001 && part.seen == 2001);
	assert_int_equal(left.calls, 1);
	cursor_detach(&whole.cursor);
	cursor_detach(&part.cursor);
}

static void who_takes_segment_after_segment_finds_the_next_one_read(void **state)
{
	enum { READERS = FEED_AHEAD + 4, APART = 1000, EVENTS = READERS * APART + 1 };
	struct reader readers[READERS] = {0};
	unsigned ahead = 0, most = 0;
	size_t done = 0;

	session_on_disk(EVENTS);
	/* So far apart that none finds what it wants next read for another. */
	for (int i = 0; i < READERS; i++) {
		attach(&readers[i], (uint64_t)i * APART + 1);
	}
	while (done < READERS) {
		unsigned held = 0;

		uv_run(&w->loop, UV_RUN_NOWAIT);
		done = 0;
		for (int i = 0; i < READERS; i++) {
			done += readers[i].seen == EVENTS;
			held += readers[i].cursor.ahead;
		}
		assert_in_range(held, 0, FEED_AHEAD);
		if (held > most)
			most = held;
	}
	for (int i = 0; i < READERS; i++) {
		ahead += readers[i].ahead > 0;
		assert_false(readers[i].cursor.ahead);
		cursor_detach(&readers[i].cursor);
	}
	assert_true(ahead > 0);
	/* How many at once is up to the reader's thread; never more was asserted above. */
	assert_true(most > 1);
}

static void who_finds_what_others_read_reads_nothing_ahead(void **state)
{
	enum { READERS = FEED_AHEAD + 4, EVENTS = 6001 };
	struct reader readers[READERS] = {0};
	size_t done = 0;

	session_on_disk(EVENTS);
	/* One is a little ahead of the others. */
	attach(&readers[0], 400);
	for (int i = 1; i < READERS; i++) {
		attach(&readers[i], 1);
	}
	while (done < READERS) {
		uv_run(&w->loop, UV_RUN_NOWAIT);
		done = 0;
		for (int i = 0; i < READERS; i++)
			done += readers[i].seen == EVENTS;
	}
	for (int i = 0; i < READERS; i++)
		cursor_detach(&readers[i].cursor);
}

static void who_is_blocked_holds_nothing(void **state)
{
	struct reader r = {.limit = 100};

	session_on_disk(3001);
	attach(&r, 1);
	while (r.seen < 3001) {
		uv_run(&w->loop, UV_RUN_NOWAIT);
		assert_null(r.cursor.after);
	}
	cursor_detach(&r.cursor);
}

static void who_reads_a_session_that_is_deleted_is_told(void **state)
{
	struct reader waiting = {0}, behind = {0};
	struct told told = {0};

	world_session("s");
	attach(&waiting, 1);
	run_until(waiting.calls);
	session_delete(w->session, on_told, &told);
	assert_int_equal(waiting.state, CURSOR_GONE);
	attach(&behind, 1);
	run_until(behind.calls && told.times);
	assert_int_equal(behind.state, CURSOR_GONE);
	assert_int_equal(behind.seen, 0);
	cursor_detach(&waiting.cursor);
	cursor_detach(&behind.cursor);
	told_finish(&told);
}

static void a_damaged_log_is_told_apart_from_its_end(void **state)
{
	struct reader r = {0};
	struct told told = {0};

	world_session("s");
	append("x");
	append_all_durable();
	/* The rows go behind the session's back. */
	store_session_delete(w->store, w->session->row.num, NULL, NULL);
	roster_create(w->core, &(struct request_session){.session_id = "later"}, on_told, &told);
	run_until(told.times);
	told_finish(&told);
	/* Push the first ones out of memory. */
	while (log_tail(w->session->log, 1)) {
		for (int i = 0; i < 1000; i++)
			append("words that are long enough to fill a segment before long");
		append_all_durable();
	}
	attach(&r, 1);
	run_until(r.state == CURSOR_BAD);
	cursor_detach(&r.cursor);
}

struct watcher {
	struct follower follower;
	unsigned calls;
	uint64_t from;
	struct session *session; /* borrowed */
};

static void on_activity(struct follower *f, struct session *session, uint64_t from)
{
	struct watcher *v = list_entry(f, struct watcher, follower);

	v->calls++;
	v->from = from;
	v->session = session;
	assert_true(session_last_seq(session) >= from);
}

static void a_follower_hears_of_each_session_from_where_it_moved(void **state)
{
	struct watcher v = {.follower.on_activity = on_activity};

	list_append(&w->core->followers, &v.follower.link);
	world_session("a");
	assert_int_equal(v.calls, 1);
	assert_int_equal(v.from, 1);
	append("x");
	append("y");
	append_all_durable();
	assert_int_equal(v.calls, 2);
	assert_int_equal(v.from, 2);
	assert_ptr_equal(v.session, w->session);
	list_remove(&v.follower.link);
}

/* A callback that takes as long as many sends. */
static void on_ready_slow(struct cursor *cursor)
{
	struct reader *r = list_entry(cursor, struct reader, cursor);
	uint64_t until = uv_hrtime() + FEED_SLICE_US * 400ull;

	on_ready(cursor);
	while (uv_hrtime() < until)
		continue;
	(*r->in_turn)++;
}

static void many_batches_in_one_turn_of_the_loop_share_one_slice(void **state)
{
	enum { READERS = 40 };
	struct reader all[READERS] = {0};
	unsigned in_turn = 0, most = 0, done = 0;

	world_session("s");
	for (size_t i = 0; i < READERS; i++) {
		all[i].in_turn = &in_turn;
		attach(&all[i], 1);
		all[i].cursor.on_ready = on_ready_slow;
	}
	run_until(all[READERS - 1].state == CURSOR_END && all[READERS - 1].calls);
	/* Several segments in one batch, each announced by itself. */
	for (int i = 0; i < 1500; i++)
		append("a word of some length, so that it fills more than one segment");
	for (uint64_t until = uv_hrtime() + 20000000000ull;
	     done < READERS && uv_hrtime() < until;) {
		in_turn = 0;
		uv_run(&w->loop, UV_RUN_NOWAIT);
		most = in_turn > most ? in_turn : most;
		for (done = 0; done < READERS && all[done].seen == 1501; done++)
			continue;
	}
	assert_int_equal(done, READERS);
	/* Three calls make a slice; the idle handle and the announcement may meet in one turn. */
	assert_in_range(most, 1, 6);
	for (size_t i = 0; i < READERS; i++)
		cursor_detach(&all[i].cursor);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    with_world(many_batches_in_one_turn_of_the_loop_share_one_slice),
	    with_world(a_cursor_is_called_soon_and_waits_at_the_end),
	    with_world(a_waiting_cursor_wakes_only_once_the_event_is_durable),
	    with_world(an_event_the_disk_refused_is_never_seen),
	    with_world(a_thousand_readers_all_get_everything),
	    with_world(a_callback_may_detach_itself_and_who_is_next),
	    with_world(a_callback_may_free_its_cursor_and_with_it_the_session),
	    with_world(what_is_not_in_memory_is_read_from_the_disk),
	    with_world(who_takes_segment_after_segment_finds_the_next_one_read),
	    with_world(who_finds_what_others_read_reads_nothing_ahead),
	    with_world(who_is_blocked_holds_nothing),
	    with_world(who_reads_a_session_that_is_deleted_is_told),
	    with_world(a_damaged_log_is_told_apart_from_its_end),
	    with_world(a_follower_hears_of_each_session_from_where_it_moved),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
