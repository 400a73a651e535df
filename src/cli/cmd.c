/* Finding a command, checking its words, help. */
#include "cli/cmd.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <termios.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "base/str.h"
#include "cli/format.h"
#include "cli/term.h"
#include "protocol/version.h"

bool cmd_confirm(const char *question)
{
	struct buf text = {0};
	char answer[16];

	if (!isatty(STDIN_FILENO))
		return false;
	/* What was typed before the question was seen is no answer to it. */
	tcflush(STDIN_FILENO, TCIFLUSH);
	term_put_flat(&text, question, strlen(question));
	fprintf(stderr, "%s [y/N] ", buf_cstr(&text));
	buf_finish(&text);
	return fgets(answer, sizeof answer, stdin) && (answer[0] == 'y' || answer[0] == 'Y');
}

int cmd_usage(const char *name, const char *fmt, ...)
{
	struct buf safe = {0};
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	term_put_flat(&safe, text, strlen(text));
	fprintf(stderr, "opta: %s; see `opta help%s%s`\n", buf_cstr(&safe), name ? " " : "",
	    name ? name : "");
	buf_finish(&safe);
	return EXIT_USAGE;
}

void cmd_print_json(const json_t *root)
{
	json_t *rounded = format_rounded(root);
	/* 15 digits are the most that every number keeps, so that 8.1 is not 8.0999999999999996. */
	char *text = json_dumps(rounded, JSON_INDENT(2) | JSON_REAL_PRECISION(15));

	term_put_json_line(text, strlen(text));
	free(text);
	json_decref(rounded);
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
	term_put_flat(&safe, text, strlen(text));
	fprintf(stderr, "Error: %s\n", buf_cstr(&safe));
	buf_finish(&safe);
	return EXIT_ERROR;
}

int cmd_fail(const struct err *err)
{
	cmd_error("%s", err->text);
	if (err->code == ERR_VERSION)
		term_note("the running daemon is of another build: `opta daemon restart` starts "
			  "this one");
	return EXIT_ERROR;
}

int cmd_read_stdin(struct buf *out, size_t max)
{
	ssize_t n;

	while ((n = read(STDIN_FILENO, buf_reserve(out, 65536), 65536)) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return cmd_error("cannot read standard input: %s", strerror(errno));
		out->len += (size_t)n;
		if (out->len > max)
			return cmd_error("more than %zu MiB was piped in: give less", max >> 20);
	}
	return EXIT_DONE;
}

/* --- finding --- */

/* The command that the words begin with; *ret_used: how many of them name it. */
static const struct cmd *find(int count, char **words, int *ret_used)
{
	for (const struct cmd *c = cmds; c->name; c++) {
		struct str second = str_of(c->name), first;

		second = str_cut(second, ' ', &first);
		if (count < 1 || !str_eq(first, words[0]))
			continue;
		if (second.n && (count < 2 || !str_eq(second, words[1])))
			continue;
		*ret_used = second.n ? 2 : 1;
		return c;
	}
	return NULL;
}

/* Does word name a family of commands ("daemon")? */
static bool is_family(const char *word)
{
	size_t n = strlen(word);

	for (const struct cmd *c = cmds; c->name; c++)
		if (strncmp(c->name, word, n) == 0 && c->name[n] == ' ')
			return true;
	return false;
}

/* A family's name alone lists what there is ("sessions", "config"): its list command, or NULL. */
static const struct cmd *find_list(int count, char **words)
{
	size_t n = count ? strlen(words[0]) : 0;

	if (!count || (count > 1 && words[1][0] != '-'))
		return NULL;
	if (count > 1 && (strcmp(words[1], "--help") == 0 || strcmp(words[1], "-h") == 0))
		return NULL;
	for (const struct cmd *c = cmds; c->name; c++)
		if (strncmp(c->name, words[0], n) == 0 && strcmp(c->name + n, " list") == 0)
			return c;
	return NULL;
}

/* The name nearest to what was typed, among commands or a family's second words. NULL: none is
 * near. */
static const char *nearest(const char *family, const char *typed)
{
	const char *best = NULL;
	size_t distance = 3, n = family ? strlen(family) : 0;

	for (const struct cmd *c = cmds; c->name; c++) {
		static char name[32];
		const char *space = strchr(c->name, ' ');
		const char *word = c->name;
		size_t d;

		if (family && (strncmp(c->name, family, n) != 0 || c->name[n] != ' '))
			continue;
		if (family) {
			word = c->name + n + 1;
		} else if (space) {
			snprintf(name, sizeof name, "%.*s", (int)(space - c->name), c->name);
			word = name;
		}
		d = str_distance(word, typed);
		if (d < distance) {
			static char kept[32];

			distance = d;
			snprintf(kept, sizeof kept, "%s", word);
			best = kept;
		}
	}
	return best;
}

static int no_command(const char *family, const char *typed)
{
	const char *near = nearest(family, typed);

	return cmd_usage(family, "there is no command \"%s%s%s\"%s%s%s", family ? family : "",
	    family ? " " : "", typed, near ? "; did you mean " : "", near ? near : "",
	    near ? "?" : "");
}

/* --- help --- */

void cmd_put_synopsis(const struct cmd *c, struct buf *out)
{
	buf_addf(out, "opta %s%s%s%s", c->name, c->options ? " [options]" : "",
	    c->words[0] ? " " : "", c->words);
}

static void put_options(const struct cmd *c)
{
	for (const struct cmd_option *o = c->options; o && o->name; o++) {
		char left[60];

		snprintf(left, sizeof left, "%s%s%s", o->name, o->value ? " " : "",
		    o->value ? o->value : "");
		printf("  %-22s %s\n", left, o->help);
	}
}

static int help_of(const struct cmd *c)
{
	struct buf synopsis = {0};
	struct str rest = str_of(c->examples ? c->examples : ""), line;

	cmd_put_synopsis(c, &synopsis);
	printf("usage: %s\n\n%s\n", buf_cstr(&synopsis), c->summary);
	if (c->options)
		putchar('\n');
	put_options(c);
	if (c->notes)
		printf("\n%s\n", c->notes);
	if (rest.n)
		printf("\nexamples:\n");
	while (rest.n) {
		rest = str_cut(rest, '\n', &line);
		printf("  opta %.*s\n", (int)line.n, line.p);
	}
	buf_finish(&synopsis);
	return EXIT_DONE;
}

static int help_family(const char *family)
{
	size_t n = strlen(family);

	printf("usage: opta %s COMMAND …\n\n", family);
	for (const struct cmd *c = cmds; c->name; c++)
		if (strncmp(c->name, family, n) == 0 && c->name[n] == ' ')
			printf("  %-18s %s\n", c->name, c->summary);
	printf("\n`opta help %s COMMAND` says more.\n", family);
	return EXIT_DONE;
}

static int help_all(void)
{
	printf("opta %s: AI agent sessions that are never lost\n\nusage: opta COMMAND …\n\n",
	    OPTA_VERSION);
	for (const struct cmd *c = cmds; c->name; c++)
		printf("  %-18s %s\n", c->name, c->summary);
	printf("\n`opta help COMMAND` says more. Begin with: opta do \"say hello\"\n");
	return EXIT_DONE;
}

int cmd_help(const struct cmd_line *line)
{
	const struct cmd *c;
	int used;

	if (!line->count)
		return help_all();
	c = find((int)line->count, line->words, &used);
	if (c && (size_t)used == line->count)
		return help_of(c);
	if (is_family(line->words[0]))
		return line->count == 1 ? help_family(line->words[0])
					: no_command(line->words[0], line->words[1]);
	return no_command(NULL, line->words[0]);
}

/* --- the words of a command --- */

static int find_option(const struct cmd *c, const char *name, size_t n)
{
	for (int i = 0; c->options && c->options[i].name; i++)
		if (strlen(c->options[i].name) == n && memcmp(c->options[i].name, name, n) == 0)
			return i;
	return -1;
}

static int bad_option(const struct cmd *c, const char *typed)
{
	const char *near = NULL;
	size_t best = 4;

	for (int i = 0; c->options && c->options[i].name; i++)
		if (str_distance(c->options[i].name, typed) < best) {
			best = str_distance(c->options[i].name, typed);
			near = c->options[i].name;
		}
	return cmd_usage(c->name, "%s has no option \"%s\"%s%s%s", c->name, typed,
	    near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
}

/* Sort argv (from after the command's name) into options and words. EXIT_DONE, or the usage was
 * said. */
static int take_words(struct cmd_line *line, int argc, char **argv)
{
	const struct cmd *c = line->cmd;
	bool words_only = false;

	for (int i = 0; i < argc; i++) {
		const char *equals = strchr(argv[i], '='), *word = argv[i];
		size_t n = equals ? (size_t)(equals - word) : strlen(word);
		int at;

		if (words_only || word[0] != '-' || !word[1]) {
			line->words[line->count++] = argv[i];
			continue;
		}
		if (strcmp(word, "--") == 0) {
			words_only = true;
			continue;
		}
		/* The few short ones people's fingers know. */
		if (strcmp(word, "-f") == 0)
			word = "--follow", n = 8;
		else if (strcmp(word, "-n") == 0)
			word = "--lines", n = 7;
		else if (strcmp(word, "-q") == 0)
			word = "--quiet", n = 7;
		at = find_option(c, word, n);
		if (at < 0)
			return bad_option(c, argv[i]);
		if (!c->options[at].value && equals)
			return cmd_usage(c->name, "%s takes no value", c->options[at].name);
		if (!c->options[at].value)
			line->values[at] = "1";
		else if (equals)
			line->values[at] = equals + 1;
		else if (i + 1 < argc)
			line->values[at] = argv[++i];
		else
			return cmd_usage(c->name, "%s needs a value: %s", c->options[at].name,
			    c->options[at].value);
	}
	if (line->count > c->max && !c->max)
		return cmd_usage(
		    c->name, "%s takes no arguments, not \"%s\"", c->name, line->words[0]);
	if (line->count < c->min || line->count > c->max)
		return cmd_usage(c->name, "%s needs %s", c->name, c->words);
	return EXIT_DONE;
}

static int option_index(const struct cmd_line *line, const char *option)
{
	int at = find_option(line->cmd, option, strlen(option));

	assert(at >= 0 && at < CMD_MAX_OPTIONS);
	return at;
}

bool cmd_flag(const struct cmd_line *line, const char *option)
{
	return line->values[option_index(line, option)] != NULL;
}

const char *cmd_value(const struct cmd_line *line, const char *option)
{
	return line->values[option_index(line, option)];
}

bool cmd_number(const struct cmd_line *line, const char *option, uint64_t max, uint64_t *ret)
{
	const char *text = cmd_value(line, option);

	if (!text || str_parse_u64(str_of(text), max, ret))
		return true;
	cmd_usage(line->cmd->name, "%s must be a whole number from 0 to %llu, not \"%s\"", option,
	    (unsigned long long)max, text);
	return false;
}

void cmd_join(const struct cmd_line *line, struct buf *out)
{
	for (size_t i = 0; i < line->count; i++)
		buf_addf(out, "%s%s", i ? " " : "", line->words[i]);
}

int cmd_run(int argc, char **argv)
{
	struct cmd_line line = {0};
	int used, rc;

	if (argc < 2 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)
		return help_all();
	if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0 ||
	    strcmp(argv[1], "version") == 0) {
		printf("opta %s\n", OPTA_VERSION);
		return EXIT_DONE;
	}
	line.cmd = find(argc - 1, argv + 1, &used);
	if (!line.cmd && (line.cmd = find_list(argc - 1, argv + 1)))
		used = 1;
	if (!line.cmd && is_family(argv[1])) {
		if (argc > 2 && (strcmp(argv[2], "--help") == 0 || strcmp(argv[2], "-h") == 0))
			return help_family(argv[1]);
		return argc > 2 ? no_command(argv[1], argv[2])
				: cmd_usage(argv[1], "%s needs one of its commands", argv[1]);
	}
	if (!line.cmd)
		return no_command(NULL, argv[1]);
	if (line.cmd->max == CMD_RAW) {
		line.words = argv + used;
		line.count = (size_t)(argc - used);
		return line.cmd->run(&line);
	}
	if (argc > 1 + used &&
	    (strcmp(argv[1 + used], "--help") == 0 || strcmp(argv[1 + used], "-h") == 0))
		return help_of(line.cmd);
	/* The words are sorted within argv's own space: it has room for all of them. */
	line.words = argv + 1;
	rc = take_words(&line, argc - 1 - used, argv + 1 + used);
	return rc == EXIT_DONE ? line.cmd->run(&line) : rc;
}
