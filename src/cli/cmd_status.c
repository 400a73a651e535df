/* opta status: daemon, model server, context, sessions and disk, a line each. */
#include <dirent.h>
#include <inttypes.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "cli/client.h"
#include "cli/cmd.h"
#include "cli/format.h"
#include "cli/term.h"

/* The database with its logs: what sessions take, but for what tools wrote. */
static int64_t database_bytes(const struct paths *paths)
{
	static const char *const ends[] = {"", "-wal", "-shm"};
	int64_t bytes = 0;

	for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
		struct buf path = {0};
		struct stat st;

		buf_addf(&path, "%s%s", paths->database, ends[i]);
		if (stat(buf_cstr(&path), &st) == 0)
			bytes += st.st_size;
		buf_finish(&path);
	}
	return bytes;
}

static const json_t *loaded_model(const json_t *models)
{
	const json_t *list = json_object_get(models, "models"), *one;
	const char *chosen = json_cstr(models, "default", "");
	size_t i;

	json_array_foreach (list, i, one)
		if (strcmp(json_cstr(one, "id", ""), chosen) == 0)
			return one;
	json_array_foreach (list, i, one)
		if (json_is_true(json_object_get(one, "loaded")))
			return one;
	return json_array_get(list, 0);
}

static void print_model(const json_t *models, const char *why)
{
	const json_t *one = loaded_model(models);
	int64_t tokens = json_int(one, "contextTokens", 0);

	if (!models)
		term_line("model     %s", why);
	else
		term_line("model     %s at %s", json_cstr(one, "id", "none is loaded"),
		    json_cstr(models, "host", "?"));
	if (tokens)
		printf("context   %" PRId64 " tokens\n", tokens);
	else
		term_line("context   %s", models ? "the server does not say" : "unknown");
}

int cmd_status(const struct cmd_line *line)
{
	json_t *health = NULL, *models = NULL;
	const json_t *runtime;
	struct client c = {0};
	struct statvfs fs;
	struct err err = {.text = "unknown: the daemon is stopped"};
	char uptime[32], used[32], left[32] = "unknown";
	bool running;

	if (paths_init(&c.paths, &err) != 0)
		return cmd_fail(&err);
	running = client_find(&c) == CLIENT_RUNNING;
	if (running) {
		health = client_json(&c, "GET", "/v3/health", NULL, CLIENT_ASK_MS, NULL, &err);
		models = client_json(&c, "GET", "/v3/models", NULL, CLIENT_ASK_MS, NULL, &err);
	}
	runtime = json_object_get(health, "runtime");
	format_uptime(json_int(health, "uptime", 0), uptime, sizeof uptime);
	format_bytes(database_bytes(&c.paths), used, sizeof used);
	if (statvfs(access(c.paths.home, F_OK) == 0 ? c.paths.home : "/", &fs) == 0)
		format_bytes((int64_t)(fs.f_bavail * fs.f_frsize), left, sizeof left);
	if (health)
		term_line(
		    "daemon    running   pid=%d   port=%d   uptime=%s", (int)c.pid, c.port, uptime);
	else
		term_line("daemon    %s", running ? "not answering" : "stopped");
	print_model(models, err.text);
	if (health)
		printf("sessions  %" PRId64 "   running turns=%" PRId64 "   queued=%" PRId64 "\n",
		    json_int(runtime, "sessionCount", 0), json_int(runtime, "activeTurnCount", 0),
		    json_int(runtime, "queuedTurnCount", 0));
	else
		printf("sessions  unknown\n");
	term_line("disk      %s of sessions, %s free", used, left);
	json_decref(models);
	json_decref(health);
	return health ? EXIT_DONE : running ? EXIT_ERROR : EXIT_STOPPED;
}
