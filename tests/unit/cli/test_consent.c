/* cli/consent: which key answers, and when. */
#include "cli/consent.h"

#include "base/buf.h"
#include "unit.h"

enum { MS = 1000, QUIET = CONSENT_QUIET_MS * MS };

static void a_key_counts_once_the_request_has_stood_there_quietly(void **state)
{
	struct consent c = {0};

	assert_int_equal(consent_key(&c, 'y', false, QUIET), CONSENT_NONE); /* none is open */
	consent_show(&c, 10 * MS);
	assert_int_equal(consent_key(&c, 'y', false, 10 * MS + QUIET - 1), CONSENT_NONE);
	/* That key begins the wait anew. */
	assert_int_equal(consent_key(&c, 'y', false, 11 * MS + QUIET), CONSENT_NONE);
	assert_int_equal(consent_key(&c, 'y', false, 12 * MS + 2 * QUIET), CONSENT_HELD);
	assert_int_equal(consent_settle(&c), CONSENT_ONCE);
	assert_int_equal(consent_settle(&c), CONSENT_NONE);
	/* So does its appearing again. */
	consent_show(&c, 20 * MS + 3 * QUIET);
	assert_int_equal(consent_key(&c, 'n', false, 21 * MS + 3 * QUIET), CONSENT_NONE);
}

static void nothing_counts_while_something_is_typed(void **state)
{
	struct consent c = {0};

	consent_show(&c, 0);
	assert_int_equal(consent_key(&c, 'y', true, 2 * QUIET), CONSENT_NONE);
	assert_int_equal(consent_key(&c, 'y', false, 4 * QUIET), CONSENT_HELD);
	assert_int_equal(consent_settle(&c), CONSENT_ONCE);
}

/* "stop that" begins with a letter that would answer. */
static void the_first_letter_of_a_word_is_text(void **state)
{
	struct consent c = {0};

	consent_show(&c, 0);
	assert_int_equal(consent_key(&c, 's', false, QUIET), CONSENT_HELD);
	assert_int_equal(consent_key(&c, 't', false, QUIET + 150 * MS), CONSENT_NONE);
	assert_int_equal(c.text, 's');
	assert_int_equal(consent_settle(&c), CONSENT_NONE);
	c.text = 0;
	/* Enter makes sure of it at once; another request takes it back. */
	assert_int_equal(consent_key(&c, 'n', false, 3 * QUIET), CONSENT_HELD);
	assert_int_equal(consent_key(&c, '\r', false, 3 * QUIET + 10 * MS), CONSENT_NO);
	assert_int_equal(c.text, 0);
	assert_int_equal(consent_key(&c, 'y', false, 5 * QUIET), CONSENT_HELD);
	consent_show(&c, 5 * QUIET + 10 * MS);
	assert_int_equal(consent_settle(&c), CONSENT_NONE);
}

static void each_answer_has_a_letter_and_other_keys_have_none(void **state)
{
	static const struct {
		char key;
		enum consent_answer answer;
	} keys[] = {{'y', CONSENT_ONCE}, {'a', CONSENT_ONCE}, {'s', CONSENT_SESSION},
	    {'n', CONSENT_NO}, {'d', CONSENT_NO}, {'r', CONSENT_REASON}, {'v', CONSENT_VIEW}};

	for (int key = 0; key < 256; key++) {
		enum consent_answer want = CONSENT_NONE;
		struct consent c = {0};

		for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
			if (keys[i].key == (char)key)
				want = keys[i].answer;
		consent_show(&c, 0);
		assert_int_equal(consent_key(&c, (char)key, false, QUIET),
		    want == CONSENT_NONE ? CONSENT_NONE : CONSENT_HELD);
		assert_int_equal(consent_settle(&c), want);
	}
}

static void what_was_not_shown_is_not_approved(void **state)
{
	struct consent c = {.hidden = 1};

	consent_show(&c, 0);
	assert_int_equal(consent_key(&c, 'y', false, QUIET), CONSENT_UNSEEN);
	assert_int_equal(consent_key(&c, 's', false, 2 * QUIET), CONSENT_UNSEEN);
	assert_int_equal(consent_key(&c, 'n', false, 3 * QUIET), CONSENT_HELD);
	assert_int_equal(consent_settle(&c), CONSENT_NO);
	c.viewed = true;
	assert_int_equal(consent_key(&c, 'y', false, 4 * QUIET), CONSENT_HELD);
	assert_int_equal(consent_settle(&c), CONSENT_ONCE);
}

/* No row is wider than the terminal; the letters are all there. */
static void the_question_fits_every_width(void **state)
{
	for (unsigned width = 1; width < 120; width++) {
		for (int hidden = 0; hidden < 2; hidden++) {
			struct consent c = {
			    .open = true, .command = width % 2, .hidden = hidden * 9};
			struct buf out = {0};
			unsigned column = 0;

			consent_put_question(&c, width, &out);
			for (size_t i = 0; i < out.len; i++) {
				/* "…" is three bytes and one column. */
				bool first = ((unsigned char)out.p[i] & 0xC0) != 0x80;

				column = out.p[i] == '\n' ? 0 : column + first;
				assert_in_range(column, 0, width);
			}
			assert_int_equal(out.p[out.len - 1], '\n');
			if (width > 4)
				assert_non_null(strstr(buf_cstr(&out), "[n]"));
			buf_finish(&out);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_key_counts_once_the_request_has_stood_there_quietly),
	    cmocka_unit_test(nothing_counts_while_something_is_typed),
	    cmocka_unit_test(the_first_letter_of_a_word_is_text),
	    cmocka_unit_test(each_answer_has_a_letter_and_other_keys_have_none),
	    cmocka_unit_test(what_was_not_shown_is_not_approved),
	    cmocka_unit_test(the_question_fits_every_width),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
