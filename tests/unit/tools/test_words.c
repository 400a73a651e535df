/* tools/words: which files a command may name. */
#include "tools/words.h"

#include <string.h>

#include "base/buf.h"
#include "unit.h"

static void note(void *data, const char *word)
{
	buf_addf(data, "<%s>", word);
}

static void words_are_found_however_a_shell_would_come_to_them(void **state)
{
	static const struct {
		const char *command, *word;
	} rows[] = {
	    {"tools/fs", "tools/fs"},
	    {"$PWD/tools/fs", "tools/fs"},
	    {"${PWD}/tools/fs", "tools/fs"},
	    {"\"$PWD\"/tools/fs x", "tools/fs"},
	    {"`pwd`/tools/fs", "tools/fs"},
	    {"$(git rev-parse --show-toplevel)/tools/fs", "tools/fs"},
	    {"$(cd $(dirname x) && pwd)/tools/fs", "tools/fs"},
	    {"$GIT_DIR/../tools/fs", "../tools/fs"},
	    {"cd tools && ./fs", "tools/./fs"},
	    {"./fs; cd tools", "tools/./fs"},
	    {"git -C tools run x", "tools/x"},
	    {"to'ols'/fs", "tools/fs"},
	    {"\"tools/f s\"", "tools/f s"},
	    {"tools/f\\ s", "tools/f s"},
	    {"to\\ols/fs", "tools/fs"},
	    {"'it'\\''s/x'", "it's/x"},
	    {"sh -c 'tools/fs'", "tools/fs"},
	    {"sh -c 'cd \"$X\" && tools/fs'", "tools/fs"},
	    {"ssh -Ftools/fs", "tools/fs"},
	    {"x --file=tools/fs", "tools/fs"},
	    {"vim -Stools/fs", "tools/fs"},
	    {"env A=tools/fs x", "tools/fs"},
	    {"PATH=tools:$PATH fs", "tools/fs"},
	    {"python3 -m tools.fs", "tools/fs.py"},
	    {"python3 -m tools", "tools/__main__.py"},
	    {"sh ${X:-tools/fs}", "tools/fs"},
	    {"ext::sh tools/fs", "tools/fs"},
	    {"!f() { tools/st; }; f", "tools/st"},
	    {"/x//y z", "/x//y"},
	};
	struct buf found = {0};
	char want[100];

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		buf_clear(&found);
		words_find(rows[i].command, &found, note);
		snprintf(want, sizeof want, "<%s>", rows[i].word);
		if (!strstr(buf_cstr(&found), want))
			fail_msg("%s: %s", rows[i].command, buf_cstr(&found));
	}
	buf_finish(&found);
}

static void what_does_not_end_ends(void **state)
{
	static const char *const rows[] = {
	    "", "$", "`", "$(", "${", "'", "\"", "\\", "$(((", "a$", "=", "-", "cd", "PATH=", ":"};
	struct buf found = {0};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		words_find(rows[i], &found, note);
	buf_finish(&found);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(words_are_found_however_a_shell_would_come_to_them),
	    cmocka_unit_test(what_does_not_end_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
