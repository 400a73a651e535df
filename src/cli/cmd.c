/* The table of commands, dispatch and help. */
#include "cli/cmd.h"

#include <stdarg.h>

#include "base/buf.h"
#include "base/str.h"
#include "cli/term.h"
#include "protocol/version.h"

const struct cmd cmds[] = {
    {"do", "[options] \"what to do\"", "ask once and stream the answer",
	"  --json               print each event as a line of JSON\n"
	"  --model NAME         the model to ask\n"
	"  --session ID         go on in this session\n"
	"What is piped in is given to the model as context.\n"
	"Exit codes: 0 done, 1 error, 2 usage, 130 cancelled.",
	cmd_do},
    {"chat", "[options]", "talk, line by line",
	"  --model NAME         the model to ask\n"
	"  --session ID         go on in this session\n"
	"Ctrl+C cancels the answer, Ctrl+D leaves.",
	cmd_chat},
    {"daemon", "start|stop|restart|status|run|logs", "the background daemon",
	"  start                start it; prints pid and port\n"
	"  stop                 finish running turns, then end\n"
	"  restart              stop and start; the token changes\n"
	"  status               one line; exit code 3 when stopped\n"
	"  run                  run in the foreground\n"
	"  logs [--lines N] [--follow]\n"
	"                       follow the log (Ctrl+C stops); with --lines print N lines",
	cmd_daemon},
    {"config", "list|get KEY|set KEY VALUE|unset KEY", "settings",
	"`opta config list` shows all keys with their help.", cmd_config},
    {"lmx", "demo [options]", "the built-in demo model server",
	"`opta lmx demo --help` shows its options and its prompt language.", cmd_lmx},
    {"help", "[command]", "this text, or a command's", NULL, cmd_help},
    {NULL, NULL, NULL, NULL, NULL},
};

static const struct cmd *find(const char *name)
{
	for (const struct cmd *c = cmds; c->name; c++)
		if (strcmp(c->name, name) == 0)
			return c;
	return NULL;
}

int cmd_usage(const char *name, const char *fmt, ...)
{
	va_list ap;

	fputs("opta: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	if (name)
		fprintf(stderr, "; see `opta help %s`\n", name);
	else
		fputs("; see `opta help`\n", stderr);
	return EXIT_USAGE;
}

int cmd_error(const char *fmt, ...)
{
	struct buf safe = {0};
	char text[2048];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	/* The sentence may be a model server's. */
	term_put_harmless(&safe, text, strlen(text));
	fprintf(stderr, "Error: %s\n", buf_cstr(&safe));
	buf_finish(&safe);
	return EXIT_ERROR;
}

static int help_of(const struct cmd *c)
{
	printf("usage: opta %s %s\n\n%s\n", c->name, c->args, c->summary);
	if (c->details)
		printf("\n%s\n", c->details);
	return EXIT_DONE;
}

int cmd_help(int argc, char **argv)
{
	const struct cmd *c;

	if (argc > 1) {
		c = find(argv[1]);
		return c ? help_of(c) : cmd_usage(NULL, "there is no command \"%s\"", argv[1]);
	}
	printf("opta %s: AI agent sessions that are never lost\n\nusage: opta COMMAND …\n\n",
	    OPTA_VERSION);
	for (c = cmds; c->name; c++)
		printf("  %-8s %s\n", c->name, c->summary);
	printf("\n`opta help COMMAND` says more. Begin with: opta do \"say hello\"\n");
	return EXIT_DONE;
}

int cmd_run(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : "help", *nearest = NULL;
	const struct cmd *c = find(name);
	size_t best = 3;

	if (strcmp(name, "--version") == 0 || strcmp(name, "-V") == 0 ||
	    strcmp(name, "version") == 0) {
		printf("opta %s\n", OPTA_VERSION);
		return EXIT_DONE;
	}
	if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0)
		return cmd_help(1, argv);
	if (c && argc > 2 && (strcmp(argv[2], "--help") == 0 || strcmp(argv[2], "-h") == 0))
		return help_of(c);
	if (c)
		return c->run(argc - 1, argv + 1);
	for (c = cmds; c->name; c++)
		if (str_distance(c->name, name) < best) {
			best = str_distance(c->name, name);
			nearest = c->name;
		}
	if (nearest)
		return cmd_usage(
		    NULL, "there is no command \"%s\"; did you mean %s?", name, nearest);
	return cmd_usage(NULL, "there is no command \"%s\"", name);
}
