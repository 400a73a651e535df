/* What model servers say when something went wrong. */
#include "unit.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/str.h"
#include "model/error.h"

static const char *sentence_of(const char *text)
{
	static char out[300];
	bool overflow;

	error_of_text(str_of(text), out, sizeof out, &overflow);
	return out;
}

static void a_page_is_told_by_its_title(void **state)
{
	assert_string_equal(
	    sentence_of("<html><TITLE lang=en>502 Bad Gateway</title></html>"), "502 Bad Gateway");
	assert_string_equal(sentence_of("<html><h1></h1><h1>Not here</h1>"), "Not here");
	assert_string_equal(sentence_of("no page\nand more"), "no page");
	assert_string_equal(sentence_of("<title"), "<title");
	assert_string_equal(sentence_of(""), "it did not say why");
}

/* A server may send a megabyte of what never ends. */
static void a_page_of_open_tags_is_read_once(void **state)
{
	struct buf page = {0};
	uint64_t begun = clock_mono_us();

	while (page.len < 1024 * 1024)
		buf_adds(&page, "<title");
	sentence_of(buf_cstr(&page));
	assert_true(clock_mono_us() - begun < 500 * 1000);
	buf_finish(&page);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_page_is_told_by_its_title),
	    cmocka_unit_test(a_page_of_open_tags_is_read_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
