/* demo/options: the command line of the demo server. */
#include "demo/options.h"

#include "base/buf.h"
#include "base/err.h"
#include "unit.h"

static int parse(const char *const *words, struct demo_options *ret, struct err *err)
{
	char *argv[10] = {(char *)(uintptr_t) "demo"};
	int argc = 1;

	*err = (struct err){0};
	for (; *words; words++)
		argv[argc++] = (char *)(uintptr_t)*words;
	return demo_options_parse(argc, argv, ret, err);
}

#define options(ret, err, ...) parse((const char *const[]){__VA_ARGS__, NULL}, ret, err)

static void without_words_there_are_defaults(void **state)
{
	struct demo_options o;
	struct err err;

	assert_int_equal(options(&o, &err, NULL), 0);
	assert_string_equal(o.host, "127.0.0.1");
	assert_int_equal(o.port, 1234);
	assert_string_equal(o.model, "demo-1");
	assert_int_equal(o.context, 8192);
	assert_null(o.api_key);
	assert_null(o.log);
	assert_false(
	    o.no_ws || o.no_sse || o.no_model || o.no_readyz || o.old_readyz || o.hang || o.help);
}

static void words_are_read_in_both_spellings_and_again(void **state)
{
	struct demo_options o;
	struct err err;

	/* Twice: getopt keeps a state of its own between two uses. */
	for (int i = 0; i < 2; i++) {
		assert_int_equal(options(&o, &err, "--port", "0", "--model=m", "--no-ws", "--hang",
				     "--api-key", "k", "--context=1"),
		    0);
		assert_int_equal(o.port, 0);
		assert_string_equal(o.model, "m");
		assert_string_equal(o.api_key, "k");
		assert_int_equal(o.context, 1);
		assert_true(o.no_ws && o.hang);
		assert_false(o.no_sse);
	}
}

static void what_is_no_option_is_refused_with_those_there_are(void **state)
{
	struct demo_options o;
	struct err err;

	assert_int_equal(options(&o, &err, "--prot", "1"), ERR_UNKNOWN);
	assert_holds(err.text, "\"--prot\"");
	assert_holds(err.text, "--port, --model");
	assert_int_equal(options(&o, &err, "-x"), ERR_UNKNOWN);
	assert_holds(err.text, "\"-x\"");
	assert_int_equal(options(&o, &err, "--no-ws", "word"), ERR_UNKNOWN);
	assert_holds(err.text, "\"word\"");
}

static void a_bad_value_is_refused_with_what_is_allowed(void **state)
{
	struct demo_options o;
	struct err err;

	assert_int_equal(options(&o, &err, "--port", "65536"), ERR_RANGE);
	assert_holds(err.text, "--port must be a whole number from 0 to 65535, not \"65536\"");
	assert_int_equal(options(&o, &err, "--context", "0"), ERR_RANGE);
	assert_int_equal(options(&o, &err, "--port", "1x"), ERR_RANGE);
	assert_int_equal(options(&o, &err, "--model", ""), ERR_RANGE);
	assert_int_equal(options(&o, &err, "--no-ws", "--port"), ERR_RANGE);
	assert_holds(err.text, "--port needs a value");
}

static void the_help_names_options_and_words(void **state)
{
	struct buf help = {0};

	demo_options_help(&help);
	assert_holds(buf_cstr(&help), "usage: opta lmx demo");
	assert_holds(buf_cstr(&help), "  --port N ");
	assert_holds(buf_cstr(&help), "  --api-key KEY ");
	assert_holds(buf_cstr(&help), "demo:tokens=N");
	buf_finish(&help);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(without_words_there_are_defaults),
	    cmocka_unit_test(words_are_read_in_both_spellings_and_again),
	    cmocka_unit_test(what_is_no_option_is_refused_with_those_there_are),
	    cmocka_unit_test(a_bad_value_is_refused_with_what_is_allowed),
	    cmocka_unit_test(the_help_names_options_and_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
