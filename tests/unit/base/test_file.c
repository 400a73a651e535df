/* base/file, base/log, base/os, base/paths: what touches the system. */
#include "base/file.h"

#include <errno.h>
#include <regex.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/os.h"
#include "base/paths.h"
#include "tests/lib/unit.h"

static char dir[64];

static const char *at(const char *name)
{
	static char path[4][128];
	static int turn;

	turn = (turn + 1) % 4;
	snprintf(path[turn], sizeof path[turn], "%s/%s", dir, name);
	return path[turn];
}

static void put(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void no_link_no_pipe_and_no_giant_is_read(void **state)
{
	struct buf b = {0};

	put(at("real"), "content");
	assert_int_equal(symlink(at("real"), at("link")), 0);
	assert_int_equal(mkfifo(at("pipe"), 0600), 0);
	assert_int_equal(file_read(at("real"), 7, &b, NULL), 0);
	assert_string_equal(buf_cstr(&b), "content");
	assert_int_equal(file_read(at("real"), 6, &b, NULL), ERR_LIMIT);
	assert_int_equal(file_read(at("link"), 100, &b, NULL), -ELOOP);
	assert_int_equal(file_read(at("pipe"), 100, &b, NULL), -EINVAL);
	assert_int_equal(file_read(at("none"), 100, &b, NULL), -ENOENT);
	assert_int_equal(file_read(dir, 100, &b, NULL), -EINVAL);
	assert_int_equal(b.len, 7);
	buf_finish(&b);
}

static void replacing_breaks_a_link_instead_of_following_it(void **state)
{
	struct buf b = {0};
	struct stat st;

	put(at("victim"), "untouched");
	assert_int_equal(symlink(at("victim"), at("state")), 0);
	assert_int_equal(file_replace(dir, "state", "new", 3, 0600, NULL), 0);
	assert_int_equal(file_read(at("victim"), 100, &b, NULL), 0);
	assert_string_equal(buf_cstr(&b), "untouched");
	assert_int_equal(lstat(at("state"), &st), 0);
	assert_true(S_ISREG(st.st_mode) && (st.st_mode & 0777) == 0600);
	assert_int_equal(symlink(dir, at("dirlink")), 0);
	assert_int_not_equal(file_replace(at("dirlink"), "x", "y", 1, 0600, NULL), 0);
	buf_finish(&b);
}

static void directories_are_made_private_and_never_through_a_last_link(void **state)
{
	struct stat st;

	assert_int_equal(file_make_dir(at("a/b/c"), NULL), 0);
	assert_int_equal(stat(at("a/b/c"), &st), 0);
	assert_int_equal(st.st_mode & 0777, 0700);
	assert_int_equal(file_make_dir(at("a/b/c"), NULL), 0);
	assert_int_equal(symlink(at("a"), at("toa")), 0);
	assert_int_equal(file_make_dir(at("toa"), NULL), -ELOOP);
	put(at("file"), "");
	assert_int_equal(file_make_dir(at("file"), NULL), -ENOTDIR);
}

static void a_log_line_has_the_documented_form_and_cannot_be_forged(void **state)
{
	struct buf b = {0};
	regex_t form;

	assert_int_equal(log_open(at("log"), false, NULL), 0);
	log_set_level(LOG_INFO);
	log_debug("not this");
	log_info("hello\n[10:00:00] ERROR forged \x1b[31m");
	log_close();
	assert_int_equal(file_read(at("log"), 1000, &b, NULL), 0);
	assert_int_equal(regcomp(&form,
			     "^\\[[0-2][0-9]:[0-5][0-9]:[0-5][0-9]\\] INFO  hello \\[10:00:00\\] "
			     "ERROR forged  \\[31m\n$",
			     REG_EXTENDED),
	    0);
	assert_int_equal(regexec(&form, buf_cstr(&b), 0, NULL, 0), 0);
	regfree(&form);
	buf_finish(&b);
}

static void a_log_is_renamed_before_it_is_too_large(void **state)
{
	char line[900];
	struct stat st;

	memset(line, 'x', sizeof line - 1);
	line[sizeof line - 1] = '\0';
	assert_int_equal(log_open(at("big"), false, NULL), 0);
	for (int i = 0; i < LOG_MAX_BYTES / 900 + 200; i++) {
		log_info("%s", line);
		/* Not faster than the thread writes, or lines are counted instead of kept. */
		if (i % 200 == 199) {
			log_close();
			assert_int_equal(log_open(at("big"), false, NULL), 0);
		}
	}
	log_close();
	assert_int_equal(stat(at("big"), &st), 0);
	assert_true(st.st_size < LOG_MAX_BYTES);
	assert_int_equal(stat(at("big.1"), &st), 0);
	assert_true(st.st_size <= LOG_MAX_BYTES);
}

static void times_are_iso_in_utc(void **state)
{
	char iso[CLOCK_ISO_SIZE];

	clock_iso(0, iso);
	assert_string_equal(iso, "1970-01-01T00:00:00.000Z");
	clock_iso(1795392001123, iso);
	assert_string_equal(iso, "2026-11-23T00:00:01.123Z");
	clock_iso(1795392001007, iso);
	assert_string_equal(iso, "2026-11-23T00:00:01.007Z");
}

static void a_zombie_and_a_stranger_count_as_dead(void **state)
{
	pid_t child = fork();

	if (child == 0)
		_exit(0);
	assert_true(os_process_start(getpid()) > 0);
	assert_true(os_process_wait_gone(child, 5000));
	assert_int_equal(os_process_start(child), 0);
	waitpid(child, NULL, 0);
	assert_int_equal(os_process_start(0), 0);
	assert_int_equal(os_process_start(-1), 0);
	assert_false(os_process_wait_gone(getpid(), 10));
}

static void homes_are_found_in_order(void **state)
{
	struct paths p;
	struct err err;

	setenv("HOME", "/home/me", 1);
	unsetenv("OPTA_HOME");
	unsetenv("XDG_CONFIG_HOME");
	assert_int_equal(paths_init(&p, NULL), 0);
	assert_string_equal(p.state, "/home/me/.config/opta/daemon/state.json");
	setenv("XDG_CONFIG_HOME", "relative", 1);
	assert_int_equal(paths_init(&p, NULL), 0);
	assert_string_equal(p.home, "/home/me/.config/opta");
	setenv("XDG_CONFIG_HOME", "/xdg", 1);
	assert_int_equal(paths_init(&p, NULL), 0);
	assert_string_equal(p.home, "/xdg/opta");
	setenv("OPTA_HOME", "/own/", 1);
	assert_int_equal(paths_init(&p, NULL), 0);
	assert_string_equal(p.sessions_lock, "/own/sessions/lock");
	setenv("OPTA_HOME", "relative", 1);
	assert_int_equal(paths_init(&p, &err), -EINVAL);
	assert_non_null(strstr(err.text, "absolute"));
}

static int make_dir(void **state)
{
	snprintf(dir, sizeof dir, "/tmp/opta-unit-XXXXXX");
	return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
	char command[100];

	snprintf(command, sizeof command, "rm -rf '%s'", dir);
	return system(command);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(no_link_no_pipe_and_no_giant_is_read),
	    cmocka_unit_test(replacing_breaks_a_link_instead_of_following_it),
	    cmocka_unit_test(directories_are_made_private_and_never_through_a_last_link),
	    cmocka_unit_test(a_log_line_has_the_documented_form_and_cannot_be_forged),
	    cmocka_unit_test(a_log_is_renamed_before_it_is_too_large),
	    cmocka_unit_test(times_are_iso_in_utc),
	    cmocka_unit_test(a_zombie_and_a_stranger_count_as_dead),
	    cmocka_unit_test(homes_are_found_in_order),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
