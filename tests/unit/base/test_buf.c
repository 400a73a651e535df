/* A growable run of bytes. */
#include "unit.h"

#include <inttypes.h>

#include "base/buf.h"

static void an_empty_buf_is_an_empty_string(void **state)
{
	struct buf b = {0};

	assert_string_equal(buf_cstr(&b), "");
	assert_int_equal(b.len, 0);
	buf_finish(&b);
	assert_null(b.p);
}

static void finishing_twice_is_harmless_and_the_buf_is_usable_again(void **state)
{
	struct buf b = {0};

	buf_adds(&b, "x");
	buf_finish(&b);
	buf_finish(&b);
	buf_adds(&b, "y");
	assert_string_equal(buf_cstr(&b), "y");
	buf_finish(&b);
}

static void growth_keeps_every_byte(void **state)
{
	struct buf b = {0};

	for (unsigned i = 0; i < 100000; i++)
		buf_addc(&b, (char)(i * 7));
	assert_int_equal(b.len, 100000);
	for (unsigned i = 0; i < 100000; i++)
		assert_int_equal(b.p[i], (char)(i * 7));
	buf_finish(&b);
}

static void clearing_keeps_the_memory(void **state)
{
	struct buf b = {0};
	char *p;

	buf_adds(&b, "hello");
	p = b.p;
	buf_clear(&b);
	buf_adds(&b, "a");
	assert_ptr_equal(b.p, p);
	assert_string_equal(buf_cstr(&b), "a");
	buf_finish(&b);
}

static void reserving_does_not_change_the_length(void **state)
{
	struct buf b = {0};

	buf_adds(&b, "ab");
	memcpy(buf_reserve(&b, 1000), "cd", 2);
	assert_int_equal(b.len, 2);
	assert_true(b.cap > 1002);
	b.len += 2;
	assert_string_equal(buf_cstr(&b), "abcd");
	buf_finish(&b);
}

static void adding_nothing_takes_null(void **state)
{
	struct buf b = {0};

	buf_add(&b, NULL, 0);
	assert_int_equal(b.len, 0);
	assert_null(b.p);
}

static void bytes_with_zeros_are_kept(void **state)
{
	struct buf b = {0};

	buf_add(&b, "a\0b", 3);
	assert_int_equal(b.len, 3);
	assert_memory_equal(b.p, "a\0b", 3);
	buf_finish(&b);
}

static void formatted_text_of_any_length_fits(void **state)
{
	struct buf b = {0};
	char longer[2000];

	memset(longer, 'x', sizeof longer - 1);
	longer[sizeof longer - 1] = '\0';
	buf_addf(&b, "<%s|%d>", longer, -5);
	assert_int_equal(b.len, 1999 + 5);
	assert_string_equal(buf_cstr(&b) + 2000, "|-5>");
	buf_addf(&b, "%s", "");
	assert_int_equal(b.len, 2004);
	buf_finish(&b);
}

static void numbers_are_written_to_their_last_digit(void **state)
{
	struct buf b = {0};

	buf_addu(&b, 0);
	buf_addc(&b, ' ');
	buf_addu(&b, 10);
	buf_addc(&b, ' ');
	buf_addu(&b, UINT64_MAX);
	assert_string_equal(buf_cstr(&b), "0 10 18446744073709551615");
	buf_finish(&b);
}

static void consuming_moves_the_rest_to_the_front(void **state)
{
	struct buf b = {0};

	buf_adds(&b, "hello world");
	buf_consume(&b, 0);
	buf_consume(&b, 6);
	assert_string_equal(buf_cstr(&b), "world");
	buf_consume(&b, 5);
	assert_int_equal(b.len, 0);
	buf_finish(&b);
	buf_consume(&b, 0);
}

static void a_stolen_text_is_the_callers(void **state)
{
	struct buf b = {0};
	char *s;

	buf_adds(&b, "mine");
	s = buf_steal(&b);
	assert_string_equal(s, "mine");
	assert_null(b.p);
	assert_int_equal(b.len + b.cap, 0);
	free(s);
	s = buf_steal(&b);
	assert_string_equal(s, "");
	free(s);
}

static void numbers_of_any_length_are_as_printf_writes_them(void **state)
{
	uint64_t n = 0;
	char want[24];

	for (int length = 1; length <= 20; length++) {
		/* 1, 12, …, and the first and last number of that length. */
		uint64_t low = 1, cases[3];

		for (int i = 1; i < length; i++)
			low *= 10;
		n = n * 10 + (uint64_t)(length % 10);
		cases[0] = n;
		cases[1] = length == 1 ? 0 : low;
		cases[2] = length == 20 ? UINT64_MAX : low * 10 - 1;
		for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
			struct buf b = {0};

			buf_addu(&b, cases[i]);
			snprintf(want, sizeof want, "%" PRIu64, cases[i]);
			assert_string_equal(buf_cstr(&b), want);
			buf_finish(&b);
		}
	}
}

static void a_string_that_just_fits_and_one_that_does_not(void **state)
{
	for (size_t size = 250; size < 260; size++) {
		struct buf b = {0};

		buf_addc(&b, 'x');
		while (b.len < size)
			buf_adds(&b, "y");
		buf_adds(&b, "");
		buf_adds(&b, "end");
		assert_int_equal(b.len, size + 3);
		assert_true(b.cap > b.len);
		assert_string_equal(buf_cstr(&b) + size, "end");
		buf_finish(&b);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(numbers_of_any_length_are_as_printf_writes_them),
	    cmocka_unit_test(a_string_that_just_fits_and_one_that_does_not),
	    cmocka_unit_test(an_empty_buf_is_an_empty_string),
	    cmocka_unit_test(finishing_twice_is_harmless_and_the_buf_is_usable_again),
	    cmocka_unit_test(growth_keeps_every_byte),
	    cmocka_unit_test(clearing_keeps_the_memory),
	    cmocka_unit_test(reserving_does_not_change_the_length),
	    cmocka_unit_test(adding_nothing_takes_null),
	    cmocka_unit_test(bytes_with_zeros_are_kept),
	    cmocka_unit_test(formatted_text_of_any_length_fits),
	    cmocka_unit_test(numbers_are_written_to_their_last_digit),
	    cmocka_unit_test(consuming_moves_the_rest_to_the_front),
	    cmocka_unit_test(a_stolen_text_is_the_callers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
