/* opta daemon install, uninstall: a systemd user unit, or a launchd agent on macOS. */
#include <errno.h>
#include <stdio.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"
#include "base/os.h"
#include "base/paths.h"
#include "cli/cmd.h"
#include "cli/term.h"

/* Where the unit lies and how its manager is told. */
struct service {
	struct buf dir, path;
	const char *name;
	bool launchd;
};

/* The directory of the unit. EXIT_DONE, or it was said why not. */
static int find_service(struct service *s)
{
	const char *home = getenv("HOME"), *config = getenv("XDG_CONFIG_HOME");
	struct utsname system;

	if (!home || home[0] != '/')
		return cmd_error("HOME is not set: there is nowhere to put the service");
	s->launchd = uname(&system) == 0 && strcmp(system.sysname, "Darwin") == 0;
	if (s->launchd) {
		s->name = "dev.opta.daemon.plist";
		buf_addf(&s->dir, "%s/Library/LaunchAgents", home);
	} else {
		s->name = "opta.service";
		if (config && config[0] == '/')
			buf_addf(&s->dir, "%s/systemd/user", config);
		else
			buf_addf(&s->dir, "%s/.config/systemd/user", home);
	}
	buf_addf(&s->path, "%s/%s", buf_cstr(&s->dir), s->name);
	return EXIT_DONE;
}

static void finish(struct service *s)
{
	buf_finish(&s->dir);
	buf_finish(&s->path);
}

/* A value within double quotes of a unit file: systemd.syntax(7), and % stands for itself. */
static void put_quoted(struct buf *out, const char *text)
{
	buf_addc(out, '"');
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			buf_addc(out, '\\');
		if (*text == '%' || *text == '$')
			buf_addc(out, *text);
		buf_addc(out, *text == '\n' ? ' ' : *text);
	}
	buf_addc(out, '"');
}

/* A service's own PATH is bare; tools want the one of now, and the home of now is meant. */
static void put_unit_environment(struct buf *out)
{
	const char *home = getenv("OPTA_HOME"), *path = getenv("PATH");
	struct buf line = {0};

	buf_addf(&line, "PATH=%s", path ? path : "/usr/local/bin:/usr/bin:/bin");
	buf_adds(out, "Environment=");
	put_quoted(out, buf_cstr(&line));
	buf_addc(out, '\n');
	if (home && home[0]) {
		buf_clear(&line);
		buf_addf(&line, "OPTA_HOME=%s", home);
		buf_adds(out, "Environment=");
		put_quoted(out, buf_cstr(&line));
		buf_addc(out, '\n');
	}
	buf_finish(&line);
}

/* own: for the person who asks, with their environment; else for every user of the machine. */
static void put_unit(struct buf *out, const char *program, bool own)
{

	buf_adds(out,
	    "[Unit]\nDescription=opta: AI agent sessions\nDocumentation=man:opta-daemon(8)\n"
	    "StartLimitIntervalSec=120\nStartLimitBurst=5\n\n[Service]\nType=exec\nExecStart=");
	put_quoted(out, program);
	buf_adds(out, " daemon run\nExecReload=/bin/kill -HUP "
		      "$MAINPID\nRestart=on-failure\nRestartSec=5\nTimeoutStopSec=30\n"
		      /* So that the kernel bounds the memory of each tool call. */
		      "Delegate=memory pids\n");
	if (own)
		put_unit_environment(out);
	buf_adds(out, "\n[Install]\nWantedBy=default.target\n");
}

static void put_xml(struct buf *out, const char *text)
{
	for (; *text; text++) {
		if (*text == '<')
			buf_adds(out, "&lt;");
		else if (*text == '&')
			buf_adds(out, "&amp;");
		else
			buf_addc(out, *text);
	}
}

static void put_plist(struct buf *out, const char *program)
{
	const char *home = getenv("OPTA_HOME"), *path = getenv("PATH");

	buf_adds(out,
	    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!DOCTYPE plist PUBLIC \"-//Apple//DTD "
	    "PLIST 1.0//EN\" "
	    "\"http://www.apple.com/DTDs/PropertyList-1.0.dtd\">\n<plist version=\"1.0\">\n<dict>\n"
	    "  <key>Label</key><string>dev.opta.daemon</string>\n  <key>ProgramArguments</key>\n  "
	    "<array><string>");
	put_xml(out, program);
	buf_adds(out, "</string><string>daemon</string><string>run</string></array>\n  "
		      "<key>RunAtLoad</key><true/>\n"
		      "  <key>KeepAlive</key><dict><key>SuccessfulExit</key><false/></dict>\n"
		      "  <key>ThrottleInterval</key><integer>10</integer>\n"
		      "  <key>EnvironmentVariables</key>\n  <dict>\n    <key>PATH</key><string>");
	put_xml(out, path ? path : "/usr/local/bin:/usr/bin:/bin");
	buf_adds(out, "</string>\n");
	if (home && home[0]) {
		buf_adds(out, "    <key>OPTA_HOME</key><string>");
		put_xml(out, home);
		buf_adds(out, "</string>\n");
	}
	buf_adds(out, "  </dict>\n</dict>\n</plist>\n");
}

/* Does systemd run this machine? sd_booted(3) looks at the same place. */
static bool systemd_runs(void)
{
	return access("/run/systemd/system", F_OK) == 0;
}

static void say_how_to_enable(struct service *s)
{
	term_line("written: %s", buf_cstr(&s->path));
	if (s->launchd) {
		printf("enable it with:\n");
		term_line("  launchctl load -w %s", buf_cstr(&s->path));
	} else {
		if (!systemd_runs())
			term_note("systemd does not run this machine (there is no "
				  "/run/systemd/system), so nothing starts the service here. "
				  "`opta daemon start` starts the daemon; commands that need it "
				  "do that by themselves.");
		printf("%s\n  systemctl --user daemon-reload\n"
		       "  systemctl --user enable --now opta\n"
		       "and, to have it run when you are not logged in:\n"
		       "  loginctl enable-linger\n",
		    systemd_runs() ? "enable it with:" : "where systemd runs, enable it with:");
	}
	printf("a daemon that runs already is stopped first with: opta daemon stop\n");
}

int cmd_daemon_install(const struct cmd_line *line)
{
	const char *print = cmd_value(line, "--print");
	struct service s = {0};
	struct buf text = {0};
	char program[4096];
	struct err err;
	int rc;

	if (print) {
		put_unit(&text, print, false);
		fwrite(text.p, 1, text.len, stdout);
		buf_finish(&text);
		return EXIT_DONE;
	}
	rc = find_service(&s);
	if (rc == EXIT_DONE && os_self_path(program, sizeof program) != 0)
		rc = cmd_error("cannot find this program's own path");
	if (rc != EXIT_DONE)
		goto out;
	if (s.launchd)
		put_plist(&text, program);
	else
		put_unit(&text, program, true);
	if (file_make_dir(buf_cstr(&s.dir), &err) != 0 ||
	    file_replace(buf_cstr(&s.dir), s.name, text.p, text.len, 0644, &err) != 0) {
		rc = cmd_fail(&err);
		goto out;
	}
	say_how_to_enable(&s);
out:
	buf_finish(&text);
	finish(&s);
	return rc;
}

int cmd_daemon_uninstall(const struct cmd_line *line)
{
	struct service s = {0};
	int rc = find_service(&s);

	if (rc != EXIT_DONE)
		return rc;
	if (unlink(buf_cstr(&s.path)) == 0) {
		term_line("removed: %s", buf_cstr(&s.path));
		printf("if it is enabled, end it with:\n");
		if (s.launchd)
			printf("  launchctl remove dev.opta.daemon\n");
		else
			printf("  systemctl --user disable --now opta; systemctl --user "
			       "daemon-reload\n");
	} else if (errno == ENOENT) {
		term_line("nothing is installed (%s)", buf_cstr(&s.path));
	} else {
		rc = cmd_error("cannot remove %s: %s", buf_cstr(&s.path), strerror(errno));
	}
	finish(&s);
	return rc;
}
