/* session/feed: cursors wake after the commit, each at its own place. */
#include "session/feed.h"

#include <dirent.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/fanout.h"
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

/* Of readers that have a socket and want each event in a write of its own. */
struct writer {
	struct reader reader;
	int ours, theirs;
	unsigned taken;		  /* writes it was told of */
	bool refuses;		  /* has nothing to offer */
	struct writer *takes_out; /* once told, it detaches that one */
};

static bool offer(struct cursor *cursor, struct fanout_write *ret)
{
	struct writer *o = list_entry(cursor, struct writer, reader.cursor);
	struct segment *s;
	size_t at;

	if (o->refuses || cursor_next(cursor, &s, &at) != CURSOR_DATA)
		return false;
	*ret = (struct fanout_write){.fd = o->ours, .p = s->bytes + at, .n = s->len - at};
	return true;
}

static void on_taken(struct cursor *cursor, const struct fanout_write *write)
{
	struct writer *o = list_entry(cursor, struct writer, reader.cursor);
	struct segment *s;
	size_t at;

	o->taken++;
	assert_int_equal(write->fd, o->ours);
	assert_int_equal(write->taken, write->n);
	assert_int_equal(cursor_next(cursor, &s, &at), CURSOR_DATA);
	o->reader.seen = s->last_seq;
	cursor_advance(cursor, s->last_seq + 1, 0);
	if (o->takes_out)
		cursor_detach(&o->takes_out->reader.cursor);
	assert_int_equal(cursor_next(cursor, &s, &at), CURSOR_END);
	o->reader.state = CURSOR_END;
}

enum { WRITERS = 2 * FEED_TOGETHER + 10 };

/* Readers of the session's one event. */
static void open_writers(struct writer *all)
{
	world_session("s");
	for (size_t i = 0; i < WRITERS; i++) {
		int ends[2];

		assert_int_equal(
		    socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
		all[i].ours = ends[0];
		all[i].theirs = ends[1];
		all[i].reader.cursor.offer = offer;
		all[i].reader.cursor.on_taken = on_taken;
		attach(&all[i].reader, 1);
	}
}

static void close_writers(struct writer *all)
{
	for (size_t i = 0; i < WRITERS; i++) {
		cursor_detach(&all[i].reader.cursor);
		close(all[i].ours);
		close(all[i].theirs);
	}
}

/* Bytes that lie in the socket. */
static size_t sent(struct writer *o)
{
	char space[4096];
	ssize_t n = read(o->theirs, space, sizeof space);

	return n < 0 ? 0 : (size_t)n;
}

static void many_small_writes_are_done_together(void **state)
{
	static struct writer all[WRITERS];
	size_t len;

	memset(all, 0, sizeof all);
	open_writers(all);
	/* One in the middle is called as ever, in its turn. */
	all[20].refuses = true;
	run_until(all[WRITERS - 1].reader.seen == 1);
	len = log_tail(w->session->log, 1)->len;
	for (size_t i = 0; i < WRITERS; i++) {
		assert_int_equal(all[i].reader.seen, 1);
		/* A round that lasts goes on without, so the later ones may be called. */
		assert_int_equal(all[i].taken + all[i].reader.calls, 1);
		assert_int_equal(sent(&all[i]), all[i].taken ? len : 0);
		assert_true(i >= FEED_TOGETHER || all[i].taken == (i != 20));
	}
	append("more");
	run_until(all[WRITERS - 1].reader.seen == 2);
	for (size_t i = 0; i < WRITERS; i++)
		assert_int_equal(all[i].reader.seen, 2);
	close_writers(all);
}

/* One byte, whenever it is asked. */
static bool offer_a_byte(struct cursor *cursor, struct fanout_write *ret)
{
	struct writer *o = list_entry(cursor, struct writer, reader.cursor);

	*ret = (struct fanout_write){.fd = o->ours, .p = "x", .n = 1};
	return true;
}

static void on_byte_taken(struct cursor *cursor, const struct fanout_write *write)
{
	list_entry(cursor, struct writer, reader.cursor)->taken++;
}

/* A round in which everybody is called, or writes. */
static void write_all(struct writer *all)
{
	struct writer *last = &all[WRITERS - 1];
	unsigned before = last->taken + last->reader.calls;

	for (size_t i = 0; i < WRITERS; i++)
		cursor_wake(&all[i].reader.cursor);
	run_until(last->taken + last->reader.calls > before);
}

enum { THREADS = 64 };

/* The threads of this process. */
static size_t list_threads(long *tids)
{
	DIR *dir = opendir("/proc/self/task");
	struct dirent *entry;
	size_t n = 0;

	assert_non_null(dir);
	while ((entry = readdir(dir)))
		if (entry->d_name[0] != '.' && n < THREADS)
			tids[n++] = strtol(entry->d_name, NULL, 10);
	closedir(dir);
	return n;
}

/* The thread that is not among those of before; 0: there is none. */
static long new_thread(const long *before, size_t count)
{
	long now[THREADS];
	size_t n = list_threads(now);

	for (size_t i = 0; i < n; i++) {
		size_t at = 0;

		while (at < count && before[at] != now[i])
			at++;
		if (at == count)
			return now[i];
	}
	return 0;
}

/* How often a thread went to sleep. */
static unsigned long sleeps_of(long tid)
{
	unsigned long sleeps = 0;
	char line[128];
	FILE *f;

	snprintf(line, sizeof line, "/proc/self/task/%ld/status", tid);
	f = fopen(line, "re");
	assert_non_null(f);
	while (fgets(line, sizeof line, f))
		sscanf(line, "voluntary_ctxt_switches: %lu", &sleeps);
	fclose(f);
	return sleeps;
}

static void rounds_without_rest_have_no_second_thread(void **state)
{
	enum { ROUNDS = 100 };
	static struct writer all[WRITERS];
	uint64_t took = 0;
	unsigned long sleeps;
	long before[THREADS], helper;
	size_t count;

	memset(all, 0, sizeof all);
	open_writers(all);
	count = list_threads(before);
	run_until(all[WRITERS - 1].reader.seen == 1);
	helper = new_thread(before, count);
	for (size_t i = 0; i < WRITERS; i++) {
		all[i].reader.cursor.offer = offer_a_byte;
		all[i].reader.cursor.on_taken = on_byte_taken;
	}
	/* None where there is one processor. */
	if (!helper) {
		close_writers(all);
		skip();
	}
	sleeps = sleeps_of(helper);
	for (int i = 0; i < ROUNDS; i++) {
		uint64_t begun = uv_hrtime();

		write_all(all);
		took = uv_hrtime() - begun;
	}
	/* It was awake when we looked, or something else held us up between two rounds. */
	assert_in_range(sleeps_of(helper) - sleeps, 0, ROUNDS / 4);
	sleeps = sleeps_of(helper);
	for (int i = 0; i < ROUNDS; i++) {
		uint64_t begun = uv_hrtime(), until = begun + 4 * FEED_REST * took + 1000000;

		while (uv_hrtime() < until)
			continue;
		begun = uv_hrtime();
		write_all(all);
		took = uv_hrtime() - begun;
	}
	assert_in_range(sleeps_of(helper) - sleeps, ROUNDS / 4, SIZE_MAX);
	close_writers(all);
}

/* Keeps the round from ending. */
static void wake_again(struct reader *r)
{
	cursor_wake(&r->cursor);
}

static void a_round_that_lasts_goes_on_without_a_second_thread(void **state)
{
	static struct writer all[WRITERS];
	struct writer *last = &all[WRITERS - 1];
	uint64_t took, until;
	unsigned taken;

	memset(all, 0, sizeof all);
	took = uv_hrtime();
	open_writers(all);
	run_until(last->reader.seen == 1);
	took = uv_hrtime() - took;
	for (size_t i = 1; i < WRITERS; i++) {
		all[i].reader.cursor.offer = offer_a_byte;
		all[i].reader.cursor.on_taken = on_byte_taken;
	}
	/* This one begins after a rest, with help. */
	for (until = uv_hrtime() + 4 * FEED_REST * took; uv_hrtime() < until;)
		continue;
	all[0].refuses = true;
	all[0].reader.also = wake_again;
	cursor_wake(&all[0].reader.cursor);
	for (until = uv_hrtime() + 2 * FEED_ROUND_US * 1000ull; uv_hrtime() < until;)
		uv_run(&w->loop, UV_RUN_NOWAIT);
	taken = last->taken;
	write_all(all);
	assert_int_equal(last->taken, taken);
	close_writers(all);
}

static void who_leaves_before_it_is_told_is_not_told(void **state)
{
	static struct writer all[WRITERS];

	memset(all, 0, sizeof all);
	open_writers(all);
	all[3].takes_out = &all[4];
	run_until(all[WRITERS - 1].reader.seen == 1);
	assert_int_equal(all[3].taken, 1);
	/* Its write was under way, and done. */
	assert_int_equal(all[4].taken, 0);
	assert_true(sent(&all[4]) > 0);
	close_writers(all);
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
	    with_world(many_small_writes_are_done_together),
	    with_world(rounds_without_rest_have_no_second_thread),
	    with_world(a_round_that_lasts_goes_on_without_a_second_thread),
	    with_world(who_leaves_before_it_is_told_is_not_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
