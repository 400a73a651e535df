/* base/config: the table, the file, the command line's spelling. */
#include "base/buf.h"
#include "base/config.h"
#include "base/err.h"
#include "tests/lib/unit.h"

static struct config *parse(const char *text)
{
	struct config *c = NULL;

	assert_int_equal(config_parse(text, strlen(text), "config.json", &c, NULL), 0);
	return c;
}

static void every_default_is_allowed_by_its_own_row(void **state)
{
	struct config *c = config_new();
	struct buf value = {0};

	for (const struct config_key *k = config_keys; k->name; k++) {
		if (k->name[strlen(k->name) - 1] == '*')
			continue;
		buf_clear(&value);
		config_show(c, k->name, &value);
		assert_int_equal(config_set(c, k->name, buf_cstr(&value), NULL), 0);
	}
	buf_finish(&value);
	config_free(c);
}

static void nested_and_dotted_files_mean_the_same(void **state)
{
	struct config *a = parse("{\"daemon\":{\"port\":4711}}"),
		      *b = parse("{\"daemon.port\":4711}");

	assert_int_equal(config_int(a, "daemon.port"), 4711);
	assert_int_equal(config_int(b, "daemon.port"), 4711);
	assert_true(config_is_set(a, "daemon.port"));
	assert_false(config_is_set(a, "daemon.host"));
	config_free(a);
	config_free(b);
}

static void an_empty_file_is_no_configuration(void **state)
{
	struct config *c = parse(" \n");

	assert_int_equal(config_int(c, "daemon.port"), 9999);
	config_free(c);
}

static void bad_values_name_file_key_and_what_was_expected(void **state)
{
	static const char *const bad[] = {"{\"daemon\":{\"port\":\"x\"}}",
	    "{\"daemon\":{\"port\":70000}}", "{\"daemon\":{\"port\":1.5}}",
	    "{\"daemon\":{\"maxSessions\":0}}", "{\"daemon\":{\"portRange\":\"9-5\"}}",
	    "{\"daemon\":{\"portRange\":\"5\"}}", "{\"daemon\":{\"logLevel\":\"loud\"}}",
	    "{\"tools\":{\"network\":1}}", "{\"daemon\":{\"allowedOrigins\":\"x\"}}",
	    "{\"daemon\":{\"allowedOrigins\":[1]}}", "{\"connection\":{\"host\":\"\"}}",
	    "{\"permissions\":{\"read_file\":\"maybe\"}}"};
	struct config *c = NULL;
	struct err err;

	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		assert_int_equal(
		    config_parse(bad[i], strlen(bad[i]), "my.json", &c, &err), ERR_RANGE);
		assert_non_null(strstr(err.text, "my.json"));
		assert_non_null(strstr(err.text, "expected"));
	}
	assert_int_equal(config_parse("[]", 2, "my.json", &c, &err), ERR_SYNTAX);
	assert_int_equal(config_parse("{", 1, "my.json", &c, &err), ERR_SYNTAX);
	assert_null(c);
}

static void an_unknown_key_names_the_nearest(void **state)
{
	struct config *c = config_new();
	struct err err;

	assert_int_equal(config_set(c, "daemon.prot", "1", &err), ERR_UNKNOWN);
	assert_non_null(strstr(err.text, "daemon.port"));
	assert_int_equal(config_set(c, "nothing.like.it.at.all", "1", &err), ERR_UNKNOWN);
	assert_non_null(strstr(err.text, "config list"));
	assert_int_equal(config_unset(c, "daemon.prot", &err), ERR_UNKNOWN);
	config_free(c);
}

static void any_tool_has_a_permission_but_not_any_name(void **state)
{
	struct config *c = config_new();

	assert_int_equal(config_set(c, "permissions.run_command", "deny", NULL), 0);
	assert_string_equal(config_text(c, "permissions.run_command"), "deny");
	assert_string_equal(config_text(c, "permissions.read_file"), "ask");
	assert_int_equal(config_set(c, "permissions.", "deny", NULL), ERR_UNKNOWN);
	assert_int_equal(config_set(c, "permissions.A b", "deny", NULL), ERR_UNKNOWN);
	config_free(c);
}

static void what_is_written_reads_back_and_unknown_keys_stay(void **state)
{
	struct config *c = parse("{\"future\":{\"thing\":[1,2]},\"daemon\":{\"port\":1}}"), *again;
	const char *unknown;
	struct buf text = {0};

	assert_int_equal(config_set(c, "daemon.allowedOrigins", "https://a, https://b", NULL), 0);
	assert_int_equal(config_unset(c, "daemon.port", NULL), 0);
	config_write(c, &text);
	again = parse(buf_cstr(&text));
	assert_string_equal(config_list(again, "daemon.allowedOrigins", 1), "https://b");
	assert_null(config_list(again, "daemon.allowedOrigins", 2));
	assert_false(config_is_set(again, "daemon.port"));
	assert_int_equal(config_unknown(again, &unknown), 1);
	assert_string_equal(unknown, "future.thing");
	buf_finish(&text);
	config_free(c);
	config_free(again);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_default_is_allowed_by_its_own_row),
	    cmocka_unit_test(nested_and_dotted_files_mean_the_same),
	    cmocka_unit_test(an_empty_file_is_no_configuration),
	    cmocka_unit_test(bad_values_name_file_key_and_what_was_expected),
	    cmocka_unit_test(an_unknown_key_names_the_nearest),
	    cmocka_unit_test(any_tool_has_a_permission_but_not_any_name),
	    cmocka_unit_test(what_is_written_reads_back_and_unknown_keys_stay),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
