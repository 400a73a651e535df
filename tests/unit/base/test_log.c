/* The daemon's log. */
#include "unit.h"

#include <fcntl.h>
#include <poll.h>
#include <regex.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"
#include "base/log.h"

static struct buf content;

static const char *read_log(const char *name)
{
	buf_clear(&content);
	file_read(unit_path(name), LOG_MAX_BYTES * 2, &content, NULL);
	return buf_cstr(&content);
}

static void open_log(void)
{
	struct err err = {0};

	log_set_level(LOG_INFO);
	if (log_open(unit_path("daemon.log"), false, &err) != 0)
		fail_msg("%s", err.text);
}

static int close_and_remove(void **state)
{
	log_close();
	buf_finish(&content);
	return unit_remove_dir(state);
}

/* Wait until the file name is there, at most five seconds. */
static void wait_for(const char *name)
{
	for (int i = 0; access(unit_path(name), F_OK) != 0; i++) {
		assert_true(i < 1000);
		poll(NULL, 0, 5);
	}
}

static void a_line_has_time_level_and_text(void **state)
{
	regex_t re;

	open_log();
	log_info("daemon started on %s:%d", "127.0.0.1", 9999);
	log_warn("careful");
	log_error("bad");
	log_close();
	assert_int_equal(
	    regcomp(&re,
		"^\\[[0-2][0-9]:[0-5][0-9]:[0-6][0-9]\\] INFO  daemon started on 127.0.0.1:9999\n"
		"\\[[0-9:]{8}\\] WARN  careful\n\\[[0-9:]{8}\\] ERROR bad\n$",
		REG_EXTENDED | REG_NOSUB),
	    0);
	if (regexec(&re, read_log("daemon.log"), 0, NULL, 0) != 0)
		fail_msg("%s", content.p);
	regfree(&re);
}

static void lines_below_the_level_are_dropped(void **state)
{
	open_log();
	log_debug("one");
	log_set_level(LOG_WARN);
	log_info("two");
	log_warn("three");
	log_set_level(LOG_DEBUG);
	log_debug("four");
	log_close();
	read_log("daemon.log");
	assert_null(strstr(content.p, "one"));
	assert_null(strstr(content.p, "two"));
	assert_holds(content.p, "three");
	assert_holds(content.p, "DEBUG four");
}

static void control_characters_cannot_forge_a_line(void **state)
{
	open_log();
	log_info("a\r\n[00:00:00] ERROR forged\x1B[2J\x7F\tz");
	log_close();
	read_log("daemon.log");
	assert_int_equal(content.p[content.len - 1], '\n');
	for (size_t i = 0; i + 1 < content.len; i++)
		assert_true((unsigned char)content.p[i] >= 0x20 && content.p[i] != 0x7F);
	assert_holds(content.p, "a  [00:00:00] ERROR forged [2J  z\n");
}

static void a_long_line_is_cut_and_still_ends(void **state)
{
	char longer[3000];

	memset(longer, 'x', sizeof longer - 1);
	longer[sizeof longer - 1] = '\0';
	open_log();
	log_info("%s", longer);
	log_info("next");
	log_close();
	read_log("daemon.log");
	assert_true(content.len < 1200);
	assert_holds(content.p, "xxx\n[");
	assert_holds(content.p, "next\n");
}

static void the_file_is_the_owners_only_and_is_appended_to(void **state)
{
	struct stat st;

	open_log();
	log_info("first");
	log_close();
	open_log();
	log_info("second");
	log_close();
	assert_int_equal(stat(unit_path("daemon.log"), &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	read_log("daemon.log");
	assert_true(strstr(content.p, "first") < strstr(content.p, "second"));
}

static void a_full_log_is_renamed_and_begun_anew(void **state)
{
	unit_write("daemon.log", "the old log\n");
	unit_write("daemon.log.1", "the older log\n");
	assert_int_equal(truncate(unit_path("daemon.log"), LOG_MAX_BYTES - 10), 0);
	open_log();
	log_info("after");
	log_close();
	read_log("daemon.log");
	assert_true(content.len < 100);
	assert_holds(content.p, "after");
	read_log("daemon.log.1");
	assert_int_equal(content.len, LOG_MAX_BYTES - 10);
	assert_memory_equal(content.p, "the old log\n", 12);
}

static void a_log_below_its_limit_is_not_renamed(void **state)
{
	unit_write("daemon.log", "x");
	assert_int_equal(truncate(unit_path("daemon.log"), LOG_MAX_BYTES - 1000), 0);
	open_log();
	log_info("after");
	log_close();
	assert_int_not_equal(access(unit_path("daemon.log.1"), F_OK), 0);
	read_log("daemon.log");
	assert_true(content.len > LOG_MAX_BYTES - 1000);
}

static void reopening_after_a_rename_makes_a_new_file(void **state)
{
	open_log();
	log_info("before");
	for (int i = 0; !strstr(read_log("daemon.log"), "before"); i++) {
		assert_true(i < 1000);
		poll(NULL, 0, 5);
	}
	assert_int_equal(rename(unit_path("daemon.log"), unit_path("moved")), 0);
	log_reopen();
	wait_for("daemon.log");
	log_info("behind");
	log_close();
	assert_holds(read_log("daemon.log"), "behind");
	assert_null(strstr(content.p, "before"));
}

static void a_symlink_or_a_fifo_is_no_log(void **state)
{
	struct err err = {0};

	unit_write("victim", "mine");
	assert_int_equal(symlink("victim", unit_path("link")), 0);
	assert_int_equal(log_open(unit_path("link"), false, &err), -ELOOP);
	assert_holds(err.text, "link");
	assert_int_equal(mkfifo(unit_path("fifo"), 0600), 0);
	assert_int_not_equal(log_open(unit_path("fifo"), false, &err), 0);
	log_info("nowhere");
	assert_string_equal(read_log("victim"), "mine");
}

static void lines_without_a_log_go_nowhere(void **state)
{
	log_error("nobody hears this");
	open_log();
	log_close();
	assert_string_equal(read_log("daemon.log"), "");
}

static void levels_are_named(void **state)
{
	enum log_level level = LOG_WARN;

	assert_true(log_level_parse("debug", &level));
	assert_int_equal(level, LOG_DEBUG);
	assert_true(log_level_parse("error", &level));
	assert_int_equal(level, LOG_ERROR);
	assert_false(log_level_parse("INFO", &level));
	assert_false(log_level_parse("", &level));
	assert_int_equal(level, LOG_ERROR);
}

#define logs(test) cmocka_unit_test_setup_teardown(test, unit_make_dir, close_and_remove)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    logs(a_line_has_time_level_and_text),
	    logs(lines_below_the_level_are_dropped),
	    logs(control_characters_cannot_forge_a_line),
	    logs(a_long_line_is_cut_and_still_ends),
	    logs(the_file_is_the_owners_only_and_is_appended_to),
	    logs(a_full_log_is_renamed_and_begun_anew),
	    logs(a_log_below_its_limit_is_not_renamed),
	    logs(reopening_after_a_rename_makes_a_new_file),
	    logs(a_symlink_or_a_fifo_is_no_log),
	    logs(lines_without_a_log_go_nowhere),
	    cmocka_unit_test(levels_are_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
