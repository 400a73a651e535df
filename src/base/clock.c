/* Time. */
#include "base/clock.h"

/* The years 0000 to 9999: what a date of four digits can show. */
#define FIRST_MS (-62167219200000)
#define LAST_MS 253402300799999

uint64_t clock_mono_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

int64_t clock_wall_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static void put_digits(char *p, int width, int value)
{
	while (width-- > 0) {
		p[width] = (char)('0' + value % 10);
		value /= 10;
	}
}

void clock_iso(int64_t ms, char ret_iso[CLOCK_ISO_SIZE])
{
	static _Thread_local int64_t cached_second = INT64_MIN;
	static _Thread_local char cached[CLOCK_ISO_SIZE] = "0000-00-00T00:00:00.000Z";
	int64_t second;

	if (ms < FIRST_MS)
		ms = FIRST_MS;
	if (ms > LAST_MS)
		ms = LAST_MS;
	/* Rounded down, also before 1970. */
	second = (ms - FIRST_MS) / 1000 + FIRST_MS / 1000;

	/* Tokens come many to the second: the calendar is worked out once for each. */
	if (second != cached_second) {
		struct tm tm;
		time_t t = (time_t)second;

		gmtime_r(&t, &tm);
		put_digits(cached, 4, tm.tm_year + 1900);
		put_digits(cached + 5, 2, tm.tm_mon + 1);
		put_digits(cached + 8, 2, tm.tm_mday);
		put_digits(cached + 11, 2, tm.tm_hour);
		put_digits(cached + 14, 2, tm.tm_min);
		put_digits(cached + 17, 2, tm.tm_sec);
		cached_second = second;
	}
	memcpy(ret_iso, cached, CLOCK_ISO_SIZE);
	put_digits(ret_iso + 20, 3, (int)(ms - second * 1000));
}

static int digits_at(const char *p, int width)
{
	int value = 0;

	for (int i = 0; i < width; i++)
		value = value * 10 + (p[i] - '0');
	return value;
}

int64_t clock_from_iso(const char *iso)
{
	/* The day of a year that begins in March, so that leap days come last. */
	int64_t month = digits_at(iso + 5, 2), year = digits_at(iso, 4) - (month <= 2);
	int64_t day = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + digits_at(iso + 8, 2) - 1;
	/* Centuries are counted from 400 years before the first, so that none is negative. */
	int64_t years = year + 400;
	int64_t days = years * 365 + years / 4 - years / 100 + years / 400 + day - 865565;

	return ((days * 24 + digits_at(iso + 11, 2)) * 60 + digits_at(iso + 14, 2)) * 60000 +
	       digits_at(iso + 17, 2) * 1000 + digits_at(iso + 20, 3);
}

void clock_local_hms(int *ret_h, int *ret_m, int *ret_s)
{
	time_t now = time(NULL);
	struct tm tm;

	localtime_r(&now, &tm);
	*ret_h = tm.tm_hour;
	*ret_m = tm.tm_min;
	*ret_s = tm.tm_sec;
}
