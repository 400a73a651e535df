/* cli/term: what a person sees, on a terminal and in a file. */
#include "cli/child.h"

#include "cli/cmd.h"
#include "cli/door.h"
#include "cli/term.h"

static const char nasty[] = "a\x1B]52;c;x\x07\tb\r\n\x7F \xC2\x9B"
			    "31m\xC3\xA4\xC2\xA0\xE2\x82\xAC";
static const char harmless[] = "a\xE2\x90\x9B]52;c;x\xE2\x90\x87\tb\n\xE2\x90\xA1 \xEF\xBF\xBD"
			       "31m\xC3\xA4\xC2\xA0\xE2\x82\xAC";

/* As main does: what a command prints goes through the last door. */
static int put_nasty(const void *data)
{
	term_begin();
	fwrite(nasty, 1, sizeof nasty - 1, stdout);
	return term_end(0);
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

static int put_much(const void *data)
{
	fcntl(STDOUT_FILENO, F_SETFL, fcntl(STDOUT_FILENO, F_GETFL) | O_NONBLOCK);
	term_begin();
	for (int i = 0; i < 30000; i++)
		printf("line %d\n", i);
	return term_end(0);
}

/* Somebody who shares the terminal made it non-blocking; its reader takes a little at a time. */
static void a_slow_reader_gets_all_of_it(void **state)
{
	for (int terminal = 0; terminal < 2; terminal++) {
		struct buf out = {0}, want = {0};
		struct child c;

		for (int i = 0; i < 30000; i++)
			buf_addf(&want, "line %d\n", i);
		c = child_start(terminal, put_much, NULL);
		while (out.len < want.len) {
			ssize_t n = read(c.out, buf_reserve(&out, 700), 700);

			if (n <= 0)
				break;
			out.len += (size_t)n;
		}
		assert_int_equal(child_end(&c), 0);
		assert_int_equal(out.len, want.len);
		assert_memory_equal(out.p, want.p, want.len);
		buf_finish(&out);
		buf_finish(&want);
	}
}

static int fill(const void *data)
{
	int full = open("/dev/full", O_WRONLY | O_CLOEXEC);

	dup2(full, STDOUT_FILENO);
	term_begin();
	printf("words");
	return term_end(0);
}

static void what_could_not_be_written_is_an_error(void **state)
{
	struct buf out = {0}, err = {0};

	assert_int_equal(child_run(false, fill, NULL, &out, &err), EXIT_ERROR);
	assert_non_null(strstr(buf_cstr(&err), "cannot write standard output: No space left"));
	buf_finish(&out);
	buf_finish(&err);
}

static void colours_pass_the_last_door_and_nothing_else_does(void **state)
{
	static const struct {
		const char *in, *out;
	} cases[] = {
	    {"\x1B[1;31mred\x1B[0m", "\x1B[1;31mred\x1B[0m"},
	    {"\x1B]0;title\x07", "\xE2\x90\x9B]0;title\xE2\x90\x87"},
	    {"\x1B[2J", "\xE2\x90\x9B[2J"},
	    {"\x1B[31", "\xE2\x90\x9B[31"},
	    {"\x1B\x1B[0m", "\xE2\x90\x9B\x1B[0m"},
	    {"\x1B[?25lm", "\xE2\x90\x9B[?25lm"},
	    {"\xC2\x9B 31m", "\xEF\xBF\xBD 31m"},
	    {"\x9B 31m", "\xEF\xBF\xBD 31m"},
	    {"\xC3\xA4\xC3\nx\xE2\x82", "\xC3\xA4\xEF\xBF\xBD\nx\xEF\xBF\xBD\xEF\xBF\xBD"},
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		for (size_t step = 1; step < 4; step++) {
			struct door door = {0};
			struct buf out = {0};
			size_t n = strlen(cases[i].in);

			for (size_t at = 0; at < n; at += step)
				door_put(
				    &door, cases[i].in + at, n - at < step ? n - at : step, &out);
			door_end(&door, &out);
			assert_string_equal(buf_cstr(&out), cases[i].out);
			buf_finish(&out);
		}
	}
}

static void what_is_approved_is_seen(void **state)
{
	static const char unseen[] = "a\xE2\x80\xAE"
				     "b\r\xE2\x80\x8B\xC2\xA0"
				     "c\x1B";
	struct buf out = {0};

	term_put_visible(&out, unseen, sizeof unseen - 1);
	assert_string_equal(buf_cstr(&out), "a<U+202E>b\xE2\x90\x8D<U+200B><U+00A0>c\xE2\x90\x9B");
	buf_clear(&out);
	term_put_json(&out, "\"\xC2\x9B\xE2\x80\xAE\xF3\xA0\x81\x81\xC3\xA4\"", 13);
	assert_string_equal(buf_cstr(&out), "\"\\u009b\\u202e\\udb40\\udc41\xC3\xA4\"");
	buf_finish(&out);
}

static int put_note(const void *data)
{
	if (data)
		setenv("NO_COLOR", data, 1);
	else
		unsetenv("NO_COLOR");
	/* Whatever terminal the tests are started from, or none. */
	setenv("TERM", "xterm", 1);
	term_note("%s %d", "b\x1B[2J", 7);
	return 0;
}

static void a_note_is_harmless(void **state)
{
	struct buf out = {0}, err = {0};

	child_run(false, put_note, NULL, &out, &err);
	assert_int_equal(out.len, 0);
	assert_string_equal(buf_cstr(&err), "b\xE2\x90\x9B[2J 7\n");
	child_run(true, put_note, NULL, &out, NULL);
	assert_string_equal(buf_cstr(&out), "\x1B[2mb\xE2\x90\x9B[2J 7\x1B[0m\n");
	child_run(true, put_note, "1", &out, NULL);
	assert_string_equal(buf_cstr(&out), "b\xE2\x90\x9B[2J 7\n");
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

	/* On one line, whatever it holds. */
	buf_addf(&want, "Error: %s (1)", harmless);
	for (size_t i = 0; i < want.len; i++)
		if (want.p[i] == '\n' || want.p[i] == '\t')
			want.p[i] = ' ';
	buf_addc(&want, '\n');
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
	    cmocka_unit_test(a_slow_reader_gets_all_of_it),
	    cmocka_unit_test(what_could_not_be_written_is_an_error),
	    cmocka_unit_test(colours_pass_the_last_door_and_nothing_else_does),
	    cmocka_unit_test(what_is_approved_is_seen),
	    cmocka_unit_test(a_note_is_harmless),
	    cmocka_unit_test(an_error_is_harmless_too),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
