/* tools/guards: the list of what a call must leave as it is. */
#include "tools/guards.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "unit.h"

static char workspace[4096];

static void begin(struct guards *g)
{
	/* As the supervisor has it: real. */
	assert_non_null(realpath(unit_path(""), workspace));
	guards_init(g, workspace, NULL, true);
}

static void touch(const char *name)
{
	FILE *file = fopen(unit_path(name), "w");

	assert_non_null(file);
	assert_int_equal(fclose(file), 0);
}

static const char *at(const char *name)
{
	static char path[5000];

	snprintf(path, sizeof path, "%s/%s", workspace, name);
	return path;
}

static void what_a_link_leads_to_is_guarded_and_named(void **state)
{
	struct guards g;

	begin(&g);
	assert_int_equal(mkdir(unit_path("d"), 0755), 0);
	touch("d/file");
	assert_int_equal(symlink("d", unit_path("way")), 0);
	assert_int_equal(symlink("way/file", unit_path(".envrc")), 0);
	assert_int_equal(symlink("later", unit_path(".exrc")), 0);
	guards_add(&g, at(".envrc"), true);
	guards_add(&g, at(".exrc"), true);
	assert_true(guards_known(&g, at("d/file"))->guard > 0);
	assert_true(g.all[0].readonly);
	assert_true(guards_names(&g, at("d/file")));
	assert_true(guards_names(&g, at("way")));
	assert_true(guards_names(&g, at("later")));
	assert_true(guards_names(&g, at("later/below")));
	assert_false(guards_names(&g, at("d/other")));
	assert_true(guards_knows_link(&g, at("way"), "d"));
	assert_false(guards_knows_link(&g, at("way"), "e"));
	assert_string_equal(g.missing, "");
	guards_finish(&g);
}

static void links_within_a_directory_lead_on(void **state)
{
	struct guards g;

	begin(&g);
	assert_int_equal(mkdir(unit_path("h"), 0755), 0);
	assert_int_equal(mkdir(unit_path("h/deep"), 0755), 0);
	assert_int_equal(mkdir(unit_path("t"), 0755), 0);
	touch("t/x");
	assert_int_equal(symlink("../../t", unit_path("h/deep/x")), 0);
	assert_int_equal(symlink("../h", unit_path("t/back")), 0);
	guards_add_named(&g, at("h"), true);
	assert_true(guards_names(&g, at("t/x")));
	assert_string_equal(g.missing, "");
	guards_finish(&g);
}

static void a_link_to_the_workspace_itself_is_missed(void **state)
{
	struct guards g;

	begin(&g);
	assert_int_equal(symlink(".", unit_path(".vscode")), 0);
	guards_add(&g, at(".vscode"), true);
	assert_non_null(strstr(g.missing, "leads to the workspace itself"));
	guards_finish(&g);
}

static void more_than_can_be_guarded_is_missed_and_not_known_as_guarded(void **state)
{
	struct guards g;
	char name[32];

	begin(&g);
	for (int i = 0; i <= GUARDS_MAX; i++) {
		snprintf(name, sizeof name, "f%d", i);
		touch(name);
		assert_string_equal(g.missing, "");
		guards_add(&g, at(name), true);
	}
	assert_non_null(strstr(g.missing, "more repositories here than can be guarded"));
	assert_int_equal(g.count, GUARDS_MAX);
	assert_int_equal(guards_known(&g, at(name))->guard, 0);
	guards_finish(&g);
}

static void a_chain_of_directories_of_links_ends(void **state)
{
	struct guards g;
	char name[32], target[32], link[64];

	begin(&g);
	for (int i = 0; i < 40; i++) {
		snprintf(name, sizeof name, "c%d", i);
		snprintf(target, sizeof target, "../c%d", i + 1);
		snprintf(link, sizeof link, "c%d/next", i);
		assert_int_equal(mkdir(unit_path(name), 0755), 0);
		assert_int_equal(symlink(target, unit_path(link)), 0);
	}
	guards_add_named(&g, at("c0"), true);
	assert_non_null(strstr(g.missing, "links lead from"));
	guards_finish(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    with_dir(what_a_link_leads_to_is_guarded_and_named),
	    with_dir(links_within_a_directory_lead_on),
	    with_dir(a_link_to_the_workspace_itself_is_missed),
	    with_dir(more_than_can_be_guarded_is_missed_and_not_known_as_guarded),
	    with_dir(a_chain_of_directories_of_links_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
