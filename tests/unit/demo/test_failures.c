/* demo/failures: how often a key is to fail. */
#include "demo/failures.h"

#include "unit.h"

static void a_key_fails_so_many_times_and_no_more(void **state)
{
	struct demo_failures *f = demo_failures_new();

	assert_true(demo_failures_take(f, str_of("a"), 2));
	assert_true(demo_failures_take(f, str_of("b"), 1));
	assert_true(demo_failures_take(f, str_of("a"), 2));
	assert_false(demo_failures_take(f, str_of("a"), 2));
	assert_false(demo_failures_take(f, str_of("b"), 1));
	assert_false(demo_failures_take(f, str_of("c"), 0));
	/* No key is a key. */
	assert_true(demo_failures_take(f, (struct str){NULL, 0}, 1));
	assert_false(demo_failures_take(f, (struct str){NULL, 0}, 1));
	demo_failures_free(f);
	demo_failures_free(NULL);
}

static void the_oldest_of_too_many_keys_is_forgotten(void **state)
{
	struct demo_failures *f = demo_failures_new();
	char key[16];

	for (int i = 0; i < DEMO_FAILURES_MAX; i++) {
		snprintf(key, sizeof key, "k%d", i);
		assert_true(demo_failures_take(f, str_of(key), 1));
	}
	/* All are there still; one more takes the place of the first. */
	assert_false(demo_failures_take(f, str_of("k0"), 1));
	assert_true(demo_failures_take(f, str_of("new"), 1));
	assert_false(demo_failures_take(f, str_of("k1"), 1));
	assert_false(demo_failures_take(f, str_of("new"), 1));
	assert_true(demo_failures_take(f, str_of("k0"), 1));
	demo_failures_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_key_fails_so_many_times_and_no_more),
	    cmocka_unit_test(the_oldest_of_too_many_keys_is_forgotten),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
