/* Random names. */
#include "unit.h"

#include "base/ids.h"

static void an_id_is_its_prefix_and_lower_case_hex(void **state)
{
	char id[16];

	memset(id, 'Z', sizeof id);
	ids_make("s_", 6, id, 15);
	assert_int_equal(strlen(id), 14);
	assert_memory_equal(id, "s_", 2);
	assert_int_equal(strspn(id + 2, "0123456789abcdef"), 12);
	assert_int_equal(id[15], 'Z');
}

static void two_ids_differ(void **state)
{
	char a[32], b[32];

	ids_make("", 12, a, sizeof a);
	ids_make("", 12, b, sizeof b);
	assert_string_not_equal(a, b);
}

static void more_than_the_kernel_gives_at_once_is_filled(void **state)
{
	unsigned char p[1000] = {0};
	size_t zeros = 0, last = 0;

	ids_random(p, sizeof p);
	for (size_t i = 0; i < sizeof p; i++)
		zeros += p[i] == 0;
	for (size_t i = 900; i < sizeof p; i++)
		last |= p[i];
	assert_true(zeros < 60);
	assert_true(last);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(an_id_is_its_prefix_and_lower_case_hex),
	    cmocka_unit_test(two_ids_differ),
	    cmocka_unit_test(more_than_the_kernel_gives_at_once_is_filled),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
