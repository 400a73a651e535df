/* tools/workspace: paths made plain, and files that stay beneath the workspace. */
#include "tools/workspace.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "tools/tool.h"
#include "unit.h"

static void plain_is(const char *root, const char *path, bool inside, const char *want)
{
	struct buf out = {0};

	assert_int_equal(workspace_plain(root, path, &out), inside);
	assert_string_equal(buf_cstr(&out), want);
	buf_finish(&out);
}

static void a_path_is_made_plain_as_text(void **state)
{
	plain_is("/w/s", "a/b", true, "a/b");
	plain_is("/w/s", "./a//b/./c", true, "a/b/c");
	plain_is("/w/s", "a/../b", true, "b");
	plain_is("/w/s", ".", true, ".");
	plain_is("/w/s", "", true, ".");
	plain_is("/w/s/", "x/..", true, ".");
	plain_is("/w/s", "/w/s/a", true, "a");
	plain_is("/w/s", "/w/s", true, ".");
	plain_is("/w/s", "/w/sibling", false, "/w/sibling");
	plain_is("/w/s", "..", false, "/w");
	plain_is("/w/s", "../s/a", true, "a");
	plain_is("/w/s", "../../../../etc", false, "/etc");
	plain_is("/w/s", "/", false, "/");
	plain_is("/w/s", "a/../../s2/b", false, "/w/s2/b");
	plain_is("/", "etc", true, "etc");
}

static int fails(struct tool_call *call, const char *path, const char *says)
{
	int fd = workspace_open(call, path, O_RDONLY);

	if (fd >= 0) {
		close(fd);
		fail_msg("%s was opened", path);
	}
	assert_holds(buf_cstr(&call->text), says);
	buf_finish(&call->text);
	return 0;
}

static void begin(struct tool_call *call)
{
	static char root[300];

	assert_int_equal(mkdir(unit_path("ws"), 0755), 0);
	assert_int_equal(mkdir(unit_path("out"), 0755), 0);
	unit_write("out/file", "secret");
	snprintf(root, sizeof root, "%s/ws", unit_dir);
	*call = (struct tool_call){.root = root, .workspace = open(root, O_RDONLY | O_DIRECTORY)};
	assert_true(call->workspace >= 0);
}

static void links_that_lead_out_are_refused_and_those_within_are_followed(void **state)
{
	struct tool_call call;
	int fd;

	begin(&call);
	assert_int_equal(symlink(unit_path("out"), unit_path("ws/dir")), 0);
	assert_int_equal(symlink("../out/file", unit_path("ws/file")), 0);
	assert_int_equal(symlink("/proc/self/cwd", unit_path("ws/magic")), 0);
	unit_write("ws/real", "fine");
	assert_int_equal(symlink("real", unit_path("ws/alias")), 0);
	fails(&call, "dir/file", "outside the workspace");
	fails(&call, "file", "outside the workspace");
	fails(&call, "magic", "");
	fails(&call, unit_path("out/file"), "outside the workspace");
	fails(&call, "../out/file", "outside the workspace");
	fails(&call, "none", "does not exist");
	fd = workspace_open(&call, "alias", O_RDONLY);
	assert_true(fd >= 0);
	close(fd);
	/* A permission that named the path opens just that path, through no link. */
	call.outside = true;
	fd = workspace_open(&call, unit_path("out/file"), O_RDONLY);
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(symlink(unit_path("out"), unit_path("way")), 0);
	fails(&call, unit_path("way/file"), "symbolic link");
	close(call.workspace);
}

static void a_write_replaces_by_rename_keeps_the_mode_and_makes_the_way(void **state)
{
	struct tool_call call;
	struct buf out = {0};
	struct stat before, after;
	mode_t mode;

	begin(&call);
	assert_true(workspace_write(&call, "a/b/c", "one", 3, 0640));
	assert_int_equal(stat(unit_path("ws/a/b/c"), &before), 0);
	assert_int_equal(before.st_mode & 07777, 0640);
	assert_true(workspace_write(&call, "a/b/c", "two!", 4, 0600));
	assert_int_equal(stat(unit_path("ws/a/b/c"), &after), 0);
	assert_true(before.st_ino != after.st_ino);
	assert_int_equal(workspace_read(&call, "a/b/c", &out, &mode), 0);
	assert_string_equal(buf_cstr(&out), "two!");
	assert_int_equal(mode, 0600);
	buf_finish(&out);
	/* Not over a link, a directory, nor through one. */
	assert_int_equal(symlink(unit_path("out/file"), unit_path("ws/link")), 0);
	assert_false(workspace_write(&call, "link", "x", 1, 0600));
	assert_false(workspace_write(&call, "a", "x", 1, 0600));
	assert_int_equal(symlink(unit_path("out"), unit_path("ws/away")), 0);
	assert_false(workspace_write(&call, "away/new", "x", 1, 0600));
	assert_false(workspace_write(&call, "../new", "x", 1, 0600));
	assert_int_equal(access(unit_path("out/new"), F_OK), -1);
	buf_finish(&call.text);
	close(call.workspace);
}

static void a_file_that_is_not_what_was_shown_is_told(void **state)
{
	struct tool_call call;
	struct buf one = {.p = (char *)(uintptr_t) "one", .len = 3};
	char shown[TOOL_STATE_SIZE];

	begin(&call);
	workspace_state(&call, &one);
	snprintf(shown, sizeof shown, "%s", call.state);
	/* sha256sum of "one" */
	assert_string_equal(
	    shown, "7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed");
	assert_true(workspace_unchanged(&call, NULL));
	call.expect = shown;
	assert_true(workspace_unchanged(&call, &one));
	assert_false(workspace_unchanged(&call, NULL));
	assert_true(call.changed);
	buf_finish(&call.text);
	close(call.workspace);
}

/* Swaps the directory ws/d and a link that leads out for each other, as fast as it can. */
static atomic_bool racing;

static void *swap_for_ever(void *data)
{
	char a[256], b[256];

	snprintf(a, sizeof a, "%s/ws/d", unit_dir);
	snprintf(b, sizeof b, "%s/ws/e", unit_dir);
	while (atomic_load(&racing))
		renameat2(AT_FDCWD, a, AT_FDCWD, b, RENAME_EXCHANGE);
	return NULL;
}

static void a_link_swapped_in_between_leads_nowhere_in_100000_tries(void **state)
{
	unsigned opened = 0, refused = 0, leaked = 0;
	struct tool_call call;
	pthread_t thread;

	begin(&call);
	assert_int_equal(mkdir(unit_path("ws/d"), 0755), 0);
	unit_write("ws/d/file", "inside");
	assert_int_equal(symlink(unit_path("out"), unit_path("ws/e")), 0);
	atomic_store(&racing, true);
	assert_int_equal(pthread_create(&thread, NULL, swap_for_ever, NULL), 0);
	for (int i = 0; i < 100000; i++) {
		int fd = workspace_open(&call, "d/file", O_RDONLY);
		char text[16] = "";

		if (fd < 0) {
			refused++;
			continue;
		}
		if (read(fd, text, sizeof text - 1) > 0 && strcmp(text, "inside") != 0)
			leaked++;
		opened++;
		close(fd);
		/* Writing must not get out either; now and then, as it costs an fsync. */
		if (i % 1000 == 0 && workspace_write(&call, "d/new", "x", 1, 0600))
			leaked += access(unit_path("out/new"), F_OK) == 0;
	}
	atomic_store(&racing, false);
	pthread_join(thread, NULL);
	buf_finish(&call.text);
	close(call.workspace);
	assert_int_equal(leaked, 0);
	assert_int_equal(access(unit_path("out/new"), F_OK), -1);
	/* Both sides of the race were met, else it proved nothing. */
	assert_true(opened > 100 && refused > 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_path_is_made_plain_as_text),
	    with_dir(links_that_lead_out_are_refused_and_those_within_are_followed),
	    with_dir(a_write_replaces_by_rename_keeps_the_mode_and_makes_the_way),
	    with_dir(a_file_that_is_not_what_was_shown_is_told),
	    with_dir(a_link_swapped_in_between_leads_nowhere_in_100000_tries),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
