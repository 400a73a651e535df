/* Borrowed text, strict numbers, UTF-8. */
#include "unit.h"

#include "base/str.h"

static void comparing_is_by_bytes_and_length(void **state)
{
	assert_true(str_eq(str_of("abc"), "abc"));
	assert_false(str_eq(str_of("abc"), "ab"));
	assert_false(str_eq(str_of("ab"), "abc"));
	assert_false(str_eq(str_of("abc"), "abC"));
	assert_true(str_eq((struct str){NULL, 0}, ""));
	assert_true(str_eq(str_of(NULL), ""));
	assert_false(str_eq((struct str){"a\0b", 3}, "a"));
}

static void case_is_ignored_only_where_asked(void **state)
{
	assert_true(str_ieq(str_of("CoNnEcTiOn"), "connection"));
	assert_false(str_ieq(str_of("connectio"), "connection"));
	assert_false(str_ieq(str_of("k"), "\xE2\x84\xAA"));
	assert_true(str_ieq((struct str){NULL, 0}, ""));
}

static void a_prefix_may_not_be_longer_than_the_text(void **state)
{
	assert_true(str_starts(str_of("http://x"), "http://"));
	assert_true(str_starts(str_of("x"), ""));
	assert_true(str_starts((struct str){NULL, 0}, ""));
	assert_false(str_starts((struct str){"http://x", 5}, "http://"));
}

static void trimming_takes_blanks_at_the_ends_only(void **state)
{
	assert_true(str_eq(str_trim(str_of(" \t\r\na b\n ")), "a b"));
	assert_int_equal(str_trim(str_of(" \t\r\n")).n, 0);
	assert_int_equal(str_trim((struct str){NULL, 0}).n, 0);
	assert_true(str_eq(str_trim(str_of("\v")), "\v"));
}

static void a_cut_is_at_the_first_separator(void **state)
{
	struct str head, tail = str_cut(str_of("host:80:90"), ':', &head);

	assert_true(str_eq(head, "host"));
	assert_true(str_eq(tail, "80:90"));
}

static void a_cut_without_separator_takes_all_and_leaves_null(void **state)
{
	struct str head, tail = str_cut(str_of("host"), ':', &head);

	assert_true(str_eq(head, "host"));
	assert_null(tail.p);
	tail = str_cut((struct str){NULL, 0}, ':', &head);
	assert_int_equal(head.n, 0);
	assert_null(tail.p);
}

static void a_cut_at_the_last_byte_leaves_an_empty_rest_that_is_not_null(void **state)
{
	struct str head, tail = str_cut(str_of("host:"), ':', &head);

	assert_true(str_eq(head, "host"));
	assert_non_null(tail.p);
	assert_int_equal(tail.n, 0);
	tail = str_cut(str_of(":80"), ':', &head);
	assert_int_equal(head.n, 0);
	assert_true(str_eq(tail, "80"));
}

static void number_is_refused(const char *text, uint64_t max)
{
	uint64_t n = 77;

	if (str_parse_u64(str_of(text), max, &n))
		fail_msg("\"%s\" was taken as a number", text);
	assert_int_equal(n, 77);
}

static void a_number_has_digits_and_nothing_else(void **state)
{
	static const char *const bad[] = {"", " 1", "1 ", "+1", "-1", "0x1", "1.0", "1e3", "a",
	    "1a", "1,0", "\xD9\xA1", "/", ":"};

	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		number_is_refused(bad[i], UINT64_MAX);
}

static void a_number_stays_within_its_limit(void **state)
{
	uint64_t n;

	assert_true(str_parse_u64(str_of("65535"), 65535, &n));
	assert_int_equal(n, 65535);
	number_is_refused("65536", 65535);
	assert_true(str_parse_u64(str_of("0"), 0, &n));
	assert_int_equal(n, 0);
	number_is_refused("1", 0);
}

static void the_largest_number_is_read_and_one_more_is_not(void **state)
{
	uint64_t n;

	assert_true(str_parse_u64(str_of("18446744073709551615"), UINT64_MAX, &n));
	assert_true(n == UINT64_MAX);
	number_is_refused("18446744073709551616", UINT64_MAX);
	number_is_refused("99999999999999999999", UINT64_MAX);
	number_is_refused("000000000000000000001", UINT64_MAX);
}

static void a_hexadecimal_digit_has_its_value_in_either_case(void **state)
{
	static const char digits[] = "0123456789abcdefABCDEF";
	int seen = 0;

	for (int c = 0; c < 256; c++) {
		const char *at = c ? strchr(digits, c) : NULL;
		int place = at ? (int)(at - digits) : -1;

		assert_int_equal(str_hex_digit((char)c), place > 15 ? place - 6 : place);
		seen += place >= 0;
	}
	assert_int_equal(seen, 22);
}

static void secrets_are_equal_or_not(void **state)
{
	assert_true(str_secret_eq(str_of("opta_dk_1"), str_of("opta_dk_1")));
	assert_false(str_secret_eq(str_of("opta_dk_1"), str_of("opta_dk_2")));
	assert_false(str_secret_eq(str_of("xpta_dk_1"), str_of("opta_dk_1")));
	assert_false(str_secret_eq(str_of("opta_dk_"), str_of("opta_dk_1")));
	assert_false(str_secret_eq((struct str){NULL, 0}, str_of("a")));
}

struct utf8_case {
	const char *bytes;
	size_t n, valid;
};

static void utf8_is_counted_to_the_first_bad_byte(void **state)
{
	static const struct utf8_case cases[] = {
	    {"", 0, 0},
	    {"abc", 3, 3},
	    {"a\0b", 3, 3},
	    {"\xC3\xA9", 2, 2},
	    {"\xC2\x80", 2, 2},
	    {"\xC0\x80", 2, 0},		/* overlong NUL */
	    {"\xC1\xBF", 2, 0},		/* overlong */
	    {"\xE0\xA0\x80", 3, 3},	/* U+0800 */
	    {"\xE0\x9F\xBF", 3, 0},	/* overlong */
	    {"\xED\x9F\xBF", 3, 3},	/* U+D7FF */
	    {"\xED\xA0\x80", 3, 0},	/* a surrogate */
	    {"\xEE\x80\x80", 3, 3},	/* U+E000 */
	    {"\xF0\x90\x80\x80", 4, 4}, /* U+10000 */
	    {"\xF0\x8F\xBF\xBF", 4, 0}, /* overlong */
	    {"\xF4\x8F\xBF\xBF", 4, 4}, /* U+10FFFF */
	    {"\xF4\x90\x80\x80", 4, 0}, /* above it */
	    {"\xF5\x80\x80\x80", 4, 0},
	    {"\xFF", 1, 0},
	    {"\x80", 1, 0},
	    {"ab\xE2\x82", 4, 2},
	    {"ab\xE2\x82\xAC\xE2", 6, 5},
	    {"\xE2(\xA1", 3, 0},
	    {"\xF0\x9F\x98\x80z\xFFz", 7, 5},
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		if (str_utf8_valid(cases[i].bytes, cases[i].n) != cases[i].valid)
			fail_msg("case %zu: %zu", i, str_utf8_valid(cases[i].bytes, cases[i].n));
}

static void the_beginning_of_a_character_is_told_from_a_bad_one(void **state)
{
	assert_true(str_utf8_partial("\xC3", 1));
	assert_true(str_utf8_partial("\xE2\x82", 2));
	assert_true(str_utf8_partial("\xF0\x9F\x98", 3));
	assert_true(str_utf8_partial("\xE0", 1));
	assert_false(str_utf8_partial("", 0));
	assert_false(str_utf8_partial("a", 1));
	assert_false(str_utf8_partial("\xC3\xA9", 2));
	assert_false(str_utf8_partial("\xE0\x80", 2));
	assert_false(str_utf8_partial("\xED\xA0", 2));
	assert_false(str_utf8_partial("\xF4\x90", 2));
	assert_false(str_utf8_partial("\xFF", 1));
	assert_false(str_utf8_partial("\x80", 1));
	assert_false(str_utf8_partial("\xF0\x9F\x98\x80", 4));
}

static void distance_counts_edits_both_ways(void **state)
{
	char longest[66];

	assert_int_equal(str_distance("", ""), 0);
	assert_int_equal(str_distance("kitten", "sitting"), 3);
	assert_int_equal(str_distance("sitting", "kitten"), 3);
	assert_int_equal(str_distance("", "abc"), 3);
	assert_int_equal(str_distance("abc", ""), 3);
	assert_int_equal(str_distance("daemon.prot", "daemon.port"), 2);
	memset(longest, 'a', 65);
	longest[65] = '\0';
	assert_int_equal(str_distance(longest, "a"), 64);
	longest[64] = '\0';
	assert_int_equal(str_distance(longest, longest), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(comparing_is_by_bytes_and_length),
	    cmocka_unit_test(case_is_ignored_only_where_asked),
	    cmocka_unit_test(a_prefix_may_not_be_longer_than_the_text),
	    cmocka_unit_test(trimming_takes_blanks_at_the_ends_only),
	    cmocka_unit_test(a_cut_is_at_the_first_separator),
	    cmocka_unit_test(a_cut_without_separator_takes_all_and_leaves_null),
	    cmocka_unit_test(a_cut_at_the_last_byte_leaves_an_empty_rest_that_is_not_null),
	    cmocka_unit_test(a_number_has_digits_and_nothing_else),
	    cmocka_unit_test(a_number_stays_within_its_limit),
	    cmocka_unit_test(the_largest_number_is_read_and_one_more_is_not),
	    cmocka_unit_test(a_hexadecimal_digit_has_its_value_in_either_case),
	    cmocka_unit_test(secrets_are_equal_or_not),
	    cmocka_unit_test(utf8_is_counted_to_the_first_bad_byte),
	    cmocka_unit_test(the_beginning_of_a_character_is_told_from_a_bad_one),
	    cmocka_unit_test(distance_counts_edits_both_ways),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
