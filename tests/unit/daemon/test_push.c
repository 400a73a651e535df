/* daemon/push: a write that somebody else does leaves the cursor where push_send would. */
#include "daemon/push.h"

#include <sys/socket.h>
#include <unistd.h>

#include "net/fanout.h"
#include "net/stream.h"
#include "session/feed.h"
#include "session/world.h"

static struct stream *stream;
static int peer;
static struct cursor cursor;
static unsigned calls; /* of the cursor */

static void on_ready(struct cursor *c)
{
	calls++;
}

static void on_read(void *data, const char *p, size_t n)
{
}

static void on_end(void *data, int err)
{
}

static void on_writable(void *data)
{
}

static const struct stream_ops ops = {
    .on_read = on_read, .on_end = on_end, .on_writable = on_writable};

static int setup(void **state)
{
	int ends[2];

	if (world_setup(state) != 0 ||
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) != 0)
		return -1;
	stream = stream_new(&w->loop, ends[0], &ops, NULL);
	peer = ends[1];
	cursor = (struct cursor){.on_ready = on_ready};
	calls = 0;
	return 0;
}

static int teardown(void **state)
{
	cursor_detach(&cursor);
	stream_close(stream);
	close(peer);
	return world_teardown(state);
}

static void append(size_t size)
{
	struct buf payload = {0};

	buf_adds(&payload, "{\"turnId\":\"t\",\"text\":\"");
	while (payload.len < size)
		buf_adds(&payload, "....");
	buf_adds(&payload, "\"}");
	session_append(w->session, EVENT_TURN_TOKEN, &payload);
	buf_finish(&payload);
}

/* A session whose events 2 and 3 are in one segment, and the cursor before them. */
static void session_of_three(void)
{
	world_session("s");
	append(40);
	append(40);
	run_until(session_last_seq(w->session) == 3);
	cursor_attach(&cursor, w->session, 2);
	run_until(calls);
	calls = 0;
}

/* Offer what there is, and say that so much of it was taken. */
static enum push_result take(ssize_t taken)
{
	struct fanout_write write;

	assert_true(push_offer(&cursor, stream, &write));
	write.taken = taken;
	return push_taken(&cursor, stream, &write);
}

static void what_is_offered_is_what_push_send_would_write(void **state)
{
	struct fanout_write write;
	char got[4096];

	session_of_three();
	assert_true(push_offer(&cursor, stream, &write));
	assert_int_equal(cursor.next, 2);
	assert_int_equal(push_send(&cursor, stream, NULL, 0), PUSH_END);
	assert_int_equal(read(peer, got, sizeof got), write.n);
	assert_memory_equal(got, write.p, write.n);
	assert_int_equal(cursor.next, 4);
}

static void all_of_it_leads_to_the_end(void **state)
{
	struct fanout_write write;

	session_of_three();
	assert_true(push_offer(&cursor, stream, &write));
	assert_int_equal(take((ssize_t)write.n), PUSH_END);
	assert_int_equal(cursor.next, 4);
	assert_int_equal(cursor.offset, 0);
	assert_true(cursor.waiting);
	assert_false(push_offer(&cursor, stream, &write));
}

static void a_part_is_gone_on_with_where_it_was_cut(void **state)
{
	struct fanout_write whole, rest;
	size_t frame;

	session_of_three();
	assert_true(push_offer(&cursor, stream, &whole));
	frame = whole.n / 2; /* both are of one length */
	assert_int_equal(take(0), PUSH_BLOCKED);
	assert_int_equal(cursor.next, 2);
	assert_int_equal(cursor.offset, 0);
	assert_int_equal(take(7), PUSH_BLOCKED);
	assert_int_equal(cursor.next, 2);
	assert_int_equal(cursor.offset, 7);
	assert_int_equal(take((ssize_t)frame - 7), PUSH_BLOCKED);
	assert_int_equal(cursor.next, 3);
	assert_int_equal(cursor.offset, 0);
	assert_int_equal(take(9), PUSH_BLOCKED);
	assert_true(push_offer(&cursor, stream, &rest));
	assert_ptr_equal(rest.p, (const char *)whole.p + frame + 9);
	assert_int_equal(rest.n, frame - 9);
	assert_int_equal(take((ssize_t)rest.n), PUSH_END);
	assert_int_equal(cursor.next, 4);
}

static void a_socket_that_failed_is_lost(void **state)
{
	session_of_three();
	assert_int_equal(take(-EPIPE), PUSH_LOST);
	assert_int_equal(cursor.next, 2);
}

static void what_is_large_or_followed_by_more_or_waits_behind_bytes_is_not_offered(void **state)
{
	static char much[4 * 1024 * 1024];
	struct fanout_write write;

	session_of_three();
	/* Appended, and not yet stored. */
	append(40);
	assert_false(push_offer(&cursor, stream, &write));
	run_until(session_last_seq(w->session) == 4);
	/* Another segment follows. */
	assert_false(push_offer(&cursor, stream, &write));
	cursor_advance(&cursor, 4, 0);
	assert_true(push_offer(&cursor, stream, &write));
	stream_write(stream, much, sizeof much);
	assert_true(stream_queued(stream) > 0);
	assert_false(push_offer(&cursor, stream, &write));
	while (stream_queued(stream)) {
		while (read(peer, much, sizeof much) > 0)
			continue;
		uv_run(&w->loop, UV_RUN_NOWAIT);
	}
	append(PUSH_TOGETHER_BYTES);
	run_until(session_last_seq(w->session) == 5);
	cursor_advance(&cursor, 5, 0);
	assert_false(push_offer(&cursor, stream, &write));
}

#define with_cursor(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    with_cursor(what_is_offered_is_what_push_send_would_write),
	    with_cursor(all_of_it_leads_to_the_end),
	    with_cursor(a_part_is_gone_on_with_where_it_was_cut),
	    with_cursor(a_socket_that_failed_is_lost),
	    with_cursor(what_is_large_or_followed_by_more_or_waits_behind_bytes_is_not_offered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
