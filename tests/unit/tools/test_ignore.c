/* tools/ignore: .gitignore rules and globs. */
#include "tools/ignore.h"

#include "unit.h"

static void globs_fit_by_parts(void **state)
{
	static const struct {
		const char *pattern, *path;
		bool fits;
	} cases[] = {
	    {"*.c", "a.c", true},
	    {"*.c", "deep/down/a.c", true},
	    {"*.c", "a.h", false},
	    {"src/*.c", "src/a.c", true},
	    {"src/*.c", "src/b/a.c", false},
	    {"src/**/*.c", "src/a.c", true},
	    {"src/**/*.c", "src/b/c/a.c", true},
	    {"**/x", "x", true},
	    {"**/x", "a/b/x", true},
	    {"a/**", "a/b/c", true},
	    {"a/**", "a", false},
	    {"./a.c", "a.c", true},
	    {"?.c", "ab.c", false},
	    {"[ab].c", "b.c", true},
	    {"**", "any/thing", true},
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		if (ignore_glob(cases[i].pattern, cases[i].path) != cases[i].fits)
			fail_msg("%s against %s", cases[i].pattern, cases[i].path);
}

static void the_nearest_file_and_its_last_line_decide(void **state)
{
	static const char top[] = "*.o\n/build/\n# comment\n\nlogs/\n!keep.o\ndoc/*.txt  \n";
	static const char sub[] = "*.c\n!keep.c\n";
	struct ignore *root = ignore_new(NULL, "", top, sizeof top - 1);
	struct ignore *below = ignore_new(root, "sub", sub, sizeof sub - 1);

	assert_true(ignore_has(root, "a.o", false));
	assert_true(ignore_has(root, "x/a.o", false));
	assert_false(ignore_has(root, "keep.o", false));
	assert_true(ignore_has(root, "build", true));
	assert_false(ignore_has(root, "build", false));
	assert_false(ignore_has(root, "x/build", true));
	assert_true(ignore_has(root, "x/logs", true));
	assert_true(ignore_has(root, "doc/a.txt", false));
	assert_false(ignore_has(root, "doc/x/a.txt", false));
	assert_true(ignore_has(root, ".git", true));
	assert_true(ignore_has(below, "sub/a.c", false));
	assert_false(ignore_has(below, "sub/keep.c", false));
	assert_true(ignore_has(below, "sub/a.o", false));
	ignore_free(below);
	ignore_free(root);
}

static void a_hostile_pattern_ends(void **state)
{
	char pattern[1000] = "", path[1000] = "";

	for (int i = 0; i < 100; i++) {
		memcpy(pattern + 5 * i, "**/a/", 6);
		memcpy(path + 2 * i, "a/", 3);
	}
	memcpy(pattern + 500, "b", 2);
	assert_false(ignore_glob(pattern, path));
	/* Few stars and many parts (found by the fuzzer): each star by itself is harmless. */
	memset(path, '/', sizeof path - 1);
	path[sizeof path - 1] = '\0';
	assert_false(ignore_glob("**/*/**//**//**//**/k", path));
	assert_true(ignore_glob("**/a/**/b/**/c", "a/b/a/x/b/c/b/y/c"));
	assert_true(ignore_glob("**/a/**/b/**/c/**/d/**/e/**/f", "a/b/c/d/e/f"));
	assert_false(ignore_glob("**/a/**/b/**/c", "a/c/b/x"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(globs_fit_by_parts),
	    cmocka_unit_test(the_nearest_file_and_its_last_line_decide),
	    cmocka_unit_test(a_hostile_pattern_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
