/* store/segment: a run of frames and the places of events in it. */
#include "store/segment.h"

#include "base/buf.h"
#include "protocol/envelope.h"
#include "unit.h"

/* The frames of events first to last, of different lengths. */
static void put(struct buf *out, uint64_t first, uint64_t last)
{
	for (uint64_t seq = first; seq <= last; seq++) {
		struct buf payload = {0};

		buf_addf(&payload, "{\"text\":\"%0*d\"}", (int)(seq % 300) + 1, 0);
		envelope_put_frame(out, &(struct envelope){.kind = EVENT_TURN_TOKEN,
					    .daemon_id = "d",
					    .session_id = "s",
					    .seq = seq,
					    .payload = payload.p,
					    .payload_len = payload.len});
		buf_finish(&payload);
	}
}

static void each_event_is_found_where_its_frame_begins(void **state)
{
	struct envelope_view view;
	struct buf bytes = {0};
	struct segment *s;
	struct str json;

	put(&bytes, 7, 207);
	s = segment_new(7, 207, bytes.p, bytes.len);
	assert_int_equal(segment_find(s, 7), 0);
	for (uint64_t seq = 7; seq <= 207; seq++) {
		size_t at = segment_find(s, seq);

		assert_true(envelope_frame(s->bytes + at, s->len - at, &json));
		assert_true(envelope_view(json, &view));
		assert_int_equal(view.seq, seq);
	}
	segment_unref(s);
	buf_finish(&bytes);
}

static void a_buf_of_frames_becomes_one_without_a_copy(void **state)
{
	struct buf bytes = {0};
	struct segment *s;

	segment_begin(&bytes);
	put(&bytes, 3, 5);
	s = segment_end(&bytes, 3, 5);
	assert_null(bytes.p);
	assert_int_equal(s->refs, 1);
	assert_true(segment_is_whole(3, 5, s->bytes, s->len));
	segment_unref(s);
}

static void the_bytes_are_its_own_copy(void **state)
{
	struct segment *s;
	char text[] = "frames";

	s = segment_new(1, 1, text, 6);
	memset(text, 'x', 6);
	assert_memory_equal(s->bytes, "frames", 6);
	segment_unref(s);
}

static void damaged_bytes_have_no_place(void **state)
{
	struct buf bytes = {0};
	struct segment *s;

	put(&bytes, 1, 3);
	/* The last frame is cut, the numbers say there are four. */
	s = segment_new(1, 4, bytes.p, bytes.len - 1);
	assert_true(segment_find(s, 3) < s->len);
	assert_int_equal(segment_find(s, 4), s->len);
	segment_unref(s);
	buf_finish(&bytes);
}

static void the_last_reference_frees(void **state)
{
	struct segment *s = segment_new(1, 1, "x", 1);

	assert_int_equal(s->refs, 1);
	assert_ptr_equal(segment_ref(s), s);
	segment_unref(s);
	assert_int_equal(s->refs, 1);
	segment_unref(s);
	segment_unref(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(each_event_is_found_where_its_frame_begins),
	    cmocka_unit_test(a_buf_of_frames_becomes_one_without_a_copy),
	    cmocka_unit_test(the_bytes_are_its_own_copy),
	    cmocka_unit_test(damaged_bytes_have_no_place),
	    cmocka_unit_test(the_last_reference_frees),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
