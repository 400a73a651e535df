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

/* `opta help NAME`, NAME of one or two words. */
static int run_help(const char *name, const char *before, const char *after)
{
	char first[40];
	const char *space = strchr(name, ' ');

	snprintf(first, sizeof first, "%.*s", space ? (int)(space - name) : 39, name);
	return space ? run(before ? before : first, before ? first : space + 1,
			   before ? space + 1 : after)
		     : run(before ? before : first, before ? first : after);
}

static void each_command_has_a_help_of_its_own(void **state)
{
	struct buf first = {0}, synopsis = {0};

	for (const struct cmd *c = cmds; c->name; c++) {
		assert_int_equal(run_help(c->name, "help", NULL), EXIT_DONE);
		buf_clear(&synopsis);
		buf_adds(&synopsis, "usage: ");
		cmd_put_synopsis(c, &synopsis);
		assert_int_equal(strncmp(buf_cstr(&out), buf_cstr(&synopsis), synopsis.len), 0);
		assert_holds(buf_cstr(&out), c->summary);
		for (const struct cmd_option *o = c->options; o && o->name; o++)
			assert_holds(buf_cstr(&out), o->help);
		if (c->max == CMD_RAW)
			continue;
		buf_clear(&first);
		buf_adds(&first, buf_cstr(&out));
		assert_int_equal(run_help(c->name, NULL, "--help"), EXIT_DONE);
		assert_string_equal(buf_cstr(&out), buf_cstr(&first));
		assert_int_equal(run_help(c->name, NULL, "-h"), EXIT_DONE);
		assert_string_equal(buf_cstr(&out), buf_cstr(&first));
	}
	buf_finish(&first);
	buf_finish(&synopsis);
}

static void options_and_words_are_checked_by_the_table(void **state)
{
	static const struct {
		const char *words[4], *says;
	} bad[] = {
	    {{"daemon"}, "daemon needs one of its commands; see `opta help daemon`"},
	    {{"daemon", "strat"}, "there is no command \"daemon strat\"; did you mean start?"},
	    {{"daemon", "logs", "--line=3"}, "daemon logs has no option \"--line=3\""},
	    {{"daemon", "logs", "--lines"}, "--lines needs a value: N"},
	    {{"daemon", "logs", "--lines", "x"}, "--lines must be a whole number"},
	    {{"daemon", "logs", "--follow=1"}, "--follow takes no value"},
	    {{"daemon", "status", "now"}, "daemon status takes no arguments, not \"now\""},
	    {{"config", "get"}, "config get needs KEY"},
	    {{"config", "set", "a"}, "config set needs KEY VALUE"},
	    {{"do", "--mdoel", "x"}, "did you mean --model?"},
	};

	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		assert_int_equal(
		    run(bad[i].words[0], bad[i].words[1], bad[i].words[2], bad[i].words[3]),
		    EXIT_USAGE);
		assert_holds(buf_cstr(&err), bad[i].says);
		assert_int_equal(out.len, 0);
	}
}

static void a_family_has_a_help(void **state)
{
	assert_int_equal(run("help", "daemon"), EXIT_DONE);
	assert_holds(buf_cstr(&out), "daemon restart");
	assert_null(strstr(buf_cstr(&out), "config"));
	assert_int_equal(run("daemon", "--help"), EXIT_DONE);
	assert_holds(buf_cstr(&out), "daemon restart");
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
	    cmocka_unit_test(options_and_words_are_checked_by_the_table),
	    cmocka_unit_test(a_family_has_a_help),
	    cmocka_unit_test(what_is_no_command_is_refused_with_the_nearest),
	    cmocka_unit_test(the_version_is_said_in_three_spellings),
	    cmocka_unit_test(a_command_gets_its_words_and_its_exit_code_is_the_programs),
	    with_dir(settings_are_written_read_and_unset_without_a_daemon),
	};

	return cmocka_run_group_tests(tests, NULL, finish);
}
