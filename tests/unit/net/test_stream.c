/* net/stream: one socket on the loop, its ends and its queue. */
#include "loop.h"

#include <fcntl.h>

#include "net/stream.h"

struct seen {
	struct stream *stream;
	struct buf got;
	unsigned ends, writable;
	int err;
	size_t queued_at_end;
	bool close_on_read, close_on_end;
};

static void on_read(void *data, const char *p, size_t n)
{
	struct seen *s = data;

	buf_add(&s->got, p, n);
	if (s->close_on_read)
		stream_close(s->stream);
}

static void on_end(void *data, int err)
{
	struct seen *s = data;

	s->ends++;
	s->err = err;
	s->queued_at_end = stream_queued(s->stream);
	if (s->close_on_end)
		stream_close(s->stream);
}

static void on_writable(void *data)
{
	((struct seen *)data)->writable++;
}

static const struct stream_ops ops = {
    .on_read = on_read, .on_end = on_end, .on_writable = on_writable};

/* A stream in s; the peer's end. */
static int start(struct seen *s)
{
	int ours, theirs;

	plain_pair(&ours, &theirs);
	s->stream = stream_new(&loop, ours, &ops, s);
	assert_non_null(s->stream);
	return theirs;
}

static void what_the_peer_sends_is_read_and_its_close_is_an_end(void **state)
{
	struct seen s = {0};
	int peer = start(&s);

	plain_send(peer, "hello");
	turn_until(s.got.len == 5);
	assert_memory_equal(s.got.p, "hello", 5);
	assert_int_equal(s.ends, 0);
	close(peer);
	turn_until(s.ends);
	assert_int_equal(s.err, 0);
	turn_a_while();
	assert_int_equal(s.ends, 1);
	stream_close(s.stream);
	buf_finish(&s.got);
}

static void what_came_before_a_reset_is_read_and_the_reset_has_its_name(void **state)
{
	struct seen s = {0};
	int peer = start(&s);

	/* Both are there before the loop looks. */
	plain_send(peer, "last words");
	plain_reset(peer);
	turn_until(s.ends);
	assert_string_equal(buf_cstr(&s.got), "last words");
	assert_int_equal(s.err, -ECONNRESET);
	stream_close(s.stream);
	buf_finish(&s.got);
}

static void nothing_is_read_while_reading_is_off(void **state)
{
	struct seen s = {0};
	int peer = start(&s);

	stream_read(s.stream, false);
	plain_send(peer, "wait");
	turn_a_while();
	assert_int_equal(s.got.len, 0);
	stream_read(s.stream, true);
	turn_until(s.got.len == 4);
	stream_close(s.stream);
	close(peer);
	buf_finish(&s.got);
}

static void what_the_socket_does_not_take_is_queued_and_arrives_in_order(void **state)
{
	enum { TOTAL = 2 * 1024 * 1024 };
	struct seen s = {0};
	struct buf sent = {0}, got = {0};
	int peer = start(&s);

	for (unsigned i = 0; sent.len < TOTAL; i++)
		buf_addf(&sent, "%u ", i);
	stream_bound_kernel(s.stream, 16384);
	stream_write(s.stream, sent.p, sent.len / 2);
	assert_true(stream_queued(s.stream) > 0);
	stream_write(s.stream, sent.p + sent.len / 2, sent.len - sent.len / 2);
	/* The end of our side comes after all of it. */
	stream_shutdown(s.stream);
	turn_until(!plain_take(peer, &got));
	assert_int_equal(stream_queued(s.stream), 0);
	assert_int_equal(got.len, sent.len);
	assert_memory_equal(got.p, sent.p, sent.len);
	turn_until(s.writable);
	stream_close(s.stream);
	close(peer);
	buf_finish(&sent);
	buf_finish(&got);
}

static void a_full_socket_takes_nothing_and_says_when_it_does(void **state)
{
	static char block[65536];
	struct seen s = {0};
	struct buf got = {0};
	int peer = start(&s);
	ssize_t n;

	while ((n = stream_send(s.stream, block, sizeof block)) > 0)
		;
	assert_int_equal(n, 0);
	turn_a_while();
	assert_int_equal(s.writable, 0);
	turn_until((plain_take(peer, &got), s.writable));
	assert_true(stream_send(s.stream, block, sizeof block) > 0);
	assert_int_equal(s.ends, 0);
	stream_close(s.stream);
	close(peer);
	buf_finish(&got);
}

static void a_failed_stream_queues_nothing_any_more(void **state)
{
	static char block[4 * 1024 * 1024];
	struct seen s = {0};
	struct buf got = {0};
	int peer = start(&s);
	size_t queued;

	/* A part of the queue is sent before the peer is gone. */
	stream_bound_kernel(s.stream, 16384);
	stream_write(s.stream, block, sizeof block);
	queued = stream_queued(s.stream);
	assert_true(queued > 0);
	turn_until((plain_take(peer, &got), stream_queued(s.stream) < queued));
	assert_true(stream_queued(s.stream) > 0);
	plain_reset(peer);
	turn_until(s.ends);
	assert_true(s.err < 0);
	assert_int_equal(s.queued_at_end, 0);
	stream_write(s.stream, "x", 1);
	assert_int_equal(stream_queued(s.stream), 0);
	assert_int_equal(stream_send(s.stream, block, 1), -EPIPE);
	turn_a_while();
	assert_int_equal(s.ends, 1);
	stream_close(s.stream);
	buf_finish(&got);
}

static void a_stream_closed_in_its_callback_calls_no_more(void **state)
{
	struct seen read = {.close_on_read = true}, end = {.close_on_end = true};
	int peer = start(&read);

	plain_send(peer, "hello");
	close(peer);
	turn_until(read.got.len);
	turn_a_while();
	assert_int_equal(read.ends, 0);
	peer = start(&end);
	close(peer);
	turn_until(end.ends);
	turn_a_while();
	assert_int_equal(end.ends, 1);
	/* Closing is allowed without a stream. */
	stream_close(NULL);
	buf_finish(&read.got);
	buf_finish(&end.got);
}

static void what_cannot_be_watched_is_refused_and_closed(void **state)
{
	struct seen s = {0};
	int file = open("/dev/null", O_RDONLY | O_CLOEXEC);

	assert_true(file >= 0);
	assert_null(stream_new(&loop, file, &ops, &s));
	/* It was ours all the same: closed. */
	assert_int_equal(fcntl(file, F_GETFD), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    on_loop(what_the_peer_sends_is_read_and_its_close_is_an_end),
	    on_loop(what_came_before_a_reset_is_read_and_the_reset_has_its_name),
	    on_loop(nothing_is_read_while_reading_is_off),
	    on_loop(what_the_socket_does_not_take_is_queued_and_arrives_in_order),
	    on_loop(a_full_socket_takes_nothing_and_says_when_it_does),
	    on_loop(a_failed_stream_queues_nothing_any_more),
	    on_loop(a_stream_closed_in_its_callback_calls_no_more),
	    on_loop(what_cannot_be_watched_is_refused_and_closed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
