/* tools/tool: the table, and text that stays within its bounds. */
#include "tools/tool.h"

#include <sys/mman.h>
#include <unistd.h>

#include "base/str.h"
#include "unit.h"

/* Bytes that end where nothing may be read any more. */
static char *at_an_edge(size_t n)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), all = (n + page - 1) / page * page;
	char *p =
	    mmap(NULL, all + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_true(p != MAP_FAILED);
	assert_int_equal(mprotect(p + all, page, PROT_NONE), 0);
	return p + all - n;
}

static void a_result_ends_at_its_limit_whatever_bytes_come(void **state)
{
	for (size_t before = TOOL_MAX_TEXT - 4; before <= TOOL_MAX_TEXT + 1; before++) {
		size_t n = before + 64;
		char *p = at_an_edge(n);
		struct tool_call call = {0};

		memset(p, 'a', n);
		/* Neither is text, and what replaces them is longer than they are. */
		p[before - 1] = p[before] = '\xff';
		assert_false(tool_put_text(&call, p, n));
		assert_true(call.truncated);
		assert_in_range(call.text.len, TOOL_MAX_TEXT - 3, TOOL_MAX_TEXT);
		assert_int_equal(str_utf8_valid(call.text.p, call.text.len), call.text.len);
		assert_false(tool_put_text(&call, p, n));
		buf_finish(&call.text);
	}
}

static void every_tool_is_found_by_its_name_and_no_other(void **state)
{
	for (size_t i = 0; tools[i]; i++)
		assert_ptr_equal(tool_find(tools[i]->name), tools[i]);
	assert_null(tool_find(""));
	assert_null(tool_find("read_file "));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_result_ends_at_its_limit_whatever_bytes_come),
	    cmocka_unit_test(every_tool_is_found_by_its_name_and_no_other),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
