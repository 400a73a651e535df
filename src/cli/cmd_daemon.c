/* opta daemon start|stop|restart|status|run|logs */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/config.h"
#include "base/err.h"
#include "base/file.h"
#include "base/json.h"
#include "base/os.h"
#include "cli/client.h"
#include "cli/cmd.h"
#include "cli/format.h"
#include "cli/launch.h"
#include "cli/logline.h"
#include "cli/tail.h"
#include "cli/term.h"

enum {
	STATUS_MS = 3000,	      /* for a daemon to say how it is */
	STATUS_MAX_STATE = 64 * 1024, /* bytes of state.json */
	STOP_SPARE_MS = 5000,	      /* beyond its own grace */
};

static int open_paths(struct client *c)
{
	struct err err;

	*c = (struct client){0};
	return paths_init(&c->paths, &err) == 0 ? EXIT_DONE : cmd_fail(&err);
}

int cmd_daemon_start(const struct cmd_line *line)
{
	struct client c;
	struct err err;
	bool started;

	if (open_paths(&c) != EXIT_DONE)
		return EXIT_ERROR;
	if (client_start(&c, CLIENT_EXPLICIT, &started, &err) != 0)
		return cmd_fail(&err);
	term_line("daemon  %s   pid=%d   port=%d", started ? "started" : "already running",
	    (int)c.pid, c.port);
	return EXIT_DONE;
}

/* What state.json says, as a published desktop manager reads it; without the token unless it was
 * asked for. NULL: nothing. json_decref. */
static json_t *status_read_state(const struct client *c, bool with_token)
{
	struct buf text = {0};
	json_t *state = NULL;

	if (file_read(c->paths.state, STATUS_MAX_STATE, &text, NULL) == 0)
		json_parse(text.p, text.len, &state, NULL);
	buf_finish(&text);
	if (!with_token)
		json_object_del(state, "token");
	return state;
}

/* root gets what every answer in JSON has; printed and freed. */
static void print_status_json(const struct client *c, json_t *root, bool with_token)
{
	json_t *state = status_read_state(c, with_token);

	json_object_set_new(root, "running", json_true());
	json_object_set_new(root, "pid", json_integer(c->pid));
	if (c->port)
		json_object_set_new(root, "port", json_integer(c->port));
	if (json_is_object(state))
		json_object_set(root, "state", state);
	json_decref(state);
	cmd_print_json(root);
	json_decref(root);
}

static void print_health(const struct client *c, const json_t *health)
{
	char uptime[32];

	format_uptime(json_int(health, "uptime", 0), uptime, sizeof uptime);
	printf("daemon  running   pid=%d   port=%d   sessions=%" PRId64 "   uptime=%s\n",
	    (int)c->pid, c->port, json_int(json_object_get(health, "runtime"), "sessionCount", 0),
	    uptime);
}

static int print_running(const struct cmd_line *line, const struct client *c, bool found)
{
	json_t *health = NULL;
	bool answers;

	if (found)
		health = client_json(c, "GET", "/v3/health", NULL, STATUS_MS, NULL, NULL);
	answers = health != NULL;
	if (cmd_flag(line, "--json")) {
		if (!health)
			health = json_pack("{s:s}", "status", "not answering");
		print_status_json(c, json_incref(health), cmd_flag(line, "--show-token"));
	} else if (answers) {
		print_health(c, health);
	} else if (found) {
		term_line("daemon  not answering   pid=%d   port=%d", (int)c->pid, c->port);
	} else {
		term_line("daemon  not answering   pid=%d", (int)c->pid);
	}
	json_decref(health);
	return answers ? EXIT_DONE : EXIT_ERROR;
}

int cmd_daemon_status(const struct cmd_line *line)
{
	bool json = cmd_flag(line, "--json");
	struct client c;

	if (cmd_flag(line, "--show-token") && !json)
		return cmd_usage("daemon status", "--show-token goes with --json");
	if (open_paths(&c) != EXIT_DONE)
		return EXIT_ERROR;
	switch (client_find(&c)) {
	case CLIENT_RUNNING:
		return print_running(line, &c, true);
	case CLIENT_LOST:
		return print_running(line, &c, false);
	case CLIENT_STOPPED:
		break;
	}
	puts(json ? "{\n  \"running\": false\n}" : "daemon  stopped");
	return EXIT_STOPPED;
}

/* End the daemon that client_find found. */
static int end_daemon(const struct client *c)
{
	struct config *config = NULL;
	int64_t grace = 5000;

	if (config_load(c->paths.config, &config, NULL) == 0)
		grace = config_int(config, "daemon.shutdownGraceMs");
	config_free(config);
	if (kill(c->pid, SIGTERM) != 0 && errno != ESRCH)
		return cmd_error(
		    "cannot stop the daemon (pid %d): %s", (int)c->pid, strerror(errno));
	if (!os_process_wait_gone(c->pid, (int)grace + STOP_SPARE_MS))
		return cmd_error("the daemon (pid %d) did not stop within %" PRId64
				 " s: kill %d ends it at once",
		    (int)c->pid, (grace + STOP_SPARE_MS) / 1000, (int)c->pid);
	return EXIT_DONE;
}

int cmd_daemon_stop(const struct cmd_line *line)
{
	struct client c;
	int rc;

	if (open_paths(&c) != EXIT_DONE)
		return EXIT_ERROR;
	if (client_find(&c) == CLIENT_STOPPED) {
		printf("daemon  not running\n");
		return EXIT_DONE;
	}
	rc = end_daemon(&c);
	if (rc == EXIT_DONE)
		term_line("daemon  stopped   pid=%d", (int)c.pid);
	return rc;
}

int cmd_daemon_restart(const struct cmd_line *line)
{
	struct client c;
	int rc;

	if (open_paths(&c) != EXIT_DONE)
		return EXIT_ERROR;
	if (client_find(&c) != CLIENT_STOPPED) {
		rc = end_daemon(&c);
		if (rc != EXIT_DONE)
			return rc;
	}
	rc = cmd_daemon_start(line);
	if (rc == EXIT_DONE)
		term_line("the token changed: clients read it again from %s", c.paths.state);
	return rc;
}

int cmd_daemon_run(const struct cmd_line *line)
{
	char optad[4096];
	struct err err;

	if (launch_find_optad(optad, sizeof optad, &err) != 0)
		return cmd_fail(&err);
	execl(optad, "optad", "run", "--foreground", (char *)NULL);
	return cmd_error("cannot run %s: %s", optad, strerror(errno));
}

/* What `daemon logs` shows. */
struct logs {
	struct logline_opts opts;
	int since; /* seconds since midnight, -1: no bound */
	int now;
};

static bool show_line(void *data, const char *p, size_t n, struct buf *out)
{
	struct logs *l = data;
	int time = logline_time(p, n);

	if (l->since >= 0 && time >= 0 && !logline_is_since(time, l->since, l->now))
		return false;
	/* Once a line of that time came, all that follow are younger. */
	if (l->since >= 0 && time >= 0)
		l->since = -1;
	return logline_put(out, &l->opts, p, n);
}

int cmd_daemon_logs(const struct cmd_line *line)
{
	struct logs logs = {.opts = {.level = LOG_DEBUG,
				.json = cmd_flag(line, "--json"),
				.color = term_color(STDOUT_FILENO)},
	    .since = -1};
	const char *level = cmd_value(line, "--level"), *since = cmd_value(line, "--since");
	struct tail_opts opts = {
	    .follow = !cmd_value(line, "--lines") || cmd_flag(line, "--follow"),
	    .show = show_line,
	    .data = &logs};
	uint64_t n = since ? TAIL_ALL : TAIL_FIRST_LINES;
	struct client c;
	int h, m, s;

	if (!cmd_number(line, "--lines", 1000000, &n))
		return EXIT_USAGE;
	if (level && !log_level_parse(level, &logs.opts.level))
		return cmd_usage(
		    "daemon logs", "--level is debug, info, warn or error, not \"%s\"", level);
	clock_local_hms(&h, &m, &s);
	logs.now = h * 3600 + m * 60 + s;
	if (since && !logline_parse_since(since, logs.now, &logs.since))
		return cmd_usage("daemon logs",
		    "--since is HH:MM, HH:MM:SS, or so long ago: 90s, 10m, 2h; not \"%s\"", since);
	opts.lines = (size_t)n;
	if (open_paths(&c) != EXIT_DONE)
		return EXIT_ERROR;
	return tail_file(c.paths.log, &opts);
}

/* --- reset --- */

int cmd_daemon_reset(const struct cmd_line *line)
{
	char old[PATHS_MAX + 4];
	struct client c;
	int rc;

	if (open_paths(&c) != EXIT_DONE)
		return EXIT_ERROR;
	if (client_find(&c) != CLIENT_STOPPED) {
		rc = end_daemon(&c);
		if (rc != EXIT_DONE)
			return rc;
		term_line("daemon  stopped   pid=%d", (int)c.pid);
	}
	snprintf(old, sizeof old, "%s.1", c.paths.log);
	unlink(c.paths.state);
	unlink(c.paths.log);
	unlink(old);
	term_line("removed state and log; the sessions in %s are untouched", c.paths.sessions_dir);
	return cmd_daemon_start(line);
}
