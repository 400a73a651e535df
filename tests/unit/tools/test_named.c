/* tools/named: which files git's configuration names. */
#include "tools/named.h"

#include <string.h>

#include "base/buf.h"
#include "unit.h"

static void note(void *data, const char *path, enum named_kind kind)
{
	buf_addf(data, "%s %d\n", path, (int)kind);
}

static void write_config(const char *name, const char *text)
{
	FILE *file = fopen(unit_path(name), "w");

	assert_non_null(file);
	fputs(text, file);
	assert_int_equal(fclose(file), 0);
}

static void find(const char *text, struct buf *found)
{
	struct named named = {
	    .bases = {"/top"}, .base_count = 1, .home = "/h", .data = found, .found = note};

	buf_clear(found);
	write_config("config", text);
	named_find(&named, unit_path("config"));
}

static void values_are_read_as_git_reads_them(void **state)
{
	static const struct {
		const char *text, *found;
	} rows[] = {
	    {"[core] hooksPath = hooks", "/top/hooks 0\n"},
	    {"[core]\n\tHOOKSPATH=\"a b\" ; c\n", "/top/a b 0\n"},
	    {"[core]\nhookspath = a\\\nb # c\n", "/top/ab 0\n"},
	    {"[core]\nhookspath = \"#\\\"x\" \n", "/top/#\"x 0\n"},
	    {"[core]\nhookspath = ~/x\n", "/h/x 0\n"},
	    {"[core]\nfsmonitor = /x/y\n", "/x/y 1\n"},
	    {"[filter \"a ] b\"]\nclean = run t/c.sh\n", "/top/run 2\n/top/t/c.sh 1\n"},
	    {"[alias]\nst = status\n", ""},
	    {"[alias]\nst = !t/x\n", "/top/t/x 1\n"},
	    {"[core]\n# hookspath = a\nbare\n[user]\nname = a/b\n", ""},
	    {"[core]\nhookspath\n", ""},
	    {"[core", ""},
	    {"[core]\nhookspath = a\\", "/top/a\\ 0\n"},
	};
	struct buf found = {0};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		find(rows[i].text, &found);
		if (strcmp(buf_cstr(&found), rows[i].found) != 0)
			fail_msg("%s: %s", rows[i].text, buf_cstr(&found));
	}
	buf_finish(&found);
}

static void includes_are_followed_and_end(void **state)
{
	struct buf found = {0};

	write_config("one", "[include]\npath = two\n");
	write_config("two", "[core]\npager = t/p\n[include]\npath = one\n");
	find("[includeIf \"gitdir:x\"]\npath = one\n", &found);
	assert_non_null(strstr(buf_cstr(&found), "/top/t/p 1\n"));
	assert_non_null(strstr(buf_cstr(&found), unit_path("two")));
	buf_finish(&found);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    with_dir(values_are_read_as_git_reads_them),
	    with_dir(includes_are_followed_and_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
