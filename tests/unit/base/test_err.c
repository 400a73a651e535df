/* Error codes and the sentence that goes with them. */
#include "unit.h"

#include "base/err.h"

static void setting_returns_the_code_with_and_without_a_struct(void **state)
{
	struct err e = {0};

	assert_int_equal(err_set(NULL, -EIO, "x"), -EIO);
	assert_int_equal(err_set(&e, ERR_LIMIT, "at most %d", 5), ERR_LIMIT);
	assert_int_equal(e.code, ERR_LIMIT);
	assert_string_equal(e.text, "at most 5");
}

static void a_long_sentence_is_cut_and_ends(void **state)
{
	char longer[1000];
	struct err e = {0};

	memset(longer, 'x', sizeof longer - 1);
	longer[sizeof longer - 1] = '\0';
	err_set(&e, -EIO, "%s", longer);
	assert_int_equal(strlen(e.text), sizeof e.text - 1);
}

static void every_code_has_a_name_of_its_own(void **state)
{
	for (int code = ERR_REFUSED; code <= ERR_LIMIT; code++) {
		assert_string_not_equal(err_name(code), "EUNKNOWN");
		for (int other = code + 1; other <= ERR_LIMIT; other++)
			assert_string_not_equal(err_name(code), err_name(other));
	}
	assert_string_equal(err_name(-ECONNREFUSED), "ECONNREFUSED");
	assert_string_equal(err_name(ERR_LIMIT), "ERR_LIMIT");
	assert_string_equal(err_name(-123456), "EUNKNOWN");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(setting_returns_the_code_with_and_without_a_struct),
	    cmocka_unit_test(a_long_sentence_is_cut_and_ends),
	    cmocka_unit_test(every_code_has_a_name_of_its_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
