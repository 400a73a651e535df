/* store/cache: what was read before, newest use first. */
#include "store/cache.h"

#include "base/mem.h"
#include "store/segment.h"
#include "unit.h"

static void put(struct cache *c, int64_t session, uint64_t first, uint64_t last)
{
	struct segment *s = segment_new(first, last, "x", 1);

	cache_put(c, session, s);
	segment_unref(s);
}

static void a_segment_is_found_by_any_of_its_events(void **state)
{
	struct cache *c = cache_new();

	put(c, 1, 10, 20);
	put(c, 2, 15, 30);
	assert_null(cache_find(c, 1, 9));
	assert_int_equal(cache_find(c, 1, 10)->first_seq, 10);
	assert_int_equal(cache_find(c, 1, 20)->last_seq, 20);
	assert_null(cache_find(c, 1, 21));
	assert_int_equal(cache_find(c, 2, 20)->first_seq, 15);
	assert_null(cache_find(c, 3, 20));
	cache_free(c);
}

static void what_was_not_used_longest_goes_first(void **state)
{
	struct cache *c = cache_new();

	for (uint64_t i = 1; i <= CACHE_SEGMENTS; i++)
		put(c, 1, i, i);
	/* The oldest is used once more. */
	assert_non_null(cache_find(c, 1, 1));
	put(c, 1, 100, 100);
	assert_non_null(cache_find(c, 1, 1));
	assert_null(cache_find(c, 1, 2));
	assert_non_null(cache_find(c, 1, 3));
	assert_non_null(cache_find(c, 1, 100));
	cache_free(c);
}

static void a_segment_somebody_holds_outlives_the_cache(void **state)
{
	struct segment *s = segment_new(1, 1, "held", 4);
	struct cache *c = cache_new();

	cache_put(c, 1, s);
	assert_int_equal(s->refs, 2);
	cache_free(c);
	assert_int_equal(s->refs, 1);
	assert_memory_equal(s->bytes, "held", 4);
	segment_unref(s);
}

static void one_too_large_is_not_kept(void **state)
{
	char *bytes = mem_zalloc(1, CACHE_MAX_SEGMENT + 1);
	struct segment *fits = segment_new(1, 1, bytes, CACHE_MAX_SEGMENT);
	struct segment *large = segment_new(2, 2, bytes, CACHE_MAX_SEGMENT + 1);
	struct cache *c = cache_new();

	cache_put(c, 1, fits);
	cache_put(c, 1, large);
	assert_ptr_equal(cache_find(c, 1, 1), fits);
	assert_null(cache_find(c, 1, 2));
	cache_free(c);
	segment_unref(fits);
	segment_unref(large);
	free(bytes);
}

static void large_ones_are_fewer(void **state)
{
	char *bytes = mem_zalloc(1, CACHE_MAX_SEGMENT);
	struct cache *c = cache_new();
	unsigned kept = 0;

	for (uint64_t i = 1; i <= CACHE_SEGMENTS; i++) {
		struct segment *s = segment_new(i, i, bytes, CACHE_MAX_SEGMENT);

		cache_put(c, 1, s);
		segment_unref(s);
	}
	for (uint64_t i = 1; i <= CACHE_SEGMENTS; i++)
		kept += cache_find(c, 1, i) != NULL;
	assert_int_equal(kept, CACHE_BYTES / CACHE_MAX_SEGMENT);
	assert_non_null(cache_find(c, 1, CACHE_SEGMENTS));
	cache_free(c);
	free(bytes);
}

static void a_deleted_session_is_forgotten_and_no_other(void **state)
{
	struct cache *c = cache_new();

	for (uint64_t i = 1; i <= 10; i++)
		put(c, (int64_t)(i % 2), i, i);
	cache_forget(c, 1);
	for (uint64_t i = 1; i <= 10; i++)
		assert_int_equal(cache_find(c, (int64_t)(i % 2), i) != NULL, i % 2 == 0);
	cache_forget(c, 7);
	cache_free(c);
	cache_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_segment_is_found_by_any_of_its_events),
	    cmocka_unit_test(what_was_not_used_longest_goes_first),
	    cmocka_unit_test(a_segment_somebody_holds_outlives_the_cache),
	    cmocka_unit_test(one_too_large_is_not_kept),
	    cmocka_unit_test(large_ones_are_fewer),
	    cmocka_unit_test(a_deleted_session_is_forgotten_and_no_other),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
