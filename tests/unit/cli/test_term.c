/* cli/term: what a person sees, on a terminal and in a file. */
#include "cli/child.h"

#include "cli/cmd.h"
#include "cli/term.h"

static const char nasty[] = "a\x1B]52;c;x\x07\tb\r\n\x7F \xC2\x9B"
			    "31m\xC3\xA4\xC2\xA0\xE2\x82\xAC";
static const char harmless[] = "a\xE2\x90\x9B]52;c;x\xE2\x90\x87\tb\n\xE2\x90\xA1 \xEF\xBF\xBD"
			       "31m\xC3\xA4\xC2\xA0\xE2\x82\xAC";

static int put_nasty(const void *data)
{
	term_put_text(nasty, sizeof nasty - 1);
	return 0;
}

static void text_is_as_it_was_where_no_terminal_is(void **state)
{
	struct buf out = {0}, err = {0};

	assert_int_equal(child_run(false, put_nasty, NULL, &out, &err), 0);
	assert_string_equal(buf_cstr(&out), nasty);
	assert_int_equal(err.len, 0);
	buf_finish(&out);
	buf_finish(&err);
}

static void on_a_terminal_control_characters_are_shown_and_not_obeyed(void **state)
{
	struct buf out = {0};

	child_run(true, put_nasty, NULL, &out, NULL);
	assert_string_equal(buf_cstr(&out), harmless);
	buf_finish(&out);
}

static int put_lines(const void *data)
{
	term_end_line();
	term_put_text("one", 3);
	term_put_text("", 0);
	term_end_line();
	term_end_line();
	term_put_text("two\n", 4);
	term_end_line();
	term_put_line("three", 5);
	return 0;
}

static void a_line_is_ended_once_and_only_if_it_was_open(void **state)
{
	struct buf out = {0}, err = {0};

	child_run(false, put_lines, NULL, &out, &err);
	assert_string_equal(buf_cstr(&out), "one\ntwo\nthree\n");
	buf_finish(&out);
	buf_finish(&err);
}

static int put_note(const void *data)
{
	if (data)
		setenv("NO_COLOR", data, 1);
	else
		unsetenv("NO_COLOR");
	/* Whatever terminal the tests are started from, or none. */
	setenv("TERM", "xterm", 1);
	term_put_text("half", 4);
	term_note("%s %d", "b\x1B[2J", 7);
	return 0;
}

static void a_note_is_harmless_and_beside_the_answer(void **state)
{
	struct buf out = {0}, err = {0};

	child_run(false, put_note, NULL, &out, &err);
	assert_string_equal(buf_cstr(&out), "half");
	assert_string_equal(buf_cstr(&err), "b\xE2\x90\x9B[2J 7\n");
	/* On one terminal the open line is ended first, and the note is dim. */
	child_run(true, put_note, NULL, &out, NULL);
	assert_string_equal(buf_cstr(&out), "half\n\x1B[2mb\xE2\x90\x9B[2J 7\x1B[0m\n");
	child_run(true, put_note, "1", &out, NULL);
	assert_string_equal(buf_cstr(&out), "half\nb\xE2\x90\x9B[2J 7\n");
	buf_finish(&out);
	buf_finish(&err);
}

static int put_error(const void *data)
{
	return cmd_error("%s (%d)", nasty, 1);
}

static void an_error_is_harmless_too(void **state)
{
	struct buf out = {0}, err = {0}, want = {0};

	buf_addf(&want, "Error: %s (1)\n", harmless);
	assert_int_equal(child_run(true, put_error, NULL, &out, NULL), EXIT_ERROR);
	assert_string_equal(buf_cstr(&out), buf_cstr(&want));
	assert_int_equal(child_run(false, put_error, NULL, &out, &err), EXIT_ERROR);
	assert_int_equal(out.len, 0);
	assert_string_equal(buf_cstr(&err), buf_cstr(&want));
	buf_finish(&out);
	buf_finish(&err);
	buf_finish(&want);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(text_is_as_it_was_where_no_terminal_is),
	    cmocka_unit_test(on_a_terminal_control_characters_are_shown_and_not_obeyed),
	    cmocka_unit_test(a_line_is_ended_once_and_only_if_it_was_open),
	    cmocka_unit_test(a_note_is_harmless_and_beside_the_answer),
	    cmocka_unit_test(an_error_is_harmless_too),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
