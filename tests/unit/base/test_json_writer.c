/* JSON written from its beginning to its end. */
#include "unit.h"

#include "base/buf.h"
#include "base/json.h"
#include "base/json_writer.h"

static struct buf out;

static int finish(void **state)
{
	buf_finish(&out);
	return 0;
}

static void braces_and_commas_come_by_themselves(void **state)
{
	struct json_writer w = {.out = &out};

	json_write_object(&w, NULL);
	json_write_cstr(&w, "a", "x\"y");
	json_write_array(&w, "b");
	json_write_uint(&w, NULL, 1);
	json_write_object(&w, NULL);
	json_write_end(&w);
	json_write_array(&w, NULL);
	json_write_end(&w);
	json_write_int(&w, NULL, -2);
	json_write_end(&w);
	json_write_bool(&w, "c", true);
	json_write_null(&w, "d");
	json_write_cstr(&w, "e", NULL);
	json_write_end(&w);
	assert_string_equal(buf_cstr(&out),
	    "{\"a\":\"x\\\"y\",\"b\":[1,{},[],-2],\"c\":true,\"d\":null,\"e\":null}");
}

static void members_and_values_that_are_json_already_fit_in(void **state)
{
	struct json_writer w = {.out = &out};
	json_t *value = json_pack("{s:[i,s]}", "k", 3, "v");

	json_write_object(&w, NULL);
	json_write_members(&w, "", 0);
	json_write_members(&w, "\"m\":1,\"n\":2", 11);
	json_write_raw(&w, "r", "[0]", 3);
	json_write_members(&w, "\"o\":3", 5);
	json_write_value(&w, "j", value);
	json_write_end(&w);
	json_decref(value);
	assert_string_equal(
	    buf_cstr(&out), "{\"m\":1,\"n\":2,\"r\":[0],\"o\":3,\"j\":{\"k\":[3,\"v\"]}}");
}

static void values_follow_each_other_with_a_comma(void **state)
{
	struct json_writer w = {.out = &out};

	json_write_uint(&w, NULL, 1);
	json_write_uint(&w, NULL, 2);
	assert_string_equal(buf_cstr(&out), "1,2");
}

static void what_is_no_text_is_replaced(void **state)
{
	struct json_writer w = {.out = &out};

	json_write_str(&w, NULL, "a\xFF", 2);
	assert_string_equal(buf_cstr(&out), "\"a\xEF\xBF\xBD\"");
}

static void levels_are_told_apart_to_the_last(void **state)
{
	struct json_writer w = {.out = &out};

	for (int i = 0; i < JSON_WRITER_DEPTH / 2; i++) {
		json_write_array(&w, i ? "a" : NULL);
		json_write_object(&w, NULL);
	}
	for (int i = 0; i < JSON_WRITER_DEPTH; i++)
		json_write_end(&w);
	assert_memory_equal(out.p + out.len - 8, "}]}]}]}]", 8);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_teardown(braces_and_commas_come_by_themselves, finish),
	    cmocka_unit_test_teardown(members_and_values_that_are_json_already_fit_in, finish),
	    cmocka_unit_test_teardown(values_follow_each_other_with_a_comma, finish),
	    cmocka_unit_test_teardown(what_is_no_text_is_replaced, finish),
	    cmocka_unit_test_teardown(levels_are_told_apart_to_the_last, finish),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
