/* Where opta keeps things. */
#include "unit.h"

#include "base/err.h"
#include "base/paths.h"

static int clear(void **state)
{
	unsetenv("OPTA_HOME");
	unsetenv("XDG_CONFIG_HOME");
	setenv("HOME", "/home/me", 1);
	return 0;
}

static void home_is(const char *want)
{
	struct err err = {0};
	struct paths p;

	if (paths_init(&p, &err) != 0)
		fail_msg("%s", err.text);
	assert_string_equal(p.home, want);
}

static void refused(const char *says)
{
	struct err err = {0};
	struct paths p;

	assert_int_equal(paths_init(&p, &err), -EINVAL);
	assert_holds(err.text, says);
}

static void opta_home_is_taken_as_it_is(void **state)
{
	setenv("OPTA_HOME", "/x/y", 1);
	setenv("XDG_CONFIG_HOME", "/xdg", 1);
	home_is("/x/y");
	setenv("OPTA_HOME", "/x/y//", 1);
	home_is("/x/y");
}

static void xdg_comes_before_home(void **state)
{
	setenv("XDG_CONFIG_HOME", "/xdg", 1);
	home_is("/xdg/opta");
}

static void home_is_the_last_of_the_three(void **state)
{
	home_is("/home/me/.config/opta");
}

static void an_empty_variable_is_none(void **state)
{
	setenv("OPTA_HOME", "", 1);
	setenv("XDG_CONFIG_HOME", "", 1);
	home_is("/home/me/.config/opta");
}

static void without_home_the_password_file_is_asked(void **state)
{
	struct paths p;

	unsetenv("HOME");
	assert_int_equal(paths_init(&p, NULL), 0);
	assert_int_equal(p.home[0], '/');
	assert_holds(p.home, "/.config/opta");
}

static void a_relative_home_is_refused_with_its_name(void **state)
{
	setenv("OPTA_HOME", "x/y", 1);
	refused("OPTA_HOME");
	unsetenv("OPTA_HOME");
	setenv("HOME", "me", 1);
	refused("HOME");
}

/* XDG Base Directory: relative paths are invalid and to be ignored. */
static void a_relative_xdg_directory_is_ignored(void **state)
{
	setenv("XDG_CONFIG_HOME", "xdg", 1);
	home_is("/home/me/.config/opta");
}

/* Whatever length is accepted, each path is home and its tail, whole. */
static void a_home_is_whole_in_each_path_or_too_long(void **state)
{
	char home[1200];
	unsigned accepted = 0, refusals = 0;

	for (size_t n = 900; n < 1100; n++) {
		struct err err = {0};
		struct paths p;
		size_t tail = strlen("/sessions/opta.db");

		memset(home, 'h', n);
		home[0] = '/';
		home[n] = '\0';
		setenv("OPTA_HOME", home, 1);
		if (paths_init(&p, &err) != 0) {
			assert_holds(err.text, "too long");
			refusals++;
			continue;
		}
		assert_string_equal(p.home, home);
		assert_int_equal(strlen(p.database), n + tail);
		assert_string_equal(p.database + n, "/sessions/opta.db");
		assert_string_equal(p.daemon_lock + n, "/daemon/daemon.lock");
		accepted++;
	}
	assert_true(accepted > 50);
	assert_true(refusals > 50);
}

static void everything_is_below_home(void **state)
{
	struct paths p;

	setenv("OPTA_HOME", "/o", 1);
	assert_int_equal(paths_init(&p, NULL), 0);
	assert_string_equal(p.config, "/o/config.json");
	assert_string_equal(p.daemon_dir, "/o/daemon");
	assert_string_equal(p.state, "/o/daemon/state.json");
	assert_string_equal(p.log, "/o/daemon/daemon.log");
	assert_string_equal(p.daemon_lock, "/o/daemon/daemon.lock");
	assert_string_equal(p.start_lock, "/o/start.lock");
	assert_string_equal(p.sessions_dir, "/o/sessions");
	assert_string_equal(p.sessions_lock, "/o/sessions/lock");
	assert_string_equal(p.database, "/o/sessions/opta.db");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(opta_home_is_taken_as_it_is, clear),
	    cmocka_unit_test_setup(xdg_comes_before_home, clear),
	    cmocka_unit_test_setup(home_is_the_last_of_the_three, clear),
	    cmocka_unit_test_setup(an_empty_variable_is_none, clear),
	    cmocka_unit_test_setup(without_home_the_password_file_is_asked, clear),
	    cmocka_unit_test_setup(a_relative_home_is_refused_with_its_name, clear),
	    cmocka_unit_test_setup(a_relative_xdg_directory_is_ignored, clear),
	    cmocka_unit_test_setup(a_home_is_whole_in_each_path_or_too_long, clear),
	    cmocka_unit_test_setup(everything_is_below_home, clear),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
