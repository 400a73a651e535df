/* tools/plain_config: which new configurations run nothing. */
#include "tools/plain_config.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "unit.h"

static char git[4096], workspace[4096];

static void begin(void)
{
	assert_int_equal(mkdir(unit_path("r"), 0755), 0);
	assert_int_equal(mkdir(unit_path("r/.git"), 0755), 0);
	assert_non_null(realpath(unit_path("r/.git"), git));
	assert_non_null(realpath(unit_path(""), workspace));
}

static bool plain(const char *text)
{
	int fd = open(git, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	FILE *file = fopen(unit_path("r/.git/config"), "w");
	bool good;

	assert_true(fd >= 0);
	assert_non_null(file);
	fputs(text, file);
	assert_int_equal(fclose(file), 0);
	good = plain_config(fd, git, "config", workspace);
	close(fd);
	return good;
}

static void only_what_git_itself_writes_is_plain(void **state)
{
	static const struct {
		const char *text;
		bool plain;
	} rows[] = {
	    {"", true},
	    {"[core]\n\tbare = false\n\tfilemode = true\n# x\n", true},
	    {"[remote \"origin\"]\n\turl = /a:b\n\tfetch = +refs/heads/*:refs/remotes/origin/*\n",
		true},
	    {"[remote \"origin\"]\n\turl = ext::sh -c evil\n", false},
	    {"[branch \"main\"]\n\tremote = ext::evil\n", false},
	    {"[core] pager = evil\n", false},
	    {"[core]\n\tpa\\\nger = evil\n", false},
	    {"[include]\n\tpath = evil\n", false},
	    {"[core]\n\tworktree = ..\n", true},
	    {"[core]\n\tworktree = ../..\n", false},
	    {"[core]\n\tworktree = /\n", false},
	    {"[core]\n\tworktree = \"..\"\n", false},
	    {"[core]\n\tworktree = ../missing\n", false},
	};

	begin();
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		if (plain(rows[i].text) != rows[i].plain)
			fail_msg("%s", rows[i].text);
}

static void what_cannot_be_read_is_not_plain(void **state)
{
	int fd;

	begin();
	fd = open(git, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(plain_config(fd, git, "missing", workspace));
	assert_int_equal(symlink("config", unit_path("r/.git/link")), 0);
	assert_false(plain_config(fd, git, "link", workspace));
	assert_int_equal(mkdir(unit_path("r/.git/directory"), 0755), 0);
	assert_false(plain_config(fd, git, "directory", workspace));
	assert_int_equal(mkfifo(unit_path("r/.git/pipe"), 0644), 0);
	assert_false(plain_config(fd, git, "pipe", workspace));
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    with_dir(only_what_git_itself_writes_is_plain),
	    with_dir(what_cannot_be_read_is_not_plain),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
