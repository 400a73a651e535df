/* The settings. */
#include "unit.h"

#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/config.h"
#include "base/err.h"

static struct config *good(const char *text)
{
	struct config *c = NULL;
	struct err err = {0};

	if (config_parse(text, strlen(text), "config.json", &c, &err) != 0)
		fail_msg("%s: %s", text, err.text);
	return c;
}

/* A file that must fail; the sentence names the file and says `says`. */
static void refused(const char *text, int code, const char *says)
{
	struct config *untouched = (struct config *)&code, *c = untouched;
	struct err err = {0};

	if (config_parse(text, strlen(text), "the-file", &c, &err) != code)
		fail_msg("%s: not refused as it should be (%s)", text, err.text);
	assert_ptr_equal(c, untouched);
	assert_holds(err.text, "the-file");
	assert_holds(err.text, says);
}

static void show_is(const struct config *c, const char *name, const char *want)
{
	struct buf b = {0};

	config_show(c, name, &b);
	assert_string_equal(buf_cstr(&b), want);
	buf_finish(&b);
}

static void set_is_refused(const char *name, const char *value, int code, const char *says)
{
	struct config *c = config_new();
	struct err err = {0};

	if (config_set(c, name, value, &err) != code)
		fail_msg("%s = %s: %s", name, value, err.text);
	assert_holds(err.text, says);
	assert_null(config_nth_set(c, 0));
	config_free(c);
}

static void every_default_is_a_value_its_own_row_allows(void **state)
{
	for (const struct config_key *k = config_keys; k->name; k++) {
		struct config *c = config_new();
		const char *name = k->name;
		struct err err = {0};
		char key[64];

		/* A row for each of many stands for one of them here. */
		if (strncmp(name, "servers.NAME.", 13) == 0) {
			config_server_key("box", name + 13, key, sizeof key);
			name = key;
		}
		assert_false(config_is_set(c, name));
		show_is(c, name, k->fallback);
		if (config_set(c, name, k->fallback, &err) != 0)
			fail_msg("%s", err.text);
		assert_true(config_is_set(c, name));
		show_is(c, name, k->fallback);
		assert_non_null(k->help);
		config_free(c);
	}
}

static void what_is_typed_is_one_line_and_sockets_are_absolute(void **state)
{
	struct config *c = config_new();

	set_is_refused("connection.host", "h\033[2J", ERR_RANGE, "control characters");
	set_is_refused("model.default", "a\nb", ERR_RANGE, "control characters");
	set_is_refused("connection.fallbackHosts", "a,b\x7F", ERR_RANGE, "control characters");
	set_is_refused("tools.sockets", "relative", ERR_RANGE, "expected absolute paths");
	set_is_refused("tools.sockets", "/a,b/c", ERR_RANGE, "expected absolute paths");
	assert_int_equal(config_set(c, "tools.sockets", "/a,/b c", NULL), 0);
	assert_int_equal(config_set(c, "agent.systemPrompt", "a\nb", NULL), 0);
	config_free(c);
}

static void a_number_must_be_whole_and_in_range(void **state)
{
	struct config *c = good("{\"daemon\":{\"port\":0}}");

	assert_int_equal(config_int(c, "daemon.port"), 0);
	config_free(c);
	refused("{\"daemon\":{\"port\":65536}}", ERR_RANGE, "daemon.port");
	refused("{\"daemon\":{\"port\":-1}}", ERR_RANGE, "from 0 to 65535");
	refused("{\"daemon\":{\"port\":\"80\"}}", ERR_RANGE, "whole number");
	refused("{\"daemon\":{\"port\":80.5}}", ERR_RANGE, "whole number");
	refused("{\"daemon\":{\"port\":true}}", ERR_RANGE, "whole number");
	refused("{\"daemon\":{\"port\":null}}", ERR_RANGE, "whole number");
	refused("{\"daemon\":{\"port\":[1]}}", ERR_RANGE, "whole number");
	refused("{\"daemon\":{\"port\":{\"a\":1}}}", ERR_RANGE, "whole number");
	set_is_refused("daemon.port", "65536", ERR_RANGE, "from 0 to 65535");
	set_is_refused("daemon.port", "-1", ERR_RANGE, "from 0 to 65535");
	set_is_refused("daemon.port", "", ERR_RANGE, "daemon.port");
	set_is_refused("daemon.port", "-", ERR_RANGE, "daemon.port");
	set_is_refused("daemon.port", " 80", ERR_RANGE, "daemon.port");
	set_is_refused("daemon.port", "8o", ERR_RANGE, "daemon.port");
	set_is_refused("daemon.port", "99999999999999999999", ERR_RANGE, "daemon.port");
}

static void a_text_has_a_shortest_and_a_longest_length(void **state)
{
	struct config *c = config_new();
	char longer[300];

	memset(longer, 'h', sizeof longer - 1);
	longer[sizeof longer - 1] = '\0';
	set_is_refused("daemon.host", longer, ERR_RANGE, "1 to 255");
	set_is_refused("daemon.host", "", ERR_RANGE, "1 to 255");
	set_is_refused("daemon.host", "\xFF", ERR_RANGE, "daemon.host");
	refused("{\"daemon.host\":5}", ERR_RANGE, "text of");
	longer[255] = '\0';
	assert_int_equal(config_set(c, "daemon.host", longer, NULL), 0);
	assert_string_equal(config_text(c, "daemon.host"), longer);
	assert_int_equal(config_set(c, "model.default", "", NULL), 0);
	assert_true(config_is_set(c, "model.default"));
	config_free(c);
}

static void a_switch_is_true_or_false(void **state)
{
	struct config *c = good("{\"tools\":{\"network\":false}}");

	assert_false(config_bool(c, "tools.network"));
	assert_int_equal(config_set(c, "tools.network", "true", NULL), 0);
	assert_true(config_bool(c, "tools.network"));
	config_free(c);
	refused("{\"tools\":{\"network\":\"false\"}}", ERR_RANGE, "true or false");
	refused("{\"tools\":{\"network\":0}}", ERR_RANGE, "true or false");
	set_is_refused("tools.network", "yes", ERR_RANGE, "true or false");
	set_is_refused("tools.network", "True", ERR_RANGE, "true or false");
	set_is_refused("tools.network", "", ERR_RANGE, "true or false");
}

static void a_list_holds_texts_up_to_its_limit(void **state)
{
	struct config *c = good("{\"connection\":{\"fallbackHosts\":[\"a\",\"b\"]}}");

	assert_string_equal(config_list(c, "connection.fallbackHosts", 1), "b");
	assert_null(config_list(c, "connection.fallbackHosts", 2));
	show_is(c, "connection.fallbackHosts", "a,b");
	config_free(c);
	c = good("{}");
	assert_null(config_list(c, "connection.fallbackHosts", 0));
	config_free(c);
	refused("{\"connection\":{\"fallbackHosts\":\"a\"}}", ERR_RANGE, "at most 16 texts");
	refused("{\"connection\":{\"fallbackHosts\":[1]}}", ERR_RANGE, "at most 16 texts");
	set_is_refused("connection.fallbackHosts", "1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17",
	    ERR_RANGE, "at most 16");
}

static void a_list_is_typed_with_commas_and_blanks_around_them(void **state)
{
	struct config *c = config_new();

	assert_int_equal(config_set(c, "connection.fallbackHosts", " a , b,,c,", NULL), 0);
	show_is(c, "connection.fallbackHosts", "a,b,c");
	assert_int_equal(config_set(c, "connection.fallbackHosts", "", NULL), 0);
	assert_null(config_list(c, "connection.fallbackHosts", 0));
	config_free(c);
}

static void a_list_with_a_text_that_is_no_utf8_is_refused(void **state)
{
	set_is_refused("connection.fallbackHosts", "a,\xFF", ERR_RANGE, "fallbackHosts");
}

static void a_range_must_be_low_to_high(void **state)
{
	static const char *const bad[] = {
	    "2-1", "0-5", "1-65536", "5", "-5", "5-", "", "1-2-3", "a-b", "1 - 2", "--", "-1-5"};
	struct config *c = config_new();
	int64_t low, high;

	config_range(c, "daemon.portRange", &low, &high);
	assert_int_equal(low, 10000);
	assert_int_equal(high, 10020);
	assert_int_equal(config_set(c, "daemon.portRange", "7-7", NULL), 0);
	config_range(c, "daemon.portRange", &low, &high);
	assert_int_equal(low, 7);
	assert_int_equal(high, 7);
	assert_int_equal(config_set(c, "daemon.portRange", "1-65535", NULL), 0);
	config_free(c);
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		set_is_refused("daemon.portRange", bad[i], ERR_RANGE, "low-high");
	refused("{\"daemon\":{\"portRange\":10}}", ERR_RANGE, "low-high");
	refused("{\"daemon\":{\"portRange\":[1,2]}}", ERR_RANGE, "low-high");
}

static void a_choice_is_one_of_its_words(void **state)
{
	struct config *c = good("{\"daemon\":{\"logLevel\":\"debug\"}}");

	assert_string_equal(config_text(c, "daemon.logLevel"), "debug");
	config_free(c);
	refused("{\"daemon\":{\"logLevel\":\"deb\"}}", ERR_RANGE, "debug|info|warn|error");
	refused("{\"daemon\":{\"logLevel\":1}}", ERR_RANGE, "one of");
	set_is_refused("daemon.logLevel", "debug|info", ERR_RANGE, "one of");
	set_is_refused("daemon.logLevel", "", ERR_RANGE, "one of");
	set_is_refused("daemon.logLevel", "INFO", ERR_RANGE, "one of");
}

static void each_tool_has_a_permission_of_its_own(void **state)
{
	struct config *c = good("{\"permissions\":{\"run_command\":\"deny\"}}");

	assert_string_equal(config_text(c, "permissions.run_command"), "deny");
	assert_string_equal(config_text(c, "permissions.edit_file"), "ask");
	assert_string_equal(config_text(c, "permissions.read_file"), "allow");
	assert_false(config_is_set(c, "permissions.edit_file"));
	config_free(c);
	refused("{\"permissions\":{\"read_file\":\"maybe\"}}", ERR_RANGE, "permissions.read_file");
	assert_null(config_find("permissions.", NULL));
	assert_null(config_find("permissions", NULL));
	assert_null(config_find("permissions.bash", NULL));
	set_is_refused("permissions.readfile", "ask", ERR_UNKNOWN, "permissions.read_file");
}

static void an_unknown_key_is_told_with_the_nearest_name(void **state)
{
	const char *nearest = "x";

	assert_null(config_find("daemon.prot", &nearest));
	assert_string_equal(nearest, "daemon.port");
	assert_null(config_find("nothing.like.any.of.them", &nearest));
	assert_null(nearest);
	set_is_refused("daemon.prot", "80", ERR_UNKNOWN, "did you mean daemon.port");
	set_is_refused("nothing.like.any.of.them", "80", ERR_UNKNOWN, "config list");
	set_is_refused("", "80", ERR_UNKNOWN, "no setting");
}

static void unknown_keys_in_the_file_are_counted_and_kept(void **state)
{
	struct config *c =
	    good("{\"daemon\":{\"prot\":1,\"port\":2},\"mine\":{\"deep\":{\"x\":[1]}}}");
	const char *first = NULL;
	struct buf b = {0};

	assert_int_equal(config_unknown(c, &first), 2);
	assert_string_equal(first, "daemon.prot");
	config_write(c, &b);
	assert_holds(buf_cstr(&b), "\"prot\": 1");
	assert_holds(buf_cstr(&b), "\"deep\": {");
	assert_int_equal(config_unset(c, "daemon.prot", NULL), 0);
	assert_int_equal(config_unknown(c, &first), 1);
	config_free(c);
	c = good("{}");
	assert_int_equal(config_unknown(c, &first), 0);
	assert_null(first);
	config_free(c);
	buf_finish(&b);
}

static void flat_and_nested_files_say_the_same(void **state)
{
	static const char *const same[] = {
	    "{\"daemon\":{\"port\":77}}", "{\"daemon.port\":77}", " \n{\"daemon.port\" : 77}\n"};

	for (size_t i = 0; i < 3; i++) {
		struct config *c = good(same[i]);

		assert_int_equal(config_int(c, "daemon.port"), 77);
		assert_string_equal(config_nth_set(c, 0), "daemon.port");
		assert_null(config_nth_set(c, 1));
		config_free(c);
	}
}

static void nothing_is_no_configuration(void **state)
{
	config_free(good(""));
	config_free(good(" \n\t"));
	config_free(good("{}"));
	config_free(NULL);
}

static void what_is_no_json_object_is_refused_with_the_file(void **state)
{
	refused("[]", ERR_SYNTAX, "one JSON object");
	refused("5", ERR_SYNTAX, "one JSON object");
	refused("{\"daemon.port\":1,}", ERR_SYNTAX, "not valid JSON");
	refused("{\"a\":1,\"a\":2}", ERR_SYNTAX, "duplicate");
	refused("\xEF\xBB\xBF{}", ERR_SYNTAX, "not valid JSON");
}

static void what_was_written_reads_back_the_same(void **state)
{
	static const char *const set[][2] = {{"daemon.port", "1234"}, {"tools.network", "false"},
	    {"permissions.run_command", "allow"}, {"connection.fallbackHosts", "a,b"},
	    {"daemon.portRange", "1-2"}, {"agent.systemPrompt", "say \"\xE2\x82\xAC\"\n"},
	    {"connection.host", "https://x/y"}, {"daemon.logLevel", "warn"}};
	struct config *c = config_new(), *again;
	struct buf b = {0};

	for (size_t i = 0; i < sizeof set / sizeof set[0]; i++)
		assert_int_equal(config_set(c, set[i][0], set[i][1], NULL), 0);
	config_write(c, &b);
	again = good(buf_cstr(&b));
	for (size_t i = 0; i < sizeof set / sizeof set[0]; i++)
		show_is(again, set[i][0], set[i][1]);
	config_free(again);
	config_free(c);
	buf_finish(&b);
}

static void unsetting_goes_back_to_the_default(void **state)
{
	struct config *c = good("{\"daemon.port\":77}");
	struct err err = {0};

	assert_int_equal(config_unset(c, "daemon.port", NULL), 0);
	assert_false(config_is_set(c, "daemon.port"));
	assert_int_equal(config_int(c, "daemon.port"), 9999);
	assert_int_equal(config_unset(c, "daemon.port", NULL), 0);
	assert_int_equal(config_unset(c, "daemon.prot", &err), ERR_UNKNOWN);
	assert_holds(err.text, "daemon.port");
	config_free(c);
}

static void secrets_are_marked(void **state)
{
	assert_true(config_find("connection.apiKey", NULL)->secret);
	assert_false(config_find("connection.host", NULL)->secret);
}

static void a_missing_file_is_no_configuration(void **state)
{
	struct config *c = NULL;

	assert_int_equal(config_load(unit_path("none.json"), &c, NULL), 0);
	assert_null(config_nth_set(c, 0));
	config_free(c);
}

static void a_file_is_read_and_a_symlink_or_a_large_one_is_not(void **state)
{
	struct config *c = NULL;
	struct err err = {0};
	struct buf b = {0};

	unit_write("config.json", "{\"daemon.port\":5}");
	assert_int_equal(config_load(unit_path("config.json"), &c, NULL), 0);
	assert_int_equal(config_int(c, "daemon.port"), 5);
	config_free(c);
	assert_int_equal(symlink(unit_path("config.json"), unit_path("link")), 0);
	assert_int_equal(config_load(unit_path("link"), &c, &err), -ELOOP);
	for (size_t i = 0; i <= CONFIG_MAX_BYTES; i++)
		buf_addc(&b, ' ');
	unit_write("large", buf_cstr(&b));
	assert_int_equal(config_load(unit_path("large"), &c, &err), ERR_LIMIT);
	buf_finish(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_default_is_a_value_its_own_row_allows),
	    cmocka_unit_test(what_is_typed_is_one_line_and_sockets_are_absolute),
	    cmocka_unit_test(a_number_must_be_whole_and_in_range),
	    cmocka_unit_test(a_text_has_a_shortest_and_a_longest_length),
	    cmocka_unit_test(a_switch_is_true_or_false),
	    cmocka_unit_test(a_list_holds_texts_up_to_its_limit),
	    cmocka_unit_test(a_list_is_typed_with_commas_and_blanks_around_them),
	    cmocka_unit_test(a_list_with_a_text_that_is_no_utf8_is_refused),
	    cmocka_unit_test(a_range_must_be_low_to_high),
	    cmocka_unit_test(a_choice_is_one_of_its_words),
	    cmocka_unit_test(each_tool_has_a_permission_of_its_own),
	    cmocka_unit_test(an_unknown_key_is_told_with_the_nearest_name),
	    cmocka_unit_test(unknown_keys_in_the_file_are_counted_and_kept),
	    cmocka_unit_test(flat_and_nested_files_say_the_same),
	    cmocka_unit_test(nothing_is_no_configuration),
	    cmocka_unit_test(what_is_no_json_object_is_refused_with_the_file),
	    cmocka_unit_test(what_was_written_reads_back_the_same),
	    cmocka_unit_test(unsetting_goes_back_to_the_default),
	    cmocka_unit_test(secrets_are_marked),
	    with_dir(a_missing_file_is_no_configuration),
	    with_dir(a_file_is_read_and_a_symlink_or_a_large_one_is_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
