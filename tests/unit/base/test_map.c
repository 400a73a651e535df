/* base/map and base/buf. */
#include "base/buf.h"
#include "base/map.h"
#include "base/mem.h"
#include "tests/lib/unit.h"

enum { MANY = 5000 };

static void a_thousand_keys_come_and_go(void **state)
{
	static char keys[MANY][16];
	struct map m = {0};
	size_t at = 0, seen = 0;

	for (int i = 0; i < MANY; i++) {
		snprintf(keys[i], sizeof keys[i], "key-%d", i);
		map_put(&m, keys[i], keys[i]);
	}
	assert_int_equal(m.len, MANY);
	for (int i = 0; i < MANY; i += 2)
		assert_ptr_equal(map_remove(&m, keys[i]), keys[i]);
	for (int i = 0; i < MANY; i++)
		assert_ptr_equal(map_get(&m, keys[i]), i % 2 ? keys[i] : NULL);
	while (map_next(&m, &at))
		seen++;
	assert_int_equal(seen, MANY / 2);
	map_finish(&m);
}

static void removing_and_adding_for_ever_does_not_grow_the_table(void **state)
{
	struct map m = {0};
	char key[16] = "the same";

	for (int i = 0; i < 100000; i++) {
		map_put(&m, key, key);
		assert_non_null(map_remove(&m, key));
	}
	assert_true(m.cap <= 64);
	assert_null(map_get(&m, key));
	map_finish(&m);
}

static void putting_again_replaces(void **state)
{
	struct map m = {0};
	int a, b;

	map_put(&m, "k", &a);
	map_put(&m, "k", &b);
	assert_ptr_equal(map_get(&m, "k"), &b);
	assert_int_equal(m.len, 1);
	assert_null(map_get(&m, ""));
	map_finish(&m);
}

static void a_buf_grows_consumes_and_is_stolen(void **state)
{
	struct buf b = {0};
	char *text;

	for (int i = 0; i < 1000; i++)
		buf_addf(&b, "%03d,", i);
	assert_int_equal(b.len, 4000);
	buf_consume(&b, 3996);
	buf_addu(&b, UINT64_MAX);
	assert_string_equal(buf_cstr(&b), "999,18446744073709551615");
	text = buf_steal(&b);
	assert_string_equal(text, "999,18446744073709551615");
	assert_null(b.p);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_thousand_keys_come_and_go),
	    cmocka_unit_test(removing_and_adding_for_ever_does_not_grow_the_table),
	    cmocka_unit_test(putting_again_replaces),
	    cmocka_unit_test(a_buf_grows_consumes_and_is_stolen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
