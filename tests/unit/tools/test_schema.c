/* tools/schema: arguments against schemas; tools/tool: the table. */
#include "tools/schema.h"

#include "base/config.h"
#include "base/err.h"
#include "base/json.h"
#include "tools/tool.h"
#include "unit.h"

static const char schema[] =
    "{\"type\":\"object\",\"properties\":{\"n\":{\"type\":\"integer\",\"minimum\":1,\"maximum\":9},"
    "\"s\":{\"type\":\"string\",\"minLength\":1,\"maxLength\":3},\"e\":{\"type\":\"string\","
    "\"enum\":"
    "[\"a\",\"b\"]},\"l\":{\"type\":\"array\",\"minItems\":1,\"maxItems\":2,\"items\":{\"type\":"
    "\"object\","
    "\"properties\":{\"x\":{\"type\":\"boolean\"}},\"required\":[\"x\"]}}},\"required\":[\"s\"]}";

static void check_is(const char *args, const char *says)
{
	struct err err = {0};
	json_t *json = NULL;
	int rc;

	assert_int_equal(json_parse(args, strlen(args), &json, NULL), 0);
	rc = schema_check(schema, json, &err);
	json_decref(json);
	if (!says) {
		if (rc != 0)
			fail_msg("%s: %s", args, err.text);
		return;
	}
	assert_int_equal(rc, ERR_RANGE);
	assert_holds(err.text, says);
}

static void each_problem_is_a_sentence_that_says_what_is_expected(void **state)
{
	check_is("{\"s\":\"x\"}", NULL);
	check_is("{\"s\":\"x\",\"n\":9,\"e\":\"b\",\"l\":[{\"x\":true}]}", NULL);
	check_is("[]", "must be an object, not an array");
	check_is("{}", "\"s\" is missing");
	check_is("{\"s\":5}", "\"s\" must be a string, not a whole number");
	check_is("{\"s\":\"\"}", "at least 1 bytes");
	check_is("{\"s\":\"long\"}", "at most 3 bytes, it has 4");
	check_is("{\"s\":\"x\",\"n\":0}", "\"n\" must be from 1 to 9, not 0");
	check_is("{\"s\":\"x\",\"n\":1.5}", "must be an integer, not a number");
	check_is("{\"s\":\"x\",\"e\":\"c\"}", "must be one of a, b");
	check_is("{\"s\":\"x\",\"l\":[]}", "at least 1 items");
	check_is("{\"s\":\"x\",\"l\":[{}]}", "\"l[0].x\" is missing");
	check_is("{\"s\":\"x\",\"l\":[{\"x\":1}]}", "\"l[0].x\" must be a boolean");
	check_is("{\"s\":\"x\",\"m\":1}", "there is no argument \"m\"; there are n, s, e, l");
	check_is("{\"s\":null}", "not null");
}

static void every_tool_has_a_schema_of_json_a_setting_and_a_way_to_run(void **state)
{
	for (size_t i = 0; tools[i]; i++) {
		const struct tool *t = tools[i];
		struct config *c = config_new();
		char key[100];
		json_t *json = NULL;

		assert_ptr_equal(tool_find(t->name), t);
		assert_int_equal(json_parse(t->schema, strlen(t->schema), &json, NULL), 0);
		assert_string_equal(json_cstr(json, "type", ""), "object");
		if (t->path_arg)
			assert_non_null(
			    json_object_get(json_object_get(json, "properties"), t->path_arg));
		snprintf(key, sizeof key, "permissions.%s", t->name);
		assert_non_null(config_find(key, NULL));
		/* Reads are allowed, all else is asked. */
		assert_string_equal(config_text(c, key), t->kind == TOOL_READ ? "allow" : "ask");
		assert_true(strlen(t->description) > 20);
		json_decref(json);
		config_free(c);
	}
	assert_null(tool_find("rm"));
}

static bool want_reads(void *data, const struct tool *tool)
{
	return tool->kind == TOOL_READ;
}

static void the_model_gets_the_wanted_tools_as_json(void **state)
{
	struct buf out = {0};
	json_t *json = NULL;

	tool_put_all(&out, want_reads, NULL);
	assert_int_equal(json_parse(out.p, out.len, &json, NULL), 0);
	assert_int_equal(json_array_size(json), 6);
	assert_string_equal(
	    json_cstr(json_object_get(json_array_get(json, 0), "function"), "name", ""),
	    "read_file");
	json_decref(json);
	buf_finish(&out);
}

static void text_is_bounded_and_made_utf8(void **state)
{
	struct tool_call call = {0};
	char *big = malloc(TOOL_MAX_TEXT + 10);

	assert_true(tool_put_text(&call,
	    "a\xff"
	    "b\xc3",
	    4));
	assert_string_equal(buf_cstr(&call.text), "a\xEF\xBF\xBD"
						  "b\xEF\xBF\xBD");
	buf_clear(&call.text);
	memset(big, 'x', TOOL_MAX_TEXT + 10);
	assert_false(tool_put_text(&call, big, TOOL_MAX_TEXT + 10));
	assert_int_equal(call.text.len, TOOL_MAX_TEXT);
	assert_true(call.truncated);
	buf_finish(&call.text);
	free(big);
}

int main(void)
{
	const struct CMUnitTest tests_[] = {
	    cmocka_unit_test(each_problem_is_a_sentence_that_says_what_is_expected),
	    cmocka_unit_test(every_tool_has_a_schema_of_json_a_setting_and_a_way_to_run),
	    cmocka_unit_test(the_model_gets_the_wanted_tools_as_json),
	    cmocka_unit_test(text_is_bounded_and_made_utf8),
	};

	return cmocka_run_group_tests(tests_, NULL, NULL);
}
