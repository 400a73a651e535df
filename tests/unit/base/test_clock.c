/* Time as people and logs are shown it. */
#include "unit.h"

#include "base/clock.h"

static void iso_is(int64_t ms, const char *want)
{
	char iso[CLOCK_ISO_SIZE];

	clock_iso(ms, iso);
	assert_string_equal(iso, want);
	if (ms >= -62167219200000 && ms <= 253402300799999)
		assert_int_equal(clock_from_iso(iso), ms);
}

static void a_time_is_written_to_the_millisecond(void **state)
{
	iso_is(0, "1970-01-01T00:00:00.000Z");
	iso_is(1, "1970-01-01T00:00:00.001Z");
	iso_is(1795341601123, "2026-11-22T10:00:01.123Z");
	iso_is(1795341601999, "2026-11-22T10:00:01.999Z");
	iso_is(1795341602000, "2026-11-22T10:00:02.000Z");
}

static void leap_days_and_year_ends_are_where_they_belong(void **state)
{
	iso_is(951782400000, "2000-02-29T00:00:00.000Z");
	iso_is(1709164799999, "2024-02-28T23:59:59.999Z");
	iso_is(1709251199000, "2024-02-29T23:59:59.000Z");
	iso_is(4107542400000, "2100-03-01T00:00:00.000Z");
	iso_is(1767225599999, "2025-12-31T23:59:59.999Z");
}

static void every_day_is_read_back_as_it_was_written(void **state)
{
	for (int64_t ms = -62167219200000; ms <= 253402300799999; ms += 86400000 - 7) {
		char iso[CLOCK_ISO_SIZE];

		clock_iso(ms, iso);
		if (clock_from_iso(iso) != ms)
			fail_msg("%s", iso);
	}
}

static void a_time_before_1970_is_a_time(void **state)
{
	iso_is(-1, "1969-12-31T23:59:59.999Z");
	iso_is(-1000, "1969-12-31T23:59:59.000Z");
	iso_is(-1001, "1969-12-31T23:59:58.999Z");
}

static void a_year_of_five_digits_is_shown_as_the_last_of_four(void **state)
{
	iso_is(253402300799999, "9999-12-31T23:59:59.999Z");
	iso_is(253402300800000, "9999-12-31T23:59:59.999Z");
	iso_is(INT64_MAX, "9999-12-31T23:59:59.999Z");
	iso_is(INT64_MIN, "0000-01-01T00:00:00.000Z");
}

static void the_monotonic_clock_never_goes_back(void **state)
{
	uint64_t before = clock_mono_us();

	for (int i = 0; i < 1000; i++) {
		uint64_t now = clock_mono_us();

		assert_true(now >= before);
		before = now;
	}
}

static void the_wall_clock_is_in_milliseconds(void **state)
{
	int64_t seconds = time(NULL), ms = clock_wall_ms();

	assert_in_range(ms / 1000, seconds - 1, seconds + 60);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_time_is_written_to_the_millisecond),
	    cmocka_unit_test(leap_days_and_year_ends_are_where_they_belong),
	    cmocka_unit_test(every_day_is_read_back_as_it_was_written),
	    cmocka_unit_test(a_time_before_1970_is_a_time),
	    cmocka_unit_test(a_year_of_five_digits_is_shown_as_the_last_of_four),
	    cmocka_unit_test(the_monotonic_clock_never_goes_back),
	    cmocka_unit_test(the_wall_clock_is_in_milliseconds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
