/* base/json: strict in, harmless out. */
#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "tests/lib/unit.h"

static int parse(const char *text)
{
	json_t *value = NULL;
	int rc = json_parse(text, strlen(text), &value, NULL);

	json_decref(value);
	return rc;
}

static void what_is_no_json_is_refused(void **state)
{
	static const char *const bad[] = {"", "{", "{\"a\":1,\"a\":2}", "[NaN]", "[1e999]", "[01]",
	    "\"\xFF\"", "[\"\\ud800\"]", "nul", "[1],", "{\"a\":99999999999999999999}"};

	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		assert_int_equal(parse(bad[i]), ERR_SYNTAX);
	assert_int_equal(parse("{\"a\":[1,2.5,\"\\u00e9\",null,true]}"), 0);
}

static void nesting_is_bounded(void **state)
{
	struct buf b = {0};

	for (int i = 0; i < JSON_MAX_DEPTH; i++)
		buf_addc(&b, '[');
	for (int i = 0; i < JSON_MAX_DEPTH; i++)
		buf_addc(&b, ']');
	assert_int_equal(parse(buf_cstr(&b)), 0);
	buf_clear(&b);
	for (int i = 0; i < 200000; i++)
		buf_addc(&b, '[');
	assert_int_equal(parse(buf_cstr(&b)), ERR_SYNTAX);
	buf_finish(&b);
	/* Brackets in strings do not nest. */
	assert_int_equal(parse("[\"[[[[\\\"[[[[\"]"), 0);
}

static void strings_come_out_as_json_whatever_their_bytes(void **state)
{
	char raw[256];
	struct buf b = {0};
	json_t *value = NULL;

	for (int i = 0; i < 256; i++)
		raw[i] = (char)i;
	json_put_str(&b, raw + 1, 255);
	assert_int_equal(json_parse(b.p, b.len, &value, NULL), 0);
	assert_memory_equal(json_string_value(value), raw + 1, 127);
	assert_string_equal(
	    json_string_value(value) + json_string_length(value) - 3, "\xEF\xBF\xBD");
	json_decref(value);
	buf_clear(&b);
	json_put_str(&b, "\xC3\xA9\"\xE2\x82\xAC\\\xF0\x9F\x98\x80x\xC3", 13);
	assert_string_equal(
	    buf_cstr(&b), "\"\xC3\xA9\\\"\xE2\x82\xAC\\\\\xF0\x9F\x98\x80x\xEF\xBF\xBD\"");
	buf_finish(&b);
}

static void whole_numbers_may_be_written_as_reals(void **state)
{
	static const char text[] = "{\"a\":3.0,\"b\":3.5,\"c\":\"3\",\"d\":-7}";
	json_t *o = NULL;

	assert_int_equal(json_parse(text, sizeof text - 1, &o, NULL), 0);
	assert_int_equal(json_int(o, "a", -1), 3);
	assert_int_equal(json_int(o, "b", -1), -1);
	assert_int_equal(json_int(o, "c", -1), -1);
	assert_int_equal(json_int(o, "d", -1), -7);
	assert_null(json_str(o, "a").p);
	json_decref(o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(what_is_no_json_is_refused),
	    cmocka_unit_test(nesting_is_bounded),
	    cmocka_unit_test(strings_come_out_as_json_whatever_their_bytes),
	    cmocka_unit_test(whole_numbers_may_be_written_as_reals),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
