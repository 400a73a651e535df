/* JSON in and out. */
#include "unit.h"

#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"

static void put_is(const char *p, size_t n, const char *want)
{
	struct buf b = {0};

	json_put_str(&b, p, n);
	assert_string_equal(buf_cstr(&b), want);
	buf_finish(&b);
}

static void quotes_backslashes_and_control_characters_are_escaped(void **state)
{
	put_is("", 0, "\"\"");
	put_is("a\"b\\c", 5, "\"a\\\"b\\\\c\"");
	put_is("\n\r\t\b\f\x01\x1F\x7F", 8, "\"\\n\\r\\t\\u0008\\u000c\\u0001\\u001f\\u007f\"");
	put_is("a\0b", 3, "\"a\\u0000b\"");
}

static void what_needs_no_escape_gets_none(void **state)
{
	put_is("</script>&'", 11, "\"</script>&'\"");
	put_is("\xE2\x82\xAC\xF0\x9F\x98\x80", 7, "\"\xE2\x82\xAC\xF0\x9F\x98\x80\"");
}

static void bad_utf8_becomes_the_replacement_character(void **state)
{
	put_is("a\xFFz", 3, "\"a\xEF\xBF\xBDz\"");
	put_is("\xC0\x80", 2, "\"\xEF\xBF\xBD\xEF\xBF\xBD\"");
	put_is("\xE2\x82", 2, "\"\xEF\xBF\xBD\xEF\xBF\xBD\"");
	put_is("\xED\xA0\x80", 3, "\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\"");
}

static void a_quote_right_after_a_character_is_escaped(void **state)
{
	put_is("\xC3\xA9\"\xC3\xA9", 5, "\"\xC3\xA9\\\"\xC3\xA9\"");
	put_is("\xC3\xA9\"\\", 4, "\"\xC3\xA9\\\"\\\\\"");
	put_is("\xE2\x82\xAC\"", 4, "\"\xE2\x82\xAC\\\"\"");
	put_is("\xC3\xA9\n", 3, "\"\xC3\xA9\\n\"");
}

/* Whatever three bytes: what we write, jansson reads; good text comes back the same. */
static void any_bytes_make_a_readable_string(void **state)
{
	static const unsigned char some[] = {
	    0, 9, '"', '\\', 'a', 0x7F, 0x80, 0xBF, 0xC3, 0xE2, 0xED, 0xF0, 0x9F, 0x98, 0xFF};
	enum { SOME = sizeof some };

	for (unsigned i = 0; i < SOME * SOME * SOME * SOME; i++) {
		char text[4] = {(char)some[i % SOME], (char)some[i / SOME % SOME],
		    (char)some[i / SOME / SOME % SOME], (char)some[i / SOME / SOME / SOME]};
		struct buf b = {0};
		json_t *v;

		json_put_str(&b, text, 4);
		v = json_loadb(b.p, b.len, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
		assert_non_null(v);
		if (str_utf8_valid(text, 4) == 4) {
			assert_int_equal(json_string_length(v), 4);
			assert_memory_equal(json_string_value(v), text, 4);
		}
		json_decref(v);
		buf_finish(&b);
	}
}

static void a_null_string_is_null(void **state)
{
	struct buf b = {0};

	json_put_cstr(&b, NULL);
	json_put_cstr(&b, "x");
	assert_string_equal(buf_cstr(&b), "null\"x\"");
	buf_finish(&b);
}

static void good(const char *text)
{
	struct err err = {0};
	json_t *v = NULL;

	if (json_parse(text, strlen(text), &v, &err) != 0)
		fail_msg("%s: %s", text, err.text);
	json_decref(v);
}

static void refused(const char *p, size_t n)
{
	json_t *untouched = (json_t *)&p, *v = untouched;
	struct err err = {0};

	if (json_parse(p, n, &v, &err) != ERR_SYNTAX)
		fail_msg("%.*s was taken", (int)n, p);
	assert_ptr_equal(v, untouched);
	assert_int_equal(err.code, ERR_SYNTAX);
	assert_true(err.text[0]);
}

static void any_json_value_is_a_text(void **state)
{
	good("{}");
	good(" [1,2.5,\"x\",null,true] ");
	good("\"x\"");
	good("-0");
	good("null");
}

static void what_is_not_json_is_refused(void **state)
{
	static const char *const bad[] = {"", " ", "{", "{\"a\":1,}", "[1,]", "{'a':1}", "NaN",
	    "Infinity", "-Infinity", "[nan]", "01", "+1", ".5", "1.", "tru", "\"\\x\"", "\"\n\"",
	    "{} {}", "// c\n1", "1e999", "99999999999999999999", "\"\\ud800\"", "{\"a\"}", "]"};

	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		refused(bad[i], strlen(bad[i]));
	refused(NULL, 0);
	refused("{}\0", 3);
}

static void a_key_may_not_stand_twice(void **state)
{
	refused("{\"a\":1,\"a\":1}", 13);
	good("{\"a\":{\"a\":1},\"b\":{\"a\":1}}");
}

static void bad_utf8_and_zeros_are_refused(void **state)
{
	refused("\"\xFF\"", 3);
	refused("\"\xC0\x80\"", 4);
	refused("\"\xED\xA0\x80\"", 5);
	refused("\"\\u0000\"", 8);
	refused("{\"a\\u0000\":1}", 13);
}

static void nest(struct buf *b, char open, char close, int depth)
{
	buf_clear(b);
	for (int i = 0; i < depth; i++)
		buf_adds(b, open == '{' ? "{\"a\":" : "[");
	buf_addc(b, '1');
	for (int i = 0; i < depth; i++)
		buf_addc(b, close);
	buf_cstr(b);
}

static void nesting_has_a_limit(void **state)
{
	struct buf b = {0};

	nest(&b, '[', ']', JSON_MAX_DEPTH);
	good(b.p);
	nest(&b, '[', ']', JSON_MAX_DEPTH + 1);
	refused(b.p, b.len);
	nest(&b, '{', '}', JSON_MAX_DEPTH);
	good(b.p);
	nest(&b, '{', '}', JSON_MAX_DEPTH + 1);
	refused(b.p, b.len);
	nest(&b, '[', ']', 1000000);
	refused(b.p, b.len);
	buf_finish(&b);
}

static void brackets_in_strings_are_no_nesting(void **state)
{
	struct buf b = {0};

	buf_adds(&b, "[\"\\\"");
	for (int i = 0; i < 1000; i++)
		buf_adds(&b, "[{");
	buf_adds(&b, "\\\\\",[]]");
	good(buf_cstr(&b));
	buf_finish(&b);
}

static void fields_are_read_with_their_type_or_not_at_all(void **state)
{
	static const char text[] = "{\"s\":\"x\",\"e\":\"\",\"i\":7,\"r\":8.0,\"h\":8.5,\"b\":true,"
				   "\"n\":null,\"big\":1e18,\"max\":9223372036854775807}";
	json_t *v = NULL;

	assert_int_equal(json_parse(text, sizeof text - 1, &v, NULL), 0);
	assert_true(str_eq(json_str(v, "s"), "x"));
	assert_non_null(json_str(v, "e").p);
	assert_null(json_str(v, "i").p);
	assert_null(json_str(v, "missing").p);
	assert_null(json_str(NULL, "s").p);
	assert_string_equal(json_cstr(v, "s", "f"), "x");
	assert_string_equal(json_cstr(v, "n", "f"), "f");
	assert_null(json_cstr(v, "i", NULL));
	assert_int_equal(json_int(v, "i", -1), 7);
	assert_int_equal(json_int(v, "r", -1), 8);
	assert_int_equal(json_int(v, "h", -1), -1);
	assert_int_equal(json_int(v, "b", -1), -1);
	assert_int_equal(json_int(v, "s", -1), -1);
	assert_int_equal(json_int(v, "big", -1), -1);
	assert_true(json_int(v, "max", -1) == INT64_MAX);
	assert_int_equal(json_int(NULL, "i", -1), -1);
	json_decref(v);
}

static void values_are_written_compactly(void **state)
{
	static const char text[] = "{\"b\":[1,2.5,\"\xE2\x82\xAC\"],\"a\":null}";
	struct buf b = {0};
	json_t *v = NULL;

	assert_int_equal(json_parse(text, sizeof text - 1, &v, NULL), 0);
	json_put(&b, v);
	assert_string_equal(buf_cstr(&b), text);
	json_decref(v);
	buf_finish(&b);
}

static size_t flat(const char *text, struct json_member *m)
{
	return json_flat(text, strlen(text), m, 4);
}

static void flat_objects_are_read_in_place(void **state)
{
	static const char text[] = " { \"a\":\"1\" ,\n\"b\" : \"\", \"c\":\"\xC3\xA9}\" }\r\n";
	struct json_member m[4];

	assert_int_equal(flat(text, m), 3);
	assert_true(str_eq(m[0].key, "a") && str_eq(m[0].value, "1"));
	assert_true(str_eq(m[1].key, "b") && str_eq(m[1].value, ""));
	assert_true(str_eq(m[2].key, "c") && str_eq(m[2].value, "\xC3\xA9}"));
	assert_true(m[0].key.p > text && m[0].key.p < text + sizeof text);
}

static void what_is_not_flat_is_left_to_the_parser(void **state)
{
	static const char *const texts[] = {
	    "",
	    "{",
	    "{}",
	    "[\"a\"]",
	    "\"a\"",
	    "{\"a\"}",
	    "{\"a\":",
	    "{\"a\":\"1",
	    "{\"a\":\"1\"",
	    "{\"a\":\"1\",}",
	    "{\"a\":\"1\"}x",
	    "{\"a\":\"1\" \"b\":\"2\"}",
	    "{\"a\":1}",
	    "{\"a\":null}",
	    "{\"a\":{\"b\":\"c\"}}",
	    "{\"a\":\"1\\n\"}",
	    "{\"a\\n\":\"1\"}",
	    "{\"a\":\"1\n\"}",
	    "{\"a\":\"\xFF\"}",
	    "{\"\xC3\":\"1\"}",
	    "{\"a\":\"1\",\"a\":\"2\"}",
	    "{\"a\":\"\",\"b\":\"\",\"c\":\"\",\"d\":\"\",\"e\":\"\"}",
	};
	struct json_member m[4];

	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
		if (flat(texts[i], m) != 0)
			fail_msg("was read: %s", texts[i]);
	assert_int_equal(json_flat(NULL, 0, m, 4), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(flat_objects_are_read_in_place),
	    cmocka_unit_test(what_is_not_flat_is_left_to_the_parser),
	    cmocka_unit_test(quotes_backslashes_and_control_characters_are_escaped),
	    cmocka_unit_test(what_needs_no_escape_gets_none),
	    cmocka_unit_test(bad_utf8_becomes_the_replacement_character),
	    cmocka_unit_test(a_quote_right_after_a_character_is_escaped),
	    cmocka_unit_test(any_bytes_make_a_readable_string),
	    cmocka_unit_test(a_null_string_is_null),
	    cmocka_unit_test(any_json_value_is_a_text),
	    cmocka_unit_test(what_is_not_json_is_refused),
	    cmocka_unit_test(a_key_may_not_stand_twice),
	    cmocka_unit_test(bad_utf8_and_zeros_are_refused),
	    cmocka_unit_test(nesting_has_a_limit),
	    cmocka_unit_test(brackets_in_strings_are_no_nesting),
	    cmocka_unit_test(fields_are_read_with_their_type_or_not_at_all),
	    cmocka_unit_test(values_are_written_compactly),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
