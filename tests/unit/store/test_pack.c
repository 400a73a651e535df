/* store/pack: frames come back byte for byte, small; nothing else is believed. */
#include "store/pack.h"

#include <stdlib.h>
#include <zstd.h>

#include "base/buf.h"
#include "base/mem.h"
#include "protocol/envelope.h"
#include "unit.h"

static void put(struct buf *frames, enum event_kind kind, uint64_t seq, int64_t ms,
    const char *daemon, const char *payload, size_t n)
{
	envelope_put_frame(frames, &(struct envelope){.kind = kind,
				       .daemon_id = daemon,
				       .session_id = "session_0123456789abcdef",
				       .seq = seq,
				       .ts_ms = ms,
				       .payload = payload,
				       .payload_len = n});
}

static void put_text(struct buf *frames, uint64_t seq, int64_t ms, const char *text)
{
	struct buf payload = {0};

	buf_addf(&payload, "{\"turnId\":\"turn_0123456789abcdef\",\"text\":\"%s\"}", text);
	put(frames, EVENT_TURN_TOKEN, seq, ms, "daemon_a", payload.p, payload.len);
	buf_finish(&payload);
}

static void comes_back(uint64_t first, uint64_t last, const struct buf *frames)
{
	struct buf packed = {0}, again = {0};

	assert_true(pack_frames(first, last, frames->p, frames->len, &packed));
	assert_true(pack_open(first, last, packed.p, packed.len, &again));
	assert_int_equal(again.len, frames->len);
	assert_memory_equal(again.p, frames->p, again.len);
	/* They are of these numbers and no others. */
	again.len = 0;
	assert_false(pack_open(first, last + 1, packed.p, packed.len, &again));
	buf_finish(&packed);
	buf_finish(&again);
}

static void events_of_every_kind_come_back(void **state)
{
	struct buf frames = {0};
	uint64_t seq = 1000;

	for (int kind = 0; kind < EVENT_KINDS; kind++)
		for (int i = 0; i < 3; i++) {
			char payload[100];
			int n = snprintf(payload, sizeof payload,
			    "{\"n\":%d,\"text\":\"\\\"%.*s\",\"x\":[%d]}", i * kind, kind % 7,
			    "abcabcabc", kind);

			put(&frames, (enum event_kind)kind, seq++, 1795341601123 + i * kind,
			    "daemon_a", payload, (size_t)n);
		}
	comes_back(1000, seq - 1, &frames);
	buf_finish(&frames);
}

static void payloads_that_are_alike_in_any_way_come_back(void **state)
{
	static const char *const texts[] = {"", "a", "a", "ab", "ba", "aba", "ab", "b", "", "",
	    "\\\"", "\\\"a", "a\\\"", "turn", "\\u0000", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"};
	enum { TEXTS = sizeof texts / sizeof texts[0] };
	struct buf frames = {0};
	uint64_t seq = 0;

	for (int i = 0; i < TEXTS; i++)
		for (int j = 0; j < TEXTS; j++) {
			put_text(&frames, ++seq, 1000, texts[i]);
			put_text(&frames, ++seq, 1000, texts[j]);
			put(&frames, EVENT_TURN_DONE, ++seq, 999, "daemon_a", texts[j],
			    strlen(texts[j]) < 3 ? 0 : strlen(texts[j]));
		}
	/* A payload of fewer than two bytes is no object: such frames are not ours. */
	{
		struct buf packed = {0};

		assert_false(pack_frames(1, seq, frames.p, frames.len, &packed));
		assert_int_equal(packed.len, 0);
		buf_finish(&packed);
	}
	buf_clear(&frames);
	seq = 0;
	for (int i = 0; i < TEXTS; i++)
		for (int j = 0; j < TEXTS; j++) {
			put_text(&frames, ++seq, 1000, texts[i]);
			put_text(&frames, ++seq, 1000, texts[j]);
		}
	comes_back(1, seq, &frames);
	buf_finish(&frames);
}

static void times_may_go_anywhere(void **state)
{
	static const int64_t times[] = {
	    1795341601123, 0, 253402300799999, -1, -62167219200000, 1795341601123};
	struct buf frames = {0};

	for (uint64_t i = 0; i < 6; i++)
		put_text(&frames, i + 1, times[i], "x");
	comes_back(1, 6, &frames);
	buf_finish(&frames);
}

static void one_large_event_comes_back(void **state)
{
	size_t n = 3 * 1024 * 1024;
	struct buf frames = {0};
	char *text = mem_zalloc(1, n + 1);

	for (size_t i = 0; i < n; i++)
		text[i] = (char)('a' + (i * i / 7) % 23);
	put_text(&frames, 9, 1000, text);
	comes_back(9, 9, &frames);
	free(text);
	buf_finish(&frames);
}

/* Words of a language are not at hand; these are as hard: four to eight letters, none the same. */
static void a_token_takes_little_more_than_its_text(void **state)
{
	struct buf frames = {0}, packed = {0};
	size_t text = 0;
	uint64_t seq = 0;
	int64_t ms = 1795341601123;
	unsigned random = 1;

	while (frames.len < PACK_BYTES) {
		char word[16];
		size_t n;

		random = random * 1103515245 + 12345;
		n = 4 + (random >> 16) % 5;
		for (size_t i = 0; i < n; i++) {
			random = random * 1103515245 + 12345;
			word[i] = "etaoinshrdlu "[(random >> 16) % 13];
		}
		word[n] = '\0';
		text += n;
		ms += 5 + (random >> 20) % 16;
		put_text(&frames, ++seq, ms, word);
	}
	assert_true(pack_frames(1, seq, frames.p, frames.len, &packed));
	if (packed.len * 10 > text * 15)
		fail_msg("%zu bytes for %zu of text", packed.len, text);
	buf_finish(&frames);
	buf_finish(&packed);
}

static void what_is_not_ours_is_not_packed(void **state)
{
	struct buf frames = {0}, packed = {0};

	put_text(&frames, 1, 1000, "a");
	put(&frames, EVENT_TURN_TOKEN, 2, 1000, "daemon_b", "{\"turnId\":\"t\"}", 14);
	assert_false(pack_frames(1, 2, frames.p, frames.len, &packed));
	buf_clear(&frames);
	put_text(&frames, 1, 1000, "a");
	assert_false(pack_frames(2, 2, frames.p, frames.len, &packed));
	assert_false(pack_frames(1, 2, frames.p, frames.len, &packed));
	assert_false(pack_frames(1, 1, frames.p, frames.len - 1, &packed));
	assert_false(pack_frames(0, 0, frames.p, 0, &packed));
	/* A time nobody writes: it would come back as another. */
	memcpy(memmem(frames.p, frames.len, "T00:", 4), "X", 1);
	assert_false(pack_frames(1, 1, frames.p, frames.len, &packed));
	assert_int_equal(packed.len, 0);
	buf_finish(&frames);
	buf_finish(&packed);
}

static void every_flipped_bit_and_every_cut_is_found(void **state)
{
	struct buf frames = {0}, packed = {0}, again = {0};

	for (uint64_t seq = 1; seq <= 20; seq++)
		put_text(&frames, seq, 1000, seq % 2 ? "odd" : "even");
	assert_true(pack_frames(1, 20, frames.p, frames.len, &packed));
	for (size_t bit = 0; bit < packed.len * 8; bit++) {
		packed.p[bit / 8] ^= (char)(1 << bit % 8);
		again.len = 0;
		/* Some bits of zstd's header mean nothing; what comes out is right or refused. */
		if (pack_open(1, 20, packed.p, packed.len, &again)) {
			assert_int_equal(again.len, frames.len);
			assert_memory_equal(again.p, frames.p, again.len);
		}
		packed.p[bit / 8] ^= (char)(1 << bit % 8);
	}
	for (size_t n = 0; n < packed.len; n++)
		assert_false(pack_open(1, 20, packed.p, n, &again));
	buf_finish(&frames);
	buf_finish(&packed);
	buf_finish(&again);
}

/* A few bytes that claim to be gigabytes. */
static void what_claims_to_be_too_large_is_refused(void **state)
{
	size_t n = PACK_MAX_BYTES + 1, room = ZSTD_compressBound(n);
	char *zeros = mem_zalloc(1, n), *packed = mem_alloc(room);
	struct buf out = {0};
	size_t len = ZSTD_compress(packed, room, zeros, n, 1);

	assert_false(ZSTD_isError(len));
	assert_true(len < 10000);
	assert_false(pack_open(1, 1, packed, len, &out));
	assert_int_equal(out.cap, 0);
	free(zeros);
	free(packed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(events_of_every_kind_come_back),
	    cmocka_unit_test(payloads_that_are_alike_in_any_way_come_back),
	    cmocka_unit_test(times_may_go_anywhere),
	    cmocka_unit_test(one_large_event_comes_back),
	    cmocka_unit_test(a_token_takes_little_more_than_its_text),
	    cmocka_unit_test(what_is_not_ours_is_not_packed),
	    cmocka_unit_test(every_flipped_bit_and_every_cut_is_found),
	    cmocka_unit_test(what_claims_to_be_too_large_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
