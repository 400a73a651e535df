/* The prompt language, read from prompts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/err.h"
#include "demo/prompt.h"

static struct demo_prompt good(const char *text)
{
	struct demo_prompt p;
	struct err err = {0};
	int rc = demo_prompt_parse(text, strlen(text), &p, &err);

	assert_string_equal(err.text, "");
	assert_int_equal(rc, 0);
	return p;
}

/* Parse what must fail; the sentence must hold `says`. */
static void refused(const char *text, int code, const char *says)
{
	struct demo_prompt p;
	struct err err = {0};

	assert_int_equal(demo_prompt_parse(text, strlen(text), &p, &err), code);
	if (!strstr(err.text, says))
		fail_msg("\"%s\" does not say \"%s\"", err.text, says);
}

static void rest_is(const char *text, const char *rest)
{
	struct demo_prompt p = good(text);

	assert_string_equal(buf_cstr(&p.rest), rest);
	demo_prompt_finish(&p);
}

static void a_prompt_without_words_is_all_text(void **state)
{
	struct demo_prompt p = good("hello there");

	assert_string_equal(buf_cstr(&p.rest), "hello there");
	assert_false(p.tokens.set);
	assert_false(p.echo);
	assert_null(p.tool.p);
	demo_prompt_finish(&p);
}

static void an_empty_prompt_is_good(void **state)
{
	struct demo_prompt p;

	assert_int_equal(demo_prompt_parse(NULL, 0, &p, NULL), 0);
	assert_int_equal(p.rest.len, 0);
	demo_prompt_finish(&p);
}

static void numbers_are_read_and_have_defaults(void **state)
{
	struct demo_prompt p = good("demo:tokens=12 demo:delay=5\tdemo:first=7\ndemo:huge=99");

	assert_true(p.tokens.set);
	assert_int_equal(p.tokens.n, 12);
	assert_int_equal(p.delay.n, 5);
	assert_int_equal(p.first.n, 7);
	assert_int_equal(p.huge.n, 99);
	assert_false(p.size.set);
	assert_int_equal(p.size.n, 4);
	assert_int_equal(p.calls.n, 1);
	demo_prompt_finish(&p);
}

static void flags_are_read(void **state)
{
	struct demo_prompt p = good(
	    "demo:echo demo:split demo:nousage demo:badutf8 demo:token-style demo:crlf demo:loop");

	assert_true(
	    p.echo && p.split && p.nousage && p.badutf8 && p.token_style && p.crlf && p.loop);
	demo_prompt_finish(&p);
}

static void texts_are_read_to_the_next_blank(void **state)
{
	static const char text[] =
	    "demo:tool=read_file demo:args={\"a\":\"b=c\"} demo:finish=length";
	struct demo_prompt p = good(text);

	assert_true(str_eq(p.tool, "read_file"));
	assert_true(str_eq(p.args, "{\"a\":\"b=c\"}"));
	assert_true(str_eq(p.finish, "length"));
	demo_prompt_finish(&p);
}

static void a_failure_without_number_happens_at_once(void **state)
{
	struct demo_prompt p = good("demo:hang demo:drop=3 demo:error=0");

	assert_true(p.hang.set && p.drop.set && p.error.set);
	assert_int_equal(p.hang.n, 0);
	assert_int_equal(p.drop.n, 3);
	assert_false(p.close.set || p.garbage.set);
	demo_prompt_finish(&p);
}

static void forgiving_takes_out_the_failures_only(void **state)
{
	struct demo_prompt p = good("demo:status=503 demo:hang demo:drop demo:close demo:error "
				    "demo:garbage demo:tokens=2");

	demo_prompt_forgive(&p);
	assert_false(p.status.set || p.hang.set || p.drop.set || p.close.set || p.error.set ||
		     p.garbage.set);
	assert_int_equal(p.tokens.n, 2);
	demo_prompt_finish(&p);
}

static void the_rest_is_kept_byte_for_byte(void **state)
{
	rest_is("demo:echo a  b\tc\n\nd ", "a  b\tc\n\nd ");
	rest_is("a demo:echo b", "a b");
	rest_is("a  demo:echo  b", "a   b");
	rest_is("a\ndemo:echo\nb", "a\nb");
	rest_is("demo:echo", "");
	rest_is("a demo:echo", "a ");
	rest_is("demo:echo \xF0\x9F\x98\x80 \"q\"", "\xF0\x9F\x98\x80 \"q\"");
}

static void a_word_within_a_word_is_text(void **state)
{
	rest_is("x-demo:echo demo: (demo:tokens=1)", "x-demo:echo demo: (demo:tokens=1)");
}

static void the_last_of_two_counts(void **state)
{
	struct demo_prompt p = good("demo:tokens=1 demo:tokens=2");

	assert_int_equal(p.tokens.n, 2);
	demo_prompt_finish(&p);
}

static void an_unknown_word_is_refused_with_the_words_there_are(void **state)
{
	refused("hello demo:tokns=3", ERR_UNKNOWN, "no word demo:tokns");
	refused("hello demo:tokns=3", ERR_UNKNOWN, "tokens");
	refused("demo:=3", ERR_UNKNOWN, "no word");
}

static void a_bad_value_is_refused_with_what_is_allowed(void **state)
{
	refused("demo:tokens", ERR_RANGE, "whole number");
	refused("demo:tokens=", ERR_RANGE, "whole number");
	refused("demo:tokens=-1", ERR_RANGE, "whole number");
	refused("demo:tokens=5x", ERR_RANGE, "\"5x\"");
	refused("demo:tokens=99999999999999999999999", ERR_RANGE, "whole number");
	refused("demo:size=0", ERR_RANGE, "from 1");
	refused("demo:status=200", ERR_RANGE, "from 400 to 599");
	refused("demo:echo=1", ERR_RANGE, "takes no value");
	refused("demo:tool=", ERR_RANGE, "demo:tool");
	refused("demo:hang=x", ERR_RANGE, "demo:hang");
}

static void the_help_names_every_word(void **state)
{
	struct buf help = {0};

	demo_prompt_help(&help);
	assert_non_null(strstr(buf_cstr(&help), "demo:tokens=N"));
	assert_non_null(strstr(buf_cstr(&help), "demo:token-style "));
	assert_non_null(strstr(buf_cstr(&help), "demo:loop "));
	buf_finish(&help);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_prompt_without_words_is_all_text),
	    cmocka_unit_test(an_empty_prompt_is_good),
	    cmocka_unit_test(numbers_are_read_and_have_defaults),
	    cmocka_unit_test(flags_are_read),
	    cmocka_unit_test(texts_are_read_to_the_next_blank),
	    cmocka_unit_test(a_failure_without_number_happens_at_once),
	    cmocka_unit_test(forgiving_takes_out_the_failures_only),
	    cmocka_unit_test(the_rest_is_kept_byte_for_byte),
	    cmocka_unit_test(a_word_within_a_word_is_text),
	    cmocka_unit_test(the_last_of_two_counts),
	    cmocka_unit_test(an_unknown_word_is_refused_with_the_words_there_are),
	    cmocka_unit_test(a_bad_value_is_refused_with_what_is_allowed),
	    cmocka_unit_test(the_help_names_every_word),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
