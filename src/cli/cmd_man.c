/* opta man: the man pages, made from the tables of commands and settings (mdoc(7)). */

#include "base/buf.h"
#include "base/config.h"
#include "base/str.h"
#include "cli/cmd.h"

/* Text as roff takes it: no request, no escape, no macro by accident. */
static void put_text(struct buf *out, const char *p, size_t n)
{
	bool start = true;

	for (size_t i = 0; i < n; i++) {
		if (p[i] == '\\')
			buf_adds(out, "\\e");
		else if (p[i] == '-')
			buf_adds(out, "\\-");
		else if (start && (p[i] == '.' || p[i] == '\''))
			buf_addf(out, "\\&%c", p[i]);
		else
			buf_addc(out, p[i]);
		start = p[i] == '\n';
	}
}

static void put_str(struct buf *out, const char *s)
{
	put_text(out, s, strlen(s));
}

/* Words in lines of less than 80 columns, each sentence on a line of its own. */
static void put_paragraph(struct buf *out, const char *s)
{
	struct str rest = str_of(s), word;
	size_t column = 0;
	char last = '\0';

	while (rest.n) {
		size_t n = strcspn(rest.p, " \n");

		word = (struct str){rest.p, n};
		rest = (struct str){rest.p + n + (n < rest.n), rest.n - n - (n < rest.n)};
		if (!word.n)
			continue;
		if (column && (column + word.n > 72 || last == '.' || last == '?')) {
			buf_addc(out, '\n');
			column = 0;
		} else if (column) {
			buf_addc(out, ' ');
		}
		put_text(out, word.p, word.n);
		column += word.n + 1;
		last = word.p[word.n - 1];
	}
	buf_addc(out, '\n');
}

static void put_head(struct buf *out, const char *name, int section, const char *summary)
{
	buf_adds(out, ".Dd November 25, 2026\n.Dt ");
	for (const char *c = name; *c; c++)
		buf_addc(out, (char)(*c >= 'a' && *c <= 'z' ? *c - 32 : *c));
	buf_addf(out, " %d\n.Os\n.Sh NAME\n.Nm %s\n.Nd %s\n", section, name, summary);
}

static void put_options(struct buf *out, const struct cmd *c)
{
	if (!c->options)
		return;
	buf_adds(out, ".Bl -tag -width Ds -compact\n");
	for (const struct cmd_option *o = c->options; o->name; o++) {
		buf_adds(out, ".It Fl \\-");
		put_str(out, o->name + 2);
		if (o->value)
			buf_addf(out, " Ar %s", o->value);
		buf_addc(out, '\n');
		put_paragraph(out, o->help);
	}
	buf_adds(out, ".El\n");
}

static void put_command(struct buf *out, const struct cmd *c)
{
	struct str rest = str_of(c->examples ? c->examples : ""), line;

	buf_adds(out, ".It Cm ");
	put_str(out, c->name);
	if (c->words[0]) {
		buf_adds(out, " Ar ");
		put_str(out, c->words);
	}
	buf_addc(out, '\n');
	put_paragraph(out, c->summary);
	if (c->notes) {
		buf_adds(out, ".Pp\n");
		put_paragraph(out, c->notes);
	}
	put_options(out, c);
	if (rest.n)
		buf_adds(out, ".Bd -literal -offset indent\n");
	while (rest.n) {
		rest = str_cut(rest, '\n', &line);
		buf_adds(out, "opta ");
		put_text(out, line.p, line.n);
		buf_addc(out, '\n');
	}
	if (c->examples)
		buf_adds(out, ".Ed\n");
}

static void put_files(struct buf *out)
{
	static const char *const files[][2] = {{"~/.config/opta/config.json", "settings"},
	    {"~/.config/opta/daemon/state.json", "where the running daemon is, and its token; new "
						 "at each start, for this user alone"},
	    {"~/.config/opta/daemon/daemon.log", "its log, and one older one beside it"},
	    {"~/.config/opta/sessions/", "every session, and what tools wrote too much of"},
	    {"~/.config/opta/history", "what was typed in chat"}};

	buf_adds(out, ".Sh FILES\n.Bl -tag -width Ds\n");
	for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
		buf_addf(out, ".It Pa %s\n", files[i][0]);
		put_paragraph(out, files[i][1]);
	}
	buf_adds(out, ".El\n");
}

static void put_opta(struct buf *out)
{
	put_head(out, "opta", 1, "AI agent sessions that are never lost");
	buf_adds(out,
	    ".Sh SYNOPSIS\n.Nm\n.Ar command\n.Op Fl options\n.Op Ar words\n.Sh DESCRIPTION\n.Nm\n");
	put_paragraph(out, "talks to a daemon that owns AI agent sessions: it queues turns, "
			   "streams the words of a model "
			   "to every attached client, runs tools, asks for permission, and writes "
			   "each event to disk "
			   "before anybody sees it. Commands that need the daemon start it.");
	buf_adds(out, ".Sh COMMANDS\n.Bl -tag -width Ds\n");
	for (const struct cmd *c = cmds; c->name; c++)
		put_command(out, c);
	buf_adds(out, ".El\n.Sh ENVIRONMENT\n.Bl -tag -width Ds\n.It Ev OPTA_HOME\nThe directory "
		      "of everything, instead of\n"
		      ".Pa ~/.config/opta .\n.It Ev XDG_CONFIG_HOME\nHonoured when\n.Ev "
		      "OPTA_HOME\nis not set.\n"
		      ".It Ev OPTA_DISCOVER_PORTS\nWhere the first run looks for a model server on "
		      "this machine,\nseparated by commas; empty: nowhere.\n"
		      ".It Ev NO_COLOR\nNo colour.\n.El\n");
	put_files(out);
	buf_adds(out, ".Sh EXIT STATUS\n0 done, 1 error, 2 usage, 3 the daemon is stopped\n.Pq Cm "
		      "daemon status ,\n130 cancelled.\n"
		      ".Sh SEE ALSO\n.Xr opta-config 5 ,\n.Xr opta-daemon 8\n");
}

static void put_daemon(struct buf *out)
{
	put_head(out, "opta-daemon", 8, "the daemon that owns the sessions");
	buf_adds(out, ".Sh SYNOPSIS\n.Nm opta daemon\n.Ar command\n.Sh DESCRIPTION\nThe daemon "
		      "listens on 127.0.0.1, port 9999, or the first free\n"
		      "port of\n.Va daemon.portRange\nwhen that one is taken and none was "
		      "set.\nClients find it by\n.Pa state.json .\n"
		      "Every request carries the token in that file, but for\n.Pa /v3/health "
		      ".\n.Sh COMMANDS\n.Bl -tag -width Ds\n");
	for (const struct cmd *c = cmds; c->name; c++)
		if (strncmp(c->name, "daemon ", 7) == 0)
			put_command(out, c);
	buf_adds(out, ".El\n.Sh SIGNALS\n.Bl -tag -width Ds\n.It Dv SIGTERM , SIGINT\nFinish "
		      "running turns for\n.Va daemon.shutdownGraceMs ,\n"
		      "end the rest as interrupted, stop; a second one ends it at once.\n.It Dv "
		      "SIGHUP\nRead the settings again, open the log\n"
		      "again, write\n.Pa state.json\nagain.\n.El\n.Sh TOOLS\nA tool runs in a "
		      "process of its own that sees the system\n"
		      "read\\-only, may write only the workspace of its session and a private\n.Pa "
		      "/tmp ,\nand never sees the files or processes of opta.\n"
		      "Where the kernel lacks a piece of that, the log says which.\n");
	buf_adds(out,
	    ".Sh ENVIRONMENT\n.Bl -tag -width Ds\n.It Ev OPTA_DAEMON_HOST , OPTA_DAEMON_PORT\n"
	    "Where a new daemon listens.\n.El\n");
	put_files(out);
	buf_adds(out, ".Sh SEE ALSO\n.Xr opta 1 ,\n.Xr opta-config 5\n");
}

static const char *type_of(const struct config_key *k)
{
	switch (k->type) {
	case CONFIG_TEXT:
		return "text";
	case CONFIG_INT:
		return "a whole number";
	case CONFIG_BOOL:
		return "true or false";
	case CONFIG_LIST:
		return "a list of texts";
	case CONFIG_RANGE:
		return "low-high";
	case CONFIG_DIR:
		return "an absolute path";
	case CONFIG_ENUM:
		return k->choices;
	}
	return "";
}

static void put_config(struct buf *out)
{
	put_head(out, "opta-config", 5, "settings of opta");
	buf_adds(out,
	    ".Sh DESCRIPTION\n.Pa ~/.config/opta/config.json\nholds one JSON object.\nA dotted "
	    "name below is a path in it:\n"
	    ".Va daemon.port\nis\n.Ql {\"daemon\": {\"port\": 9999}} .\n.Dq opta config "
	    "set\nwrites it and a running daemon applies\n"
	    "the change; the daemon reads it again on\n.Dv SIGHUP\nas well.\n.Bl -tag -width Ds\n");
	for (const struct config_key *k = config_keys; k->name; k++) {
		buf_adds(out, ".It Va ");
		put_str(out, k->name);
		buf_addc(out, '\n');
		put_paragraph(out, k->help);
		buf_adds(out, ".br\n");
		put_str(out, type_of(k));
		if (k->type == CONFIG_INT)
			buf_addf(out, " from %lld to %lld", (long long)k->min, (long long)k->max);
		buf_adds(out, "; default: ");
		put_str(out, k->fallback[0] ? k->fallback : "(empty)");
		buf_addc(out, '\n');
	}
	buf_adds(out, ".El\n.Sh SEE ALSO\n.Xr opta 1 ,\n.Xr opta-daemon 8\n");
}

/* A page is read in every locale, the C locale too: it is printed in ASCII. */
static void print_page(struct buf *out)
{
	static const char dots[] = "\xE2\x80\xA6"; /* an ellipsis */
	const char *p = buf_cstr(out), *found;

	while ((found = strstr(p, dots)) != NULL) {
		printf("%.*s...", (int)(found - p), p);
		p = found + sizeof dots - 1;
	}
	fputs(p, stdout);
}

int cmd_man(const struct cmd_line *line)
{
	static const struct {
		const char *name;
		void (*put)(struct buf *out);
	} pages[] = {
	    {"opta.1", put_opta}, {"opta-daemon.8", put_daemon}, {"opta-config.5", put_config}};
	struct buf out = {0};

	for (size_t i = 0; i < sizeof pages / sizeof pages[0]; i++) {
		if (strcmp(pages[i].name, line->words[0]) != 0)
			continue;
		pages[i].put(&out);
		print_page(&out);
		buf_finish(&out);
		return EXIT_DONE;
	}
	return cmd_usage("man",
	    "there is no page \"%s\": expected opta.1, opta-daemon.8 or opta-config.5",
	    line->words[0]);
}
