/* The checks of doctor, and what it mends. */
#include "daemon/doctor.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>
#include <uv.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/config.h"
#include "base/err.h"
#include "base/file.h"
#include "base/json.h"
#include "base/lingering.h"
#include "base/os.h"
#include "base/paths.h"
#include "daemon/lifecycle.h"
#include "model/server.h"
#include "session/model_servers.h"
#include "store/salvage.h"
#include "tools/sandbox.h"

enum {
	DOCTOR_FREE_MB = 200, /* less free disk than this is a problem */
	/* 2025-01-01: a clock that shows less has not been set. */
	DOCTOR_FIRST_SECOND = 1735689600,
};

struct doctor {
	struct paths paths;
	struct config *config; /* owned; NULL: the file is damaged */
	struct buf checks, done;
	uv_loop_t loop;
};

static void check(struct doctor *d, const char *name, bool ok, const char *fix, const char *fmt,
    ...) __attribute__((format(printf, 5, 6)));

/* fix: what mends it, a command; NULL when ok. */
static void check(
    struct doctor *d, const char *name, bool ok, const char *fix, const char *fmt, ...)
{
	char text[500];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	buf_addf(&d->checks, "%s{\"name\":\"%s\",\"ok\":%s,\"text\":", d->checks.len ? "," : "",
	    name, ok ? "true" : "false");
	json_put_cstr(&d->checks, text);
	if (!ok && fix) {
		buf_adds(&d->checks, ",\"fix\":");
		json_put_cstr(&d->checks, fix);
	}
	buf_addc(&d->checks, '}');
}

static void did(struct doctor *d, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void did(struct doctor *d, const char *fmt, ...)
{
	char text[1500];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	buf_adds(&d->done, d->done.len ? "," : "");
	json_put_cstr(&d->done, text);
}

/* --- model server --- */

struct asked {
	struct doctor *doctor;
	struct model_server *server;
	bool unreachable;
};

static void on_preflight(void *data, const struct preflight_answer *a)
{
	struct asked *q = data;
	struct doctor *d = q->doctor;
	char name[300];

	model_server_name(q->server, name, sizeof name);
	switch (a->result) {
	case PREFLIGHT_READY:
		check(d, "LMX", true, NULL, "reachable (%s)", name);
		check(d, "model", true, NULL, "loaded%s%s%s", a->model[0] ? " (" : "", a->model,
		    a->model[0] ? ")" : "");
		break;
	case PREFLIGHT_NO_MODEL:
		check(d, "LMX", true, NULL, "reachable (%s)", name);
		check(d, "model", false, "load a model in the model server", "none is loaded");
		break;
	case PREFLIGHT_UNNAMED:
		check(d, "LMX", true, NULL, "reachable (%s)", name);
		check(d, "model", false,
		    "load a model in the model server, or opta config set model.default NAME",
		    "its list names none that can be asked");
		break;
	case PREFLIGHT_LOADING:
		check(d, "LMX", true, NULL, "reachable (%s)", name);
		check(d, "model", false, "wait a moment", "still loading: %s", a->why->text);
		break;
	case PREFLIGHT_REFUSED:
		check(d, "LMX", false, "opta config set connection.apiKey KEY", "%s", a->why->text);
		check(d, "model", false, NULL, "unknown: the model server refuses us");
		break;
	case PREFLIGHT_UNREACHABLE:
		check(d, "LMX", false,
		    "opta config set connection.host HOST:PORT (or try: opta lmx demo)",
		    "unreachable (%s)", a->why->text);
		check(d, "model", false, NULL, "unknown: the model server cannot be reached");
		break;
	}
	uv_stop(&d->loop);
}

static void check_model(struct doctor *d)
{
	struct asked q = {.doctor = d};
	struct server_opts o;

	if (!d->config) {
		check(d, "LMX", false, NULL, "unknown: config.json is damaged");
		check(d, "model", false, NULL, "unknown: config.json is damaged");
		return;
	}
	model_servers_opts(d->config, NULL, &o);
	uv_loop_init(&d->loop);
	q.server = model_server_new(&d->loop, &o);
	model_server_preflight(q.server, on_preflight, &q);
	uv_run(&d->loop, UV_RUN_DEFAULT);
	/* What the preflight closes now that its answer was given; a lookup it gave up lingers. */
	uv_run(&d->loop, lingering_any() ? UV_RUN_NOWAIT : UV_RUN_DEFAULT);
	model_server_free(q.server);
	uv_loop_close(&d->loop);
}

/* --- files --- */

/* A file or directory that must be for this user alone. */
static bool is_private(const char *path, mode_t *ret_mode)
{
	struct stat st;

	*ret_mode = 0;
	if (lstat(path, &st) != 0)
		return true;
	*ret_mode = st.st_mode;
	return (st.st_mode & 077) == 0 && st.st_uid == geteuid();
}

static void check_modes(struct doctor *d, bool fix)
{
	const char *places[] = {d->paths.daemon_dir, d->paths.sessions_dir, d->paths.state,
	    d->paths.log, d->paths.database};
	const char *bad = NULL;
	mode_t mode;

	for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
		if (is_private(places[i], &mode))
			continue;
		if (fix && !S_ISLNK(mode) && chmod(places[i], S_ISDIR(mode) ? 0700 : 0600) == 0)
			did(d, "made private: %s", places[i]);
		else
			bad = places[i];
	}
	if (bad)
		check(d, "file modes", false, "opta doctor --fix", "%s can be read by others", bad);
	else
		check(d, "file modes", true, NULL, "private");
}

static void make_directories(struct doctor *d)
{
	const char *places[] = {d->paths.home, d->paths.daemon_dir, d->paths.sessions_dir};
	struct err err;

	for (size_t i = 0; i < sizeof places / sizeof places[0]; i++)
		if (access(places[i], F_OK) != 0 && file_make_dir(places[i], &err) == 0)
			did(d, "made the directory %s", places[i]);
}

static void set_config_aside(struct doctor *d)
{
	char aside[PATHS_MAX + 32];

	snprintf(aside, sizeof aside, "%s.bad", d->paths.config);
	/* An older one is kept as well. */
	for (int i = 1; access(aside, F_OK) == 0 && i < 100; i++)
		snprintf(aside, sizeof aside, "%s.bad.%d", d->paths.config, i);
	if (rename(d->paths.config, aside) == 0)
		did(d, "set the damaged settings aside as %s", aside);
}

static void check_config(struct doctor *d, bool fix)
{
	struct err err = {0};
	const char *unknown;
	int rc = config_load(d->paths.config, &d->config, &err);

	if (rc != 0 && fix) {
		set_config_aside(d);
		rc = config_load(d->paths.config, &d->config, &err);
	}
	if (rc != 0) {
		d->config = NULL;
		check(d, "config", false, "opta doctor --fix (sets it aside as config.json.bad)",
		    "%s", err.text);
	} else if (config_unknown(d->config, &unknown)) {
		check(d, "config", false, "opta config unset NAME", "nobody knows the setting %s",
		    unknown);
	} else {
		check(d, "config", true, NULL, "valid");
	}
}

/* --- disk, database, clock, sandbox --- */

static void check_disk(struct doctor *d)
{
	struct statvfs fs;
	uint64_t free_mb;

	if (statvfs(access(d->paths.home, F_OK) == 0 ? d->paths.home : "/", &fs) != 0) {
		check(d, "disk", false, NULL, "unknown: %s", strerror(errno));
		return;
	}
	free_mb = (uint64_t)fs.f_bavail * fs.f_frsize >> 20;
	check(d, "disk", free_mb >= DOCTOR_FREE_MB, "free some space", "%" PRIu64 " MB free",
	    free_mb);
}

/* Nobody writes the database while we hold its lock. */
static void salvage(struct doctor *d)
{
	struct lifecycle_locks locks;
	struct salvage_report report;
	struct err err = {0};
	pid_t owner;

	if (lifecycle_lock(&d->paths, &locks, &owner, &err) != 0) {
		did(d, "the database was left alone: a daemon runs (opta daemon stop, then again)");
		return;
	}
	if (salvage_run(d->paths.sessions_dir, &report, &err) == 0)
		did(d,
		    "saved %" PRIu64 " rows of the database (%" PRIu64
		    " places could not be read, %" PRIu64
		    " events are lost); the damaged one is %s",
		    report.rows, report.gaps, report.lost, report.aside);
	else
		did(d, "the database could not be saved: %s", err.text);
	close(locks.daemon_fd);
	close(locks.sessions_fd);
}

static void check_database(struct doctor *d, bool fix)
{
	struct err err = {0};
	const char *network = NULL;
	int rc = salvage_check(d->paths.database, &err);

	if (rc != 0 && rc != -ENOENT && rc != ERR_BUSY && fix) {
		salvage(d);
		rc = salvage_check(d->paths.database, &err);
	}
	if (rc == -ENOENT)
		check(d, "database", true, NULL, "none yet");
	else if (rc == ERR_BUSY)
		check(d, "database", true, NULL, "%s",
		    os_is_cow_fs(d->paths.sessions_dir)
			? "in use (on this filesystem it is checked while the daemon is stopped)"
			: "in use, so it was not checked; try again in a moment");
	else if (rc != 0)
		check(d, "database", false,
		    "opta daemon stop; opta doctor --fix (saves what can be read)", "damaged: %s",
		    err.text);
	else if (os_is_network_fs(d->paths.sessions_dir, &network))
		check(d, "database", false, "set OPTA_HOME to a local disk",
		    "sound, but on a network filesystem (%s)", network);
	else
		check(d, "database", true, NULL, "sound");
}

static void check_clock(struct doctor *d)
{
	char iso[CLOCK_ISO_SIZE];
	int64_t now = clock_wall_ms();

	clock_iso(now, iso);
	check(d, "clock", now / 1000 > DOCTOR_FIRST_SECOND, "set the clock of this machine", "%s",
	    iso);
}

static void check_sandbox(struct doctor *d)
{
	struct sandbox_support support;
	char missing[1000], *end;

	sandbox_probe(&support);
	sandbox_missing(&support, missing, sizeof missing);
	end = strchr(missing, '\0');
	if (end > missing)
		end[-1] = '\0';
	for (char *p = missing; *p; p++)
		if (*p == '\n')
			*p = ';';
	if (missing[0])
		check(d, "sandbox", false, "a newer kernel, or unprivileged user namespaces",
		    "this kernel lacks %s", missing);
	else
		check(d, "sandbox", true, NULL, "whole (Landlock ABI %d, namespaces, seccomp)",
		    support.landlock);
}

int doctor_run(bool fix)
{
	static struct doctor d;
	struct err err = {0};

	if (paths_init(&d.paths, &err) != 0) {
		fprintf(stderr, "opta: %s\n", err.text);
		return 1;
	}
	if (fix)
		make_directories(&d);
	check_config(&d, fix);
	check_model(&d);
	check_sandbox(&d);
	check_disk(&d);
	check_database(&d, fix);
	check_clock(&d);
	check_modes(&d, fix);
	printf("{\"checks\":[%s],\"done\":[%s]}\n", buf_cstr(&d.checks),
	    d.done.len ? buf_cstr(&d.done) : "");
	config_free(d.config);
	buf_finish(&d.checks);
	buf_finish(&d.done);
	return 0;
}
