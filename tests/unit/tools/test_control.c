/* tools/control: which files the person's own programs run things from. */
#include "tools/control.h"

#include <sys/stat.h>

#include "unit.h"

static void names_and_places_are_told_apart(void **state)
{
	static const struct {
		const char *path, *workspace;
		bool control;
	} rows[] = {
	    {"/w/a.c", "/w", false},
	    {"/w/.git/config", "/w", true},
	    {"/w/.git", "/w", true},
	    {"/w/sub/.GIT/hooks/x", "/w", true},
	    {"/w/.gitignore", "/w", false},
	    {"/w/.github/workflows/x.yml", "/w", false},
	    {"/w/.gitattributes", "/w", true},
	    {"/w/git/config", "/w", false},
	    {"/w/.envrc", "/w", true},
	    {"/w/.env", "/w", false},
	    {"/w/a/.vscode/tasks.json", "/w", true},
	    {"/w/x.code-workspace", "/w", true},
	    {"/w/.code-workspace", "/w", false},
	    {"/w/x.sublime-project", "/w", true},
	    {"/w/mise.toml", "/w", true},
	    {"/w/.claude/settings.json", "/w", true},
	    {"/w/.mcp.json", "/w", true},
	    {"/w/.lvimrc", "/w", true},
	    {"/w/a/.autoenv.zsh", "/w", true},
	    {"/w/.vs/tasks.vs.json", "/w", true},
	    {"/w/.kiro/hooks/x", "/w", true},
	    {"/w/.windsurf/x", "/w", true},
	    {"/w/.Rprofile", "/w", true},
	    {"/w/CLAUDE.md", "/w", false},
	    {"/w/AGENTS.md", "/w", false},
	    {"/r/.git/x/file", "/r/.git/x", true},
	    {"/home/me/.bashrc", "/srv", true},
	    {"/home/me/.config/a", "/home/me", true},
	    {"/home/me/.config/a/b", "/home/me/.config/a", false},
	    {"/home/me/project/.config", "/home/me/project", false},
	    {"/home/other/.profile", "/srv", true},
	    {"/h/.profile", "/srv", true},
	    {"/h/x/.profile", "/srv", false},
	    {"/root/.ssh/config", "/srv", true},
	    {"/w", "/w", false},
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		if (control_is(rows[i].path, rows[i].workspace, "/h") != rows[i].control)
			fail_msg("%s in %s", rows[i].path, rows[i].workspace);
}

static void a_git_directory_is_one_by_what_it_holds_and_by_what_completes_it(void **state)
{
	char path[4096];
	static const char *const order[] = {"objects", "HEAD", "refs"};

	snprintf(path, sizeof path, "%s", unit_path("bare"));
	assert_int_equal(mkdir(path, 0755), 0);
	for (size_t i = 0; i < 3; i++) {
		char entry[5000];

		snprintf(entry, sizeof entry, "%s/%s", path, order[i]);
		assert_int_equal(control_is(entry, "/w", NULL), i == 2);
		assert_false(control_git_directory(path));
		assert_int_equal(mkdir(entry, 0755), 0);
	}
	assert_true(control_git_directory(path));
	assert_true(control_is(unit_path("bare/config"), "/w", NULL));
	assert_true(control_is(unit_path("bare/hooks/deep/x"), "/w", NULL));
	assert_false(control_is(unit_path("other"), "/w", NULL));
	/* A linked worktree's has its objects elsewhere. */
	assert_int_equal(mkdir(unit_path("linked"), 0755), 0);
	assert_int_equal(mkdir(unit_path("linked/commondir"), 0755), 0);
	assert_true(control_is(unit_path("linked/HEAD"), "/w", NULL));
	assert_false(control_is(unit_path("linked/config"), "/w", NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(names_and_places_are_told_apart),
	    with_dir(a_git_directory_is_one_by_what_it_holds_and_by_what_completes_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
