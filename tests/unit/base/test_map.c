/* Strings to pointers. */
#include "unit.h"

#include "base/map.h"

enum { MANY = 5000 };

static char keys[MANY][8];

static int make_keys(void **state)
{
	for (unsigned i = 0; i < MANY; i++)
		snprintf(keys[i], sizeof keys[i], "k%u", i);
	return 0;
}

static void an_empty_map_holds_nothing(void **state)
{
	struct map m = {0};
	size_t at = 0;

	assert_null(map_get(&m, "a"));
	assert_null(map_remove(&m, "a"));
	assert_null(map_next(&m, &at));
	map_finish(&m);
}

static void a_key_is_found_by_content_not_address(void **state)
{
	struct map m = {0};
	char same[] = "key";
	int value;

	map_put(&m, "key", &value);
	assert_ptr_equal(map_get(&m, same), &value);
	assert_null(map_get(&m, "ke"));
	assert_null(map_get(&m, "keyy"));
	assert_null(map_get(&m, ""));
	map_finish(&m);
}

static void the_empty_key_is_a_key(void **state)
{
	struct map m = {0};
	int value;

	map_put(&m, "", &value);
	assert_ptr_equal(map_get(&m, ""), &value);
	assert_ptr_equal(map_remove(&m, ""), &value);
	assert_null(map_get(&m, ""));
	map_finish(&m);
}

static void putting_again_replaces_value_and_key(void **state)
{
	struct map m = {0};
	char old[] = "key";
	int first, second;

	map_put(&m, old, &first);
	map_put(&m, "key", &second);
	/* The old key's memory may go now. */
	memset(old, 'x', 3);
	assert_int_equal(m.len, 1);
	assert_ptr_equal(map_get(&m, "key"), &second);
	map_finish(&m);
}

static void growth_keeps_every_entry(void **state)
{
	struct map m = {0};

	for (unsigned i = 0; i < MANY; i++)
		map_put(&m, keys[i], keys[i]);
	assert_int_equal(m.len, MANY);
	for (unsigned i = 0; i < MANY; i++)
		assert_ptr_equal(map_get(&m, keys[i]), keys[i]);
	assert_null(map_get(&m, "k5000"));
	map_finish(&m);
}

/* With a few slots, any ten keys collide somewhere; a removed one must not hide those behind it. */
static void removal_does_not_hide_keys_that_collided(void **state)
{
	for (unsigned base = 0; base + 11 < MANY; base += 11) {
		struct map m = {0};

		for (unsigned i = 0; i < 11; i++)
			map_put(&m, keys[base + i], keys[base + i]);
		for (unsigned i = 0; i < 11; i += 2)
			assert_ptr_equal(map_remove(&m, keys[base + i]), keys[base + i]);
		for (unsigned i = 0; i < 11; i++)
			assert_ptr_equal(
			    map_get(&m, keys[base + i]), i % 2 ? keys[base + i] : NULL);
		assert_int_equal(m.len, 5);
		map_finish(&m);
	}
}

static void coming_and_going_does_not_grow_the_map(void **state)
{
	struct map m = {0};

	for (unsigned round = 0; round < 20; round++)
		for (unsigned i = 0; i < MANY; i++) {
			map_put(&m, keys[i], keys[i]);
			assert_ptr_equal(map_remove(&m, keys[i]), keys[i]);
			assert_null(map_get(&m, keys[i]));
		}
	assert_int_equal(m.len, 0);
	assert_true(m.cap <= 64);
	map_finish(&m);
}

static void iteration_meets_each_value_once(void **state)
{
	struct map m = {0};
	unsigned char met[MANY] = {0};
	size_t at = 0, count = 0;
	char *value;

	for (unsigned i = 0; i < MANY; i++)
		map_put(&m, keys[i], keys[i]);
	for (unsigned i = 0; i < MANY; i += 3)
		map_remove(&m, keys[i]);
	while ((value = map_next(&m, &at))) {
		size_t i = (size_t)(value - keys[0]) / sizeof keys[0];

		assert_int_not_equal(i % 3, 0);
		assert_int_equal(met[i]++, 0);
		count++;
	}
	assert_int_equal(count, m.len);
	assert_null(map_next(&m, &at));
	map_finish(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(an_empty_map_holds_nothing),
	    cmocka_unit_test(a_key_is_found_by_content_not_address),
	    cmocka_unit_test(the_empty_key_is_a_key),
	    cmocka_unit_test(putting_again_replaces_value_and_key),
	    cmocka_unit_test(growth_keeps_every_entry),
	    cmocka_unit_test(removal_does_not_hide_keys_that_collided),
	    cmocka_unit_test(coming_and_going_does_not_grow_the_map),
	    cmocka_unit_test(iteration_meets_each_value_once),
	};

	return cmocka_run_group_tests(tests, make_keys, NULL);
}
