/* cli/table and cli/format: what people read in columns. */
#include "cli/table.h"

#include <locale.h>

#include "base/buf.h"
#include "cli/format.h"
#include "unit.h"

static const char *const heads[] = {"ID", "N", "TITLE"};

static void looks(unsigned width, bool color, const char *want)
{
	struct table *t = table_new(3, heads);
	struct buf out = {0};

	table_add(t, "%s", "a");
	table_add(t, "%d", 10);
	table_add(t, "one title");
	table_add(t, "%s", "\u6f22\u5b57");
	table_add(t, "%d", 2);
	table_add(t, "two\nlines\033[2J");
	table_add(t, "%s", "x");
	table_add(t, "%s", "");
	table_add(t, "%s", "");
	table_put(t, &out, width, color);
	assert_string_equal(buf_cstr(&out), want);
	buf_finish(&out);
	table_free(t);
}

static void columns_begin_where_the_heads_do(void **state)
{
	looks(0, false,
	    "ID    N   TITLE\n"
	    "a     10  one title\n"
	    "\u6f22\u5b57  2   two lines\u241b[2J\n"
	    "x\n");
}

static void the_last_column_is_cut_to_the_width(void **state)
{
	looks(16, false,
	    "ID    N   TITLE\n"
	    "a     10  one t…\n"
	    "\u6f22\u5b57  2   two l…\n"
	    "x\n");
	/* No room at all: still no crash. */
	looks(4, false, "ID    N\na     10\n\u6f22\u5b57  2\nx\n");
}

static void heads_are_bold_where_there_is_colour(void **state)
{
	struct table *t = table_new(1, heads);
	struct buf out = {0};

	table_put(t, &out, 0, true);
	assert_string_equal(buf_cstr(&out), "\033[1mID\033[m\n");
	buf_finish(&out);
	table_free(t);
	table_free(NULL);
}

static void times_and_sizes_have_the_unit_that_fits(void **state)
{
	static const struct {
		int64_t n;
		const char *time, *bytes;
	} cases[] = {{0, "0s", "0 B"}, {59, "59s", "59 B"}, {60, "1m", "60 B"},
	    {3599, "59m", "3.5 KB"}, {3600, "1h0m", "3.5 KB"}, {7500, "2h5m", "7.3 KB"},
	    {86400, "1d0h", "84 KB"}, {273600, "3d4h", "267 KB"}, {5000000, "57d20h", "4.8 MB"}};
	char text[32];

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		format_uptime(cases[i].n, text, sizeof text);
		assert_string_equal(text, cases[i].time);
		format_bytes(cases[i].n, text, sizeof text);
		assert_string_equal(text, cases[i].bytes);
	}
	format_bytes(INT64_C(80) << 30, text, sizeof text);
	assert_string_equal(text, "80 GB");
	format_bytes(INT64_MAX, text, sizeof text);
	assert_string_equal(text, "8388608 TB");
}

static int use_locale(void **state)
{
	return setlocale(LC_CTYPE, "C.UTF-8") ? 0 : -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(columns_begin_where_the_heads_do),
	    cmocka_unit_test(the_last_column_is_cut_to_the_width),
	    cmocka_unit_test(heads_are_bold_where_there_is_colour),
	    cmocka_unit_test(times_and_sizes_have_the_unit_that_fits),
	};

	return cmocka_run_group_tests(tests, use_locale, NULL);
}
