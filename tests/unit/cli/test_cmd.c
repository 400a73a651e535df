/* cli/cmd: the table of commands, its help, and what is no command. */
#include "cli/child.h"

#include "cli/cmd.h"
#include "protocol/version.h"

static struct buf out, err;

/* Run `opta` with these words; the exit code. */
static int run_words(const void *data)
{
	char *words[8] = {(char *)(uintptr_t) "opta"};
	const char *const *from = data;
	int n = 1;

	for (; *from; from++)
		words[n++] = (char *)(uintptr_t)*from;
	return cmd_run(n, words);
}

#define run(...) child_run(false, run_words, (const char *const[]){__VA_ARGS__, NULL}, &out, &err)

static int finish(void **state)
{
	buf_finish(&out);
	buf_finish(&err);
	return 0;
}

static void help_names_every_command_with_its_summary(void **state)
{
	struct buf first = {0};

	assert_int_equal(run("help"), EXIT_DONE);
	for (const struct cmd *c = cmds; c->name; c++) {
		assert_holds(buf_cstr(&out), c->name);
		assert_holds(buf_cstr(&out), c->summary);
	}
	assert_holds(buf_cstr(&out), OPTA_VERSION);
	buf_adds(&first, buf_cstr(&out));
	/* Whoever says nothing, or asks in another way, sees the same. */
	assert_int_equal(run(NULL), EXIT_DONE);
	assert_string_equal(buf_cstr(&out), buf_cstr(&first));
	assert_int_equal(run("--help"), EXIT_DONE);
	assert_string_equal(buf_cstr(&out), buf_cstr(&first));
	assert_int_equal(run("-h"), EXIT_DONE);
	assert_string_equal(buf_cstr(&out), buf_cstr(&first));
	assert_int_equal(err.len, 0);
	buf_finish(&first);
}

static void each_command_has_a_help_of_its_own(void **state)
{
	struct buf first = {0};

	for (const struct cmd *c = cmds; c->name; c++) {
		assert_int_equal(run("help", c->name), EXIT_DONE);
		assert_int_equal(strncmp(buf_cstr(&out), "usage: opta ", 12), 0);
		assert_holds(buf_cstr(&out), c->args);
		if (c->details)
			assert_holds(buf_cstr(&out), c->details);
		buf_clear(&first);
		buf_adds(&first, buf_cstr(&out));
		assert_int_equal(run(c->name, "--help"), EXIT_DONE);
		assert_string_equal(buf_cstr(&out), buf_cstr(&first));
		assert_int_equal(run(c->name, "-h"), EXIT_DONE);
		assert_string_equal(buf_cstr(&out), buf_cstr(&first));
	}
	buf_finish(&first);
}

static void what_is_no_command_is_refused_with_the_nearest(void **state)
{
	assert_int_equal(run("deamon"), EXIT_USAGE);
	assert_string_equal(buf_cstr(&err), "opta: there is no command \"deamon\"; did you mean "
					    "daemon?; see `opta help`\n");
	assert_int_equal(run("nothing-like-it"), EXIT_USAGE);
	assert_string_equal(
	    buf_cstr(&err), "opta: there is no command \"nothing-like-it\"; see `opta help`\n");
	assert_int_equal(run("help", "deamon"), EXIT_USAGE);
	assert_holds(buf_cstr(&err), "\"deamon\"");
	assert_int_equal(out.len, 0);
}

static void the_version_is_said_in_three_spellings(void **state)
{
	static const char *const words[] = {"--version", "-V", "version"};

	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(run(words[i]), EXIT_DONE);
		assert_string_equal(buf_cstr(&out), "opta " OPTA_VERSION "\n");
	}
}

static int demo(int argc, char **argv)
{
	for (int i = 0; i < argc; i++)
		printf("%s|", argv[i]);
	return 7;
}

static void a_command_gets_its_words_and_its_exit_code_is_the_programs(void **state)
{
	cmd_demo_main = demo;
	assert_int_equal(run("lmx", "demo", "--port", "0"), 7);
	assert_string_equal(buf_cstr(&out), "demo|--port|0|");
	assert_int_equal(run("lmx", "other"), EXIT_USAGE);
	assert_holds(buf_cstr(&err), "see `opta help lmx`");
	cmd_demo_main = NULL;
	assert_int_equal(run("lmx", "demo"), EXIT_USAGE);
}

static void settings_are_written_read_and_unset_without_a_daemon(void **state)
{
	setenv("OPTA_HOME", unit_path("home"), 1);
	assert_int_equal(run("config", "set", "connection.port", "4321"), EXIT_DONE);
	assert_int_equal(run("config", "get", "connection.port"), EXIT_DONE);
	assert_string_equal(buf_cstr(&out), "4321\n");
	assert_int_equal(run("config", "set", "connection.apiKey", "hush"), EXIT_DONE);
	assert_int_equal(run("config", "list"), EXIT_DONE);
	assert_holds(buf_cstr(&out), "4321");
	assert_holds(buf_cstr(&out), "(set)");
	assert_null(strstr(buf_cstr(&out), "hush"));
	assert_int_equal(run("config", "unset", "connection.port"), EXIT_DONE);
	assert_int_equal(run("config", "get", "connection.port"), EXIT_DONE);
	assert_string_equal(buf_cstr(&out), "1234\n");
	assert_int_equal(run("config", "set", "connection.port", "x"), EXIT_ERROR);
	assert_holds(buf_cstr(&err), "connection.port");
	assert_int_equal(run("config", "get", "connection.prot"), EXIT_ERROR);
	assert_holds(buf_cstr(&err), "did you mean connection.port?");
	assert_int_equal(run("config", "get"), EXIT_USAGE);
	unsetenv("OPTA_HOME");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(help_names_every_command_with_its_summary),
	    cmocka_unit_test(each_command_has_a_help_of_its_own),
	    cmocka_unit_test(what_is_no_command_is_refused_with_the_nearest),
	    cmocka_unit_test(the_version_is_said_in_three_spellings),
	    cmocka_unit_test(a_command_gets_its_words_and_its_exit_code_is_the_programs),
	    with_dir(settings_are_written_read_and_unset_without_a_daemon),
	};

	return cmocka_run_group_tests(tests, NULL, finish);
}
