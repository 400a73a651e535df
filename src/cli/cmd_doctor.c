/*
 * opta doctor: is everything as it should be, and what mends it. The daemon is
 * looked at from here; the rest is told by optad (daemon/doctor.h), as it needs the store, the
 * model connection and the sandbox.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/config.h"
#include "base/err.h"
#include "base/json.h"
#include "cli/client.h"
#include "cli/cmd.h"
#include "cli/launch.h"
#include "cli/term.h"

enum {
	DOCTOR_MS = 3000,
	DOCTOR_MAX_REPORT = 1024 * 1024,
};

struct doctor {
	struct client client;
	json_t *checks; /* owned: array of {name, ok, text, fix?} */
	json_t *done;	/* owned: what was mended */
};

static void add(struct doctor *d, const char *name, bool ok, const char *text, const char *fix)
{
	json_t *check = json_pack("{s:s, s:b, s:s}", "name", name, "ok", ok, "text", text);

	if (fix && !ok)
		json_object_set_new(check, "fix", json_string(fix));
	json_array_append_new(d->checks, check);
}

/* --- the daemon --- */

static void check_daemon(struct doctor *d)
{
	struct buf out = {0};
	char text[200];
	struct err err;

	switch (client_find(&d->client)) {
	case CLIENT_RUNNING:
		snprintf(text, sizeof text, "running (pid %d, port %d)", (int)d->client.pid,
		    d->client.port);
		if (client_request(&d->client, "GET", "/v3/health", NULL, DOCTOR_MS, &out, &err) ==
		    200)
			add(d, "daemon", true, text, NULL);
		else
			add(d, "daemon", false, err.text, "opta daemon restart");
		break;
	case CLIENT_LOST:
		snprintf(
		    text, sizeof text, "runs (pid %d) and does not say where", (int)d->client.pid);
		add(d, "daemon", false, text, "opta daemon restart");
		break;
	case CLIENT_STOPPED:
		add(d, "daemon", false, d->client.told_to_stop ? "stopped" : "not running",
		    "opta daemon start");
		break;
	}
	buf_finish(&out);
}

/* Requests that wait for a person are what a stuck turn usually waits for. */
static void check_permissions(struct doctor *d)
{
	struct buf out = {0};
	json_t *root = NULL;
	size_t count;
	char text[100];

	if (client_find(&d->client) == CLIENT_RUNNING &&
	    client_request(&d->client, "GET", "/v3/permissions", NULL, DOCTOR_MS, &out, NULL) ==
		200)
		json_parse(out.p, out.len, &root, NULL);
	count = json_array_size(json_object_get(root, "pending"));
	snprintf(text, sizeof text, "%zu request%s wait%s for an answer", count,
	    count == 1 ? "" : "s", count == 1 ? "s" : "");
	add(d, "permissions", count == 0, count ? text : "ok",
	    "opta pending; opta approve ID or opta deny ID");
	json_decref(root);
	buf_finish(&out);
}

/* Whoever wonders why a desktop app cannot connect finds the setting here. */
static void check_apps(struct doctor *d)
{
	struct config *config = NULL;
	bool allowed;

	if (config_load(d->client.paths.config, &config, NULL) != 0)
		return; /* said by another check */
	allowed = config_bool(config, "daemon.allowTauri");
	add(d, "desktop apps", true,
	    allowed ? "Tauri's may connect (daemon.allowTauri)"
		    : "Tauri's may not connect: opta config set daemon.allowTauri true allows it",
	    NULL);
	config_free(config);
}

/* State of a daemon that is gone misleads whoever reads it. */
static void mend_state(struct doctor *d)
{
	struct buf text = {0};

	if (client_find(&d->client) != CLIENT_STOPPED || d->client.told_to_stop)
		return;
	if (access(d->client.paths.state, F_OK) == 0 && unlink(d->client.paths.state) == 0) {
		buf_addf(&text, "removed %s of a daemon that is gone", d->client.paths.state);
		json_array_append_new(d->done, json_string(buf_cstr(&text)));
	}
	buf_finish(&text);
}

static void start_daemon(struct doctor *d)
{
	bool started;
	struct err err;

	if (client_find(&d->client) == CLIENT_RUNNING)
		return;
	if (client_start(&d->client, CLIENT_EXPLICIT, &started, &err) == 0 && started)
		json_array_append_new(d->done, json_string("started the daemon"));
}

/* --- optad's half --- */

/* Run `optad doctor` and take its report. EXIT_DONE, or it was said why not. */
static int ask_optad(struct doctor *d, bool fix)
{
	char optad[4096], command[4200];
	struct buf out = {0};
	json_t *root = NULL, *one;
	struct err err;
	size_t i;
	FILE *f;
	int rc = EXIT_DONE;

	if (launch_find_optad(optad, sizeof optad, &err) != 0)
		return cmd_fail(&err);
	if (strchr(optad, '\''))
		return cmd_error(
		    "opta lies in a directory with a quote in its name, which doctor cannot run");
	snprintf(command, sizeof command, "exec '%s' doctor%s", optad, fix ? " --fix" : "");
	f = popen(command, "re");
	if (!f)
		return cmd_error("cannot run %s: %s", optad, strerror(errno));
	while (out.len < DOCTOR_MAX_REPORT) {
		size_t n = fread(buf_reserve(&out, 16384), 1, 16384, f);

		if (!n)
			break;
		out.len += n;
	}
	pclose(f);
	if (json_parse(out.p, out.len, &root, &err) != 0) {
		rc = cmd_error("optad's half of the checks gave no report");
	} else {
		json_array_foreach (json_object_get(root, "checks"), i, one)
			json_array_append(d->checks, one);
		json_array_foreach (json_object_get(root, "done"), i, one)
			json_array_append(d->done, one);
	}
	json_decref(root);
	buf_finish(&out);
	return rc;
}

/* --- telling --- */

static bool is_main(const char *name)
{
	static const char *const names[] = {"daemon", "LMX", "model", "config", "permissions"};

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		if (strcmp(names[i], name) == 0)
			return true;
	return false;
}

static const json_t *find(const json_t *checks, const char *name)
{
	const json_t *one;
	size_t i;

	json_array_foreach (checks, i, one)
		if (strcmp(json_cstr(one, "name", ""), name) == 0)
			return one;
	return NULL;
}

static void print_one(const json_t *check)
{
	bool ok = json_is_true(json_object_get(check, "ok")), color = term_color(STDOUT_FILENO);
	char left[40];

	snprintf(left, sizeof left, "Checking %s...", json_cstr(check, "name", "?"));
	printf("%-26s%s%s%s ", left, color ? ok ? "\033[32m" : "\033[31m" : "", ok ? "●" : "✗",
	    color ? "\033[0m" : "");
	term_line("%s", json_cstr(check, "text", ""));
}

static int print_all(struct doctor *d, bool verbose)
{
	static const char *const order[] = {"daemon", "LMX", "model", "config", "permissions",
	    "sandbox", "disk", "database", "clock", "file modes", "desktop apps"};
	size_t problems = 0, i;
	const json_t *one;

	for (i = 0; i < sizeof order / sizeof order[0]; i++) {
		one = find(d->checks, order[i]);
		if (one &&
		    (verbose || is_main(order[i]) || !json_is_true(json_object_get(one, "ok"))))
			print_one(one);
	}
	putchar('\n');
	json_array_foreach (d->done, i, one)
		term_line("mended: %s", json_string_value(one));
	json_array_foreach (d->checks, i, one) {
		if (json_is_true(json_object_get(one, "ok")))
			continue;
		problems++;
		if (json_cstr(one, "fix", NULL))
			term_line("%s: %s", json_cstr(one, "name", "?"), json_cstr(one, "fix", ""));
	}
	if (!problems)
		puts("All checks passed.");
	else
		term_line("%zu problem%s found.", problems, problems == 1 ? "" : "s");
	return problems ? EXIT_ERROR : EXIT_DONE;
}

static int print_json(struct doctor *d)
{
	bool ok = true;
	const json_t *one;
	size_t i;
	json_t *root;

	json_array_foreach (d->checks, i, one)
		ok &= json_is_true(json_object_get(one, "ok"));
	root = json_pack("{s:b, s:O, s:O}", "ok", ok, "checks", d->checks, "done", d->done);
	cmd_print_json(root);
	json_decref(root);
	return ok ? EXIT_DONE : EXIT_ERROR;
}

int cmd_doctor(const struct cmd_line *line)
{
	struct doctor d = {.checks = json_array(), .done = json_array()};
	bool fix = cmd_flag(line, "--fix");
	struct err err;
	int rc;

	if (paths_init(&d.client.paths, &err) != 0) {
		rc = cmd_fail(&err);
		goto out;
	}
	if (fix)
		mend_state(&d);
	rc = ask_optad(&d, fix);
	if (rc != EXIT_DONE)
		goto out;
	if (fix)
		start_daemon(&d);
	check_daemon(&d);
	check_permissions(&d);
	check_apps(&d);
	rc = cmd_flag(line, "--json") ? print_json(&d) : print_all(&d, cmd_flag(line, "--verbose"));
out:
	json_decref(d.checks);
	json_decref(d.done);
	return rc;
}
