/* cli/keys and cli/edit: what is typed, and what it becomes. */
#include "cli/edit.h"

#include <locale.h>

#include "cli/keys.h"
#include "unit.h"

static struct edit e;
static struct keys k;
static char missed[200]; /* keys the editor had no use for, by number */

static void on_key(void *data, enum key key, const char *text, size_t n, bool pasted)
{
	size_t len = strlen(missed);

	if (!edit_key(&e, key, text, n))
		snprintf(missed + len, sizeof missed - len, "%d ", (int)key);
}

static void type(const char *bytes)
{
	keys_feed(&k, bytes, strlen(bytes), on_key, NULL);
}

/* The text with | where the cursor is. */
static void is(const char *want)
{
	struct buf have = {0};

	buf_add(&have, e.text.p, e.cursor);
	buf_addc(&have, '|');
	buf_add(&have, e.text.p + e.cursor, e.text.len - e.cursor);
	if (strcmp(buf_cstr(&have), want) != 0)
		fail_msg("\"%s\" instead of \"%s\"", buf_cstr(&have), want);
	buf_finish(&have);
}

static int begin(void **state)
{
	missed[0] = '\0';
	return 0;
}

static int end(void **state)
{
	edit_finish(&e);
	keys_finish(&k);
	e = (struct edit){0};
	k = (struct keys){0};
	return 0;
}

static void emacs_keys_move_and_cut(void **state)
{
	type("hello big world");
	is("hello big world|");
	type("\001x\005y");
	is("xhello big worldy|");
	type("\002\002\010");
	is("xhello big wor|dy");
	type("\033b\033b");
	is("xhello |big wordy");
	type("\033d");
	is("xhello | wordy");
	type("\031");
	is("xhello big| wordy");
	type("\013");
	is("xhello big|");
	type("\027");
	is("xhello |");
	type("\025");
	is("|");
	type("\031");
	is("xhello |");
	type("\033[D\033[D\024");
	is("xhelol| ");
	type("\033[H\033[3~\033[F\004");
	is("helol |");
}

static void characters_of_many_bytes_are_one(void **state)
{
	type("a\xC3\xB6\xE6\xBC\xA2");
	type("e\xCC\x81x"); /* e with a combining accent */
	type("\033[D\033[D");
	is("a\xC3\xB6\xE6\xBC\xA2|e\xCC\x81x");
	type("\010\010");
	is("a|e\xCC\x81x");
	type("\005\010\010");
	is("a|");
}

static void bytes_may_be_cut_anywhere(void **state)
{
	static const char bytes[] = "a\xE6\xBC\xA2\033[D\033[1;5Cb\033[200~x\r\ny\033[201~z\033OH!";

	for (size_t i = 0; i < sizeof bytes - 1; i++)
		keys_feed(&k, bytes + i, 1, on_key, NULL);
	is("a\xE6\xBC\xA2"
	   "bx\n!|yz");
}

static void a_paste_is_one_text_without_control_characters(void **state)
{
	type("\033[200~one\rtwo\033[31m\003\x7f\tthree\n\033[201~");
	is("one\ntwo[31m\tthree\n|");
	assert_string_equal(missed, "");
}

static void bad_bytes_are_dropped_and_a_lone_escape_is_a_key(void **state)
{
	type("a\xff\xc0z");
	is("az|");
	type("\033");
	assert_string_equal(missed, "");
	assert_true(keys_settle(&k, on_key, NULL));
	assert_string_equal(missed, "23 ");
	type("\033[99;99;99Xq");
	is("azq|");
}

static void lines_are_walked_before_history(void **state)
{
	edit_remember(&e, "first", 5);
	edit_remember(&e, "second", 6);
	edit_remember(&e, "second", 6);
	type("one\033\rlonger line\033\rx");
	is("one\nlonger line\nx|");
	type("\033[A");
	is("one\nl|onger line\nx");
	type("\005\033[A");
	is("one|\nlonger line\nx");
	type("\033[A");
	is("second|");
	type("\033[A\033[A");
	is("first|");
	assert_string_equal(missed, "8 ");
	type("\033[B\033[B");
	is("one\nlonger line\nx|");
}

static void typed_words_find_older_entries(void **state)
{
	edit_remember(&e, "make test", 9);
	edit_remember(&e, "make clean", 10);
	edit_remember(&e, "ls", 2);
	type("make\022");
	is("make clean|");
	type("\022");
	is("make test|");
	type("\022");
	is("make test|");
}

static void enter_and_the_like_are_the_callers(void **state)
{
	type("\r\003\004\t\014");
	assert_string_equal(missed, "1 21 22 3 20 ");
}

static void rows_are(const char *want, unsigned width, unsigned row, unsigned column)
{
	unsigned got_row, got_column;
	struct buf out = {0};

	edit_rows(&e, "> ", width, &out, &got_row, &got_column);
	assert_string_equal(buf_cstr(&out), want);
	assert_int_equal(got_row, row);
	assert_int_equal(got_column, column);
	buf_finish(&out);
}

static void rows_wrap_with_wide_characters_and_show_the_cursor(void **state)
{
	rows_are("> \n", 10, 0, 2);
	type("abcdefgh");
	rows_are("> abcdefgh\n  \n", 10, 1, 2);
	type("i");
	rows_are("> abcdefgh\n  i\n", 10, 1, 3);
	type("\001");
	rows_are("> abcdefgh\n  i\n", 10, 0, 2);
	edit_set(&e, "abcdefg\xE6\xBC\xA2", 10);
	rows_are("> abcdefg\n  \xE6\xBC\xA2\n", 10, 1, 4);
	edit_set(&e, "a\nb", 3);
	rows_are("> a\n  b\n", 10, 1, 3);
}

static int set_locale(void **state)
{
	return setlocale(LC_CTYPE, "C.UTF-8") ? 0 : -1;
}

#define typed(test) cmocka_unit_test_setup_teardown(test, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    typed(emacs_keys_move_and_cut),
	    typed(characters_of_many_bytes_are_one),
	    typed(bytes_may_be_cut_anywhere),
	    typed(a_paste_is_one_text_without_control_characters),
	    typed(bad_bytes_are_dropped_and_a_lone_escape_is_a_key),
	    typed(lines_are_walked_before_history),
	    typed(typed_words_find_older_entries),
	    typed(enter_and_the_like_are_the_callers),
	    typed(rows_wrap_with_wide_characters_and_show_the_cursor),
	};

	return cmocka_run_group_tests(tests, set_locale, NULL);
}
