/* base/str: numbers, UTF-8, cutting, distance. */
#include "base/str.h"
#include "tests/lib/unit.h"

static void numbers_are_whole_decimal_and_bounded(void **state)
{
	uint64_t n = 7;

	assert_true(str_parse_u64(str_of("0"), 9, &n) && n == 0);
	assert_true(
	    str_parse_u64(str_of("18446744073709551615"), UINT64_MAX, &n) && n == UINT64_MAX);
	n = 7;
	assert_false(str_parse_u64(str_of("18446744073709551616"), UINT64_MAX, &n));
	assert_false(str_parse_u64(str_of("10"), 9, &n));
	assert_false(str_parse_u64(str_of(""), 9, &n));
	assert_false(str_parse_u64(str_of("-1"), 9, &n));
	assert_false(str_parse_u64(str_of(" 1"), 9, &n));
	assert_false(str_parse_u64(str_of("1x"), 9, &n));
	assert_int_equal(n, 7);
}

static void only_whole_valid_characters_count(void **state)
{
	static const struct {
		const char *text;
		size_t valid;
	} cases[] = {
	    {"abc", 3},
	    {"\xC3\xA9", 2},
	    {"\xE2\x82\xAC", 3},
	    {"\xF0\x9F\x98\x80", 4},
	    {"\xC0\x80", 0}, /* overlong NUL */
	    {"\xC1\xBF", 0},
	    {"\xE0\x9F\xBF", 0},
	    {"\xED\xA0\x80", 0},     /* surrogate */
	    {"\xF4\x90\x80\x80", 0}, /* above U+10FFFF */
	    {"\xF5\x80\x80\x80", 0},
	    {"a\xFF", 1},
	    {"\x80", 0},
	    {"ab\xC3", 2},
	    {"\xE2\x82", 0},
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		assert_int_equal(
		    str_utf8_valid(cases[i].text, strlen(cases[i].text)), cases[i].valid);
}

static void a_cut_character_is_partial_and_a_wrong_one_is_not(void **state)
{
	assert_true(str_utf8_partial("\xC3", 1));
	assert_true(str_utf8_partial("\xE2\x82", 2));
	assert_true(str_utf8_partial("\xF0\x9F\x98", 3));
	assert_false(str_utf8_partial("\xC3\xA9", 2));
	assert_false(str_utf8_partial("\xFF", 1));
	assert_false(str_utf8_partial("\xE0\x80", 2));
	assert_false(str_utf8_partial("", 0));
}

static void cutting_tells_an_empty_rest_from_none(void **state)
{
	struct str head, rest = str_cut(str_of("a="), '=', &head);

	assert_true(str_eq(head, "a") && rest.p && rest.n == 0);
	rest = str_cut(str_of("a"), '=', &head);
	assert_true(str_eq(head, "a") && !rest.p && rest.n == 0);
	rest = str_cut(str_of("=b"), '=', &head);
	assert_true(head.n == 0 && str_eq(rest, "b"));
}

static void secrets_compare_equal_only_when_they_are(void **state)
{
	assert_true(str_secret_eq(str_of("abc"), str_of("abc")));
	assert_false(str_secret_eq(str_of("abc"), str_of("abd")));
	assert_false(str_secret_eq(str_of("abc"), str_of("ab")));
	assert_false(str_secret_eq(str_of(""), str_of("a")));
}

static void distance_counts_edits(void **state)
{
	assert_int_equal(str_distance("daemon.port", "daemon.prot"), 2);
	assert_int_equal(str_distance("", "abc"), 3);
	assert_int_equal(str_distance("kitten", "sitting"), 3);
	assert_int_equal(str_distance("same", "same"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(numbers_are_whole_decimal_and_bounded),
	    cmocka_unit_test(only_whole_valid_characters_count),
	    cmocka_unit_test(a_cut_character_is_partial_and_a_wrong_one_is_not),
	    cmocka_unit_test(cutting_tells_an_empty_rest_from_none),
	    cmocka_unit_test(secrets_compare_equal_only_when_they_are),
	    cmocka_unit_test(distance_counts_edits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
