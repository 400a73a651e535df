/*
 * tools/control_group against a tree of ordinary directories: which group is chosen, and what is
 * swept away. Making groups needs the kernel (tests/wire/test_control_group.py).
 */
#include "tools/control_group.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "unit.h"

/* A group with this process in it, which gives its own groups these controllers. */
static void make_group(const char *name, const char *controllers)
{
	char path[200], pid[32];

	assert_true(mkdir(unit_path(name), 0755) == 0 || errno == EEXIST);
	snprintf(path, sizeof path, "%s/cgroup.subtree_control", name);
	unit_write(path, controllers);
	snprintf(path, sizeof path, "%s/cgroup.procs", name);
	snprintf(pid, sizeof pid, "1\n%d\n", (int)getpid());
	unit_write(path, pid);
}

/* The parent found in the tree, relative to its root; NULL: none. */
static const char *find(const char *self)
{
	static char path[CONTROL_GROUP_MAX_PATH];

	if (!control_group_find_parent(unit_dir, self, path))
		return NULL;
	assert_true(strncmp(path, unit_dir, strlen(unit_dir)) == 0);
	return path + strlen(unit_dir);
}

static void the_nearest_group_that_divides_memory_is_the_parent(void **state)
{
	make_group(".", "cpu memory pids\n");
	make_group("a", "cpu memory pids\n");
	make_group("a/b", "cpu\n");
	make_group("a/b/c", "\n");
	assert_string_equal(find("0::/a/b/c\n"), "/a");
	assert_string_equal(find("12:memory:/x\n1:name=systemd:/y\n0::/a/b\n"), "/a");
	assert_string_equal(find("0::/a\n"), "/a");
	assert_string_equal(find("0::/\n"), "/");
}

static void where_no_group_divides_memory_there_is_no_parent(void **state)
{
	make_group(".", "cpu pids\n");
	make_group("a", "cpu memory_of_another_name\n");
	assert_null(find("0::/a\n"));
	assert_null(find("0::/\n"));
}

static void a_group_that_bounds_our_memory_is_not_left(void **state)
{
	make_group(".", "memory\n");
	make_group("a", "\n");
	make_group("a/b", "\n");
	unit_write("a/memory.max", "max\n");
	assert_string_equal(find("0::/a/b\n"), "");
	unit_write("a/memory.max", "1073741824\n");
	assert_null(find("0::/a/b\n"));
}

static void a_group_without_us_is_not_ours_to_leave(void **state)
{
	make_group(".", "memory\n");
	make_group("a", "\n");
	unit_write("a/cgroup.procs", "1\n");
	assert_null(find("0::/a\n"));
	assert_null(find("0::/gone\n"));
}

static void a_self_that_names_no_group_of_the_tree_has_no_parent(void **state)
{
	static char longest[CONTROL_GROUP_MAX_PATH + 10];

	make_group(".", "memory\n");
	memset(longest, 'a', sizeof longest - 1);
	memcpy(longest, "0::/", 4);
	assert_null(find(longest));
	assert_null(find(""));
	assert_null(find("0::"));
	assert_null(find("12:memory:/\n"));
	assert_null(find("0::/../outside\n"));
}

static int open_dir(const char *name)
{
	int fd = open(unit_path(name), O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

static void a_leftover_is_swept_and_what_somebody_holds_is_not(void **state)
{
	int parent, held;

	assert_int_equal(mkdir(unit_path("opta-call-1-0"), 0755), 0);
	assert_int_equal(mkdir(unit_path("opta-call-2-0"), 0755), 0);
	assert_int_equal(mkdir(unit_path("opta-daemon"), 0755), 0);
	assert_int_equal(mkdir(unit_path("other"), 0755), 0);
	parent = open_dir(".");
	held = open_dir("opta-call-2-0");
	assert_int_equal(flock(held, LOCK_EX | LOCK_NB), 0);
	control_group_sweep(parent);
	assert_int_equal(access(unit_path("opta-call-1-0"), F_OK), -1);
	assert_int_equal(access(unit_path("opta-call-2-0"), F_OK), 0);
	assert_int_equal(access(unit_path("opta-daemon"), F_OK), 0);
	assert_int_equal(access(unit_path("other"), F_OK), 0);
	close(held);
	control_group_sweep(parent);
	assert_int_equal(access(unit_path("opta-call-2-0"), F_OK), -1);
	close(parent);
}

static void names_differ_by_slot_and_what_is_gone_counts_as_removed(void **state)
{
	char one[CONTROL_GROUP_MAX_NAME], two[CONTROL_GROUP_MAX_NAME];
	int parent = open_dir(".");

	control_group_name(one, 0);
	control_group_name(two, 1);
	assert_string_not_equal(one, two);
	control_group_name(two, 0);
	assert_string_equal(one, two);
	assert_int_equal(mkdirat(parent, one, 0755), 0);
	assert_true(control_group_remove(parent, one));
	assert_true(control_group_remove(parent, one));
	assert_int_equal(access(unit_path(one), F_OK), -1);
	close(parent);
}

static void a_directory_that_is_no_group_cannot_be_made_one(void **state)
{
	struct control_group g;
	int parent = open_dir(".");

	assert_false(control_group_make(parent, "opta-call-1-0", 16, 16, &g));
	assert_int_equal(g.dir, -1);
	assert_int_equal(g.memory, -1);
	assert_int_equal(access(unit_path("opta-call-1-0"), F_OK), -1);
	assert_false(control_group_make(-1, "opta-call-1-0", 16, 16, &g));
	close(parent);
}

static void only_its_own_limits_end_a_call(void **state)
{
	static const struct {
		const char *memory, *processes;
		enum control_group_limit passed;
	} cases[] = {
	    {"low 0\nmax 12\noom 1\noom_kill 3\noom_group_kill 1\n", "max 0\n",
		CONTROL_GROUP_MEMORY},
	    {"low 0\nmax 0\noom 0\noom_kill 3\noom_group_kill 1\n", "max 0\n",
		CONTROL_GROUP_NO_LIMIT},
	    {"low 0\nmax 9\noom 2\noom_kill 0\n", "max 0\n", CONTROL_GROUP_NO_LIMIT},
	    {"low 0\nmax 9\noom 0\noom_kill 0\n", "max 7\n", CONTROL_GROUP_PROCESSES},
	    {"", "", CONTROL_GROUP_NO_LIMIT},
	};
	struct control_group g = {-1, -1, -1};

	assert_int_equal(control_group_passed(&g), CONTROL_GROUP_NO_LIMIT);
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		unit_write("memory.events", cases[i].memory);
		unit_write("pids.events", cases[i].processes);
		g.memory = open(unit_path("memory.events"), O_RDONLY | O_CLOEXEC);
		g.processes = open(unit_path("pids.events"), O_RDONLY | O_CLOEXEC);
		assert_int_equal(control_group_passed(&g), cases[i].passed);
		control_group_close(&g);
		control_group_close(&g);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    with_dir(the_nearest_group_that_divides_memory_is_the_parent),
	    with_dir(where_no_group_divides_memory_there_is_no_parent),
	    with_dir(a_group_that_bounds_our_memory_is_not_left),
	    with_dir(a_group_without_us_is_not_ours_to_leave),
	    with_dir(a_self_that_names_no_group_of_the_tree_has_no_parent),
	    with_dir(a_leftover_is_swept_and_what_somebody_holds_is_not),
	    with_dir(names_differ_by_slot_and_what_is_gone_counts_as_removed),
	    with_dir(a_directory_that_is_no_group_cannot_be_made_one),
	    with_dir(only_its_own_limits_end_a_call),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
