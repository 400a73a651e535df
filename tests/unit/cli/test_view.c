/* cli/view: a request on a screen. */
#include "cli/view.h"

#include "base/buf.h"
#include "unit.h"

static size_t hidden_on(unsigned width, unsigned height)
{
	struct view v = {.width = width, .height = height};
	json_t *request = json_pack("{s:s, s:s}", "toolName", "run_command", "preview",
	    "$ HEAD1\necho 2\necho 3\n(in /srv/a-rather/long-directory/name-of-a/workspace)");
	struct buf out = {0};
	size_t hidden;

	assert_non_null(request);
	view_put_request(&out, &v, request, &hidden);
	buf_finish(&out);
	json_decref(request);
	return hidden;
}

/* Its question and its keys wrap too, and push the first line off the screen. */
static void a_request_is_hidden_in_part_where_a_narrow_screen_cannot_hold_all(void **state)
{
	assert_int_equal(hidden_on(80, 24), 0);
	assert_int_equal(hidden_on(40, 24), 0);
	assert_true(hidden_on(12, 24) > 0);
	assert_int_equal(hidden_on(12, 48), 0);
	assert_true(hidden_on(9, 24) > 0);
	assert_true(hidden_on(80, 10) > 0);
	assert_int_equal(hidden_on(0, 0), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_request_is_hidden_in_part_where_a_narrow_screen_cannot_hold_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
