/* Bytes that should be text. */
#include "unit.h"

#include "base/buf.h"
#include "base/utf8.h"

static void check(const char *from, bool more, const char *want, size_t left)
{
	struct buf out = {0};

	assert_int_equal(utf8_repair(&out, from, strlen(from), more), left);
	assert_string_equal(buf_cstr(&out), want);
	buf_finish(&out);
}

static void text_stays_as_it_is(void **state)
{
	check("", false, "", 0);
	check("plain gr\xC3\xBC\xC3\x9F \xF0\x9F\x98\x80", true,
	    "plain gr\xC3\xBC\xC3\x9F \xF0\x9F\x98\x80", 0);
}

static void each_byte_that_is_none_is_replaced(void **state)
{
	check("a\xFF\xFEz", true, "a\xEF\xBF\xBD\xEF\xBF\xBDz", 0);
	/* A surrogate, an overlong slash. */
	check("\xED\xA0\x80", false, "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD", 0);
	check("\xC0\xAF", false, "\xEF\xBF\xBD\xEF\xBF\xBD", 0);
}

static void a_character_cut_at_the_end_waits_for_its_rest(void **state)
{
	check("a\xF0\x9F\x98", true, "a", 3);
	check("a\xC3", true, "a", 1);
	check("a\xC3", false, "a\xEF\xBF\xBD", 0);
	check("\xC3z", true, "\xEF\xBF\xBDz", 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(text_stays_as_it_is),
	    cmocka_unit_test(each_byte_that_is_none_is_replaced),
	    cmocka_unit_test(a_character_cut_at_the_end_waits_for_its_rest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
