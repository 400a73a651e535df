/* Numbers as people read them. */
#include "cli/format.h"

#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>

void format_uptime(int64_t s, char *out, size_t size)
{
	if (s < 60)
		snprintf(out, size, "%" PRId64 "s", s);
	else if (s < 3600)
		snprintf(out, size, "%" PRId64 "m", s / 60);
	else if (s < 86400)
		snprintf(out, size, "%" PRId64 "h%" PRId64 "m", s / 3600, s / 60 % 60);
	else
		snprintf(out, size, "%" PRId64 "d%" PRId64 "h", s / 86400, s / 3600 % 24);
}

void format_bytes(int64_t bytes, char *out, size_t size)
{
	static const char *const units[] = {"B", "KB", "MB", "GB", "TB"};
	double n = (double)bytes;
	size_t i = 0;

	while (n >= 1024 && i + 1 < sizeof units / sizeof units[0]) {
		n /= 1024;
		i++;
	}
	snprintf(out, size, n < 10 && i ? "%.1f %s" : "%.0f %s", n, units[i]);
}

/* Above it a number has no three decimals that a double could hold beside the rest. */
static const double FORMAT_ROUND_MAX = 1e11;

static void round_numbers(json_t *value)
{
	json_t *one;
	const char *key;
	double n;
	size_t i;

	if (json_is_real(value)) {
		n = json_real_value(value);
		if (fabs(n) < FORMAT_ROUND_MAX)
			json_real_set(value, nearbyint(n * 1000) / 1000);
	}
	json_array_foreach (value, i, one)
		round_numbers(one);
	json_object_foreach ((json_t *)value, key, one)
		round_numbers(one);
}

json_t *format_rounded(const json_t *value)
{
	json_t *copy = json_deep_copy(value);

	round_numbers(copy);
	return copy;
}
