/*
 * cli/launch: starting optad. This program copies itself into a directory of its
 * own, where a script stands beside it that is called optad.
 */
#include "cli/child.h"

#include <sys/stat.h>

#include "base/err.h"
#include "base/file.h"
#include "base/os.h"
#include "base/paths.h"
#include "cli/launch.h"

/* What the copy does: launch, and say how it went. */
static int launch(void)
{
	struct paths paths;
	struct err err = {0};
	bool started = false;
	int rc = paths_init(&paths, &err);

	if (rc == 0)
		rc = launch_daemon(&paths, false, &started, &err);
	printf("%d %s: %s\n", rc, started ? "started" : "not started", err.text);
	return 0;
}

static int run_copy(const void *data)
{
	setenv("OPTA_HOME", unit_path("home"), 1);
	execl(unit_path("bin/opta"), "opta", "launch", NULL);
	return 127;
}

static int setup(void **state)
{
	struct buf self = {0};
	char path[4096];
	FILE *f;

	if (unit_make_dir(state) != 0 || os_self_path(path, sizeof path) != 0 ||
	    file_read(path, 256u << 20, &self, NULL) != 0 || mkdir(unit_path("bin"), 0700) != 0)
		return -1;
	f = fopen(unit_path("bin/opta"), "we");
	if (!f || fwrite(self.p, 1, self.len, f) != self.len || fclose(f) != 0)
		return -1;
	buf_finish(&self);
	return chmod(unit_path("bin/opta"), 0700);
}

/* Launch with an optad of these lines; what the copy said. */
static const char *launched(const char *where, const char *script)
{
	static struct buf out;
	static char said[1000];
	struct buf err = {0};

	if (script) {
		unit_write(where, script);
		assert_int_equal(chmod(unit_path(where), 0700), 0);
	}
	assert_int_equal(child_run(false, run_copy, NULL, &out, &err), 0);
	snprintf(said, sizeof said, "%s", buf_cstr(&out));
	buf_finish(&out);
	buf_finish(&err);
	return said;
}

static void a_daemon_that_says_ready_is_started(void **state)
{
	struct buf log = {0};

	assert_string_equal(launched("bin/optad", "#!/bin/sh\n"
						  "echo \"$*; $(pwd); $OPTA_HOME\"\n"
						  "echo complaint >&2\n"
						  "echo ready 1 2 >&3\n"),
	    "0 started: \n");
	/* What it says besides is in the log; it is in no directory it would hold. */
	assert_int_equal(file_read(unit_path("home/daemon/daemon.log"), 10000, &log, NULL), 0);
	assert_holds(buf_cstr(&log), "run --ready-fd 3; /; ");
	assert_holds(buf_cstr(&log), unit_path("home"));
	assert_holds(buf_cstr(&log), "complaint\n");
	buf_finish(&log);
}

static void it_inherits_nothing_but_what_it_is_told_of(void **state)
{
	/* The descriptors of the shell itself are those above 9, and its script. */
	const char *said = launched("bin/optad", "#!/bin/sh\n"
						 "for n in 4 5 6 7 8 9; do\n"
						 "  if { true >&$n; } 2>/dev/null; then\n"
						 "    echo \"error $n is open\" >&3; exit; fi\n"
						 "done\n"
						 "echo ready 1 2 >&3\n");

	assert_string_equal(said, "0 started: \n");
}

static void one_that_is_there_already_is_as_good(void **state)
{
	assert_string_equal(
	    launched("bin/optad", "#!/bin/sh\necho busy 1 >&3\n"), "0 not started: \n");
}

static void the_sentence_of_a_failure_is_the_daemons(void **state)
{
	const char *said = launched("bin/optad", "#!/bin/sh\necho error the port is taken >&3\n");

	assert_holds(said, "not started: the port is taken\n");
	assert_true(said[0] == '-');
}

static void a_daemon_that_dies_without_a_word_is_said_to(void **state)
{
	const char *said = launched("bin/optad", "#!/bin/sh\nexit 1\n");

	assert_holds(said, "not started: the daemon ended at once without a word");
	assert_holds(said, "daemon.log");
	said = launched("bin/optad", "#!/no/such/shell\n");
	assert_holds(said, "optad could not be run");
}

static void it_is_looked_for_where_install_puts_it(void **state)
{
	const char *said = launched(NULL, NULL);

	assert_holds(said, "optad, the daemon's program, is not beside opta in ");
	assert_int_equal(mkdir(unit_path("libexec"), 0700), 0);
	assert_int_equal(mkdir(unit_path("libexec/opta"), 0700), 0);
	assert_string_equal(
	    launched("libexec/opta/optad", "#!/bin/sh\necho ready 1 2 >&3\n"), "0 started: \n");
}

#define in_home(test) cmocka_unit_test_setup_teardown(test, setup, unit_remove_dir)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	    in_home(a_daemon_that_says_ready_is_started),
	    in_home(it_inherits_nothing_but_what_it_is_told_of),
	    in_home(one_that_is_there_already_is_as_good),
	    in_home(the_sentence_of_a_failure_is_the_daemons),
	    in_home(a_daemon_that_dies_without_a_word_is_said_to),
	    in_home(it_is_looked_for_where_install_puts_it),
	};

	if (argc > 1 && strcmp(argv[1], "launch") == 0)
		return launch();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
