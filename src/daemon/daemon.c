/* The daemon as a process: start, signals, stop. */
#include "daemon/daemon.h"

#include <errno.h>
#include <limits.h>
#include <malloc.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uv.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/config.h"
#include "base/err.h"
#include "base/ids.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/os.h"
#include "base/paths.h"
#include "base/str.h"
#include "base/worker.h"
#include "daemon/lifecycle.h"
#include "daemon/server.h"
#include "net/listener.h"
#include "protocol/version.h"
#include "session/core.h"
#include "session/recovery.h"
#include "store/store.h"

enum {
	/* After the grace, how long stop events may take to reach the disk. */
	DAEMON_LAST_WRITES_MS = 2000,
	/* For the goodbyes to leave the sockets. */
	DAEMON_GOODBYE_MS = 300,
	/* Bytes of free memory that are not given back to the system at once. */
	DAEMON_HEAP_KEEP = 1024 * 1024,
};

struct daemon {
	const struct daemon_opts *opts;
	uv_loop_t loop;
	struct paths paths;
	struct config *config; /* owned, in use */
	struct lifecycle_locks locks;
	struct store *store;
	struct core *core;
	struct server server;
	struct worker *files; /* reads config, writes state.json */
	uv_work_t first_work; /* starts the threads of libuv */
	uv_signal_t terminate, interrupt, hangup;
	uv_timer_t timer; /* of the stop */
	char daemon_id[32], host[256], started_at[CLOCK_ISO_SIZE];
	char program[PATHS_MAX];		  /* our own, for the tool host */
	char home[PATH_MAX], artifacts[PATH_MAX]; /* through no link, as tools would see them */
	int port;
	enum { RUNNING, DRAINING, LAST_WRITES, GOODBYE, DONE } phase;
};

/* --- telling who started us --- */

static void tell(struct daemon *d, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void tell(struct daemon *d, const char *fmt, ...)
{
	char line[512];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(line, sizeof line - 1, fmt, ap);
	va_end(ap);
	if (n < 0)
		return;
	if (n > (int)sizeof line - 2)
		n = (int)sizeof line - 2;
	line[n++] = '\n';
	/* Nobody may be listening any more; that is no reason not to run. */
	if (d->opts->ready_fd >= 0 && write(d->opts->ready_fd, line, (size_t)n) < 0)
		return;
}

static int fail(struct daemon *d, const struct err *err)
{
	log_error("%s", err->text);
	tell(d, "error %s", err->text);
	if (d->opts->ready_fd < 0)
		fprintf(stderr, "opta: %s\n", err->text);
	return 1;
}

/* --- settings --- */

static void apply_config(struct daemon *d)
{
	enum log_level level;
	const char *unknown;

	if (log_level_parse(config_text(d->config, "daemon.logLevel"), &level))
		log_set_level(level);
	if (config_unknown(d->config, &unknown))
		log_warn(
		    "config.json has a setting nobody knows: %s (`opta config list` names all)",
		    unknown);
}

struct reload {
	struct work work;
	struct daemon *daemon;
	struct config *config; /* what was read, or NULL */
	struct daemon_state state;
	struct err err;
	int state_rc;
};

static void run_reload(struct work *work)
{
	struct reload *r = list_entry(work, struct reload, work);

	if (config_load(r->daemon->paths.config, &r->config, &r->err) != 0)
		r->config = NULL;
	lifecycle_relock(&r->daemon->paths, &r->daemon->locks);
	r->state_rc = lifecycle_write_state(&r->daemon->paths, &r->state, false, NULL);
}

static void done_reload(struct work *work)
{
	struct reload *r = list_entry(work, struct reload, work);
	struct daemon *d = r->daemon;
	struct config *old = d->config;

	if (r->state_rc != 0)
		log_error("cannot write state.json: %s", err_name(r->state_rc));
	if (r->config) {
		d->config = r->config;
		core_configure(d->core, d->config);
		d->server.config = d->config;
		d->server.auth.config = d->config;
		config_free(old);
		apply_config(d);
		log_info("configuration and log file read again");
	} else {
		log_error("the configuration was not changed: %s", r->err.text);
	}
	free(r);
}

static void fill_state(struct daemon *d, struct daemon_state *state)
{
	*state = (struct daemon_state){.daemon_id = d->daemon_id,
	    .host = d->host,
	    .token = d->server.auth.token,
	    .logs_path = d->paths.log,
	    .port = d->port,
	    .started_at = d->started_at};
}

static void on_hangup(uv_signal_t *handle, int signum)
{
	struct daemon *d = handle->data;
	struct reload *r;

	if (d->phase != RUNNING)
		return;
	log_reopen();
	r = mem_zalloc(1, sizeof *r);
	r->work.run = run_reload;
	r->work.done = done_reload;
	r->daemon = d;
	fill_state(d, &r->state);
	worker_submit(d->files, &r->work);
}

/* --- stopping --- */

static void finish(struct daemon *d)
{
	if (d->phase == DONE)
		return;
	d->phase = DONE;
	uv_stop(&d->loop);
}

static void say_goodbye(struct daemon *d);

static void on_stop_timer(uv_timer_t *timer)
{
	struct daemon *d = timer->data;

	switch (d->phase) {
	case DRAINING:
		log_info("the grace is over: ending running turns");
		d->phase = LAST_WRITES;
		uv_timer_start(&d->timer, on_stop_timer, DAEMON_LAST_WRITES_MS, 0);
		core_interrupt(d->core);
		break;
	case LAST_WRITES:
		log_error("stop events could not be written; they will be at the next start");
		say_goodbye(d);
		break;
	case GOODBYE:
		/* All gone already, or time is up. */
		finish(d);
		break;
	case RUNNING:
	case DONE:
		break;
	}
}

static void say_goodbye(struct daemon *d)
{
	if (d->phase == GOODBYE || d->phase == DONE)
		return;
	d->phase = GOODBYE;
	server_stop(&d->server);
	/* One more turn of the loop sends what lies ready; only slow peers take longer. */
	uv_timer_start(
	    &d->timer, on_stop_timer, list_empty(&d->server.conns) ? 0 : DAEMON_GOODBYE_MS, 0);
}

static void on_stopped(void *data)
{
	say_goodbye(data);
}

static void on_terminate(uv_signal_t *handle, int signum)
{
	struct daemon *d = handle->data;
	uint64_t grace = (uint64_t)config_int(d->config, "daemon.shutdownGraceMs");

	if (d->phase != RUNNING) {
		log_warn("told to stop again: ending at once");
		finish(d);
		return;
	}
	log_info("stopping");
	d->phase = grace ? DRAINING : LAST_WRITES;
	uv_timer_start(&d->timer, on_stop_timer, grace ? grace : DAEMON_LAST_WRITES_MS, 0);
	core_stop(d->core, grace, on_stopped, d);
}

/* --- starting --- */

static void on_notice(void *data, enum log_level level, const char *text)
{
	log_line(level, "%s", text);
}

static int parse_port(const char *text, int *ret, struct err *reterr)
{
	uint64_t n;

	if (!str_parse_u64(str_of(text), 65535, &n))
		return err_set(reterr, -EINVAL,
		    "OPTA_DAEMON_PORT is \"%.40s\": expected a port from 0 to 65535", text);
	*ret = (int)n;
	return 0;
}

/* Say which process holds the port, for the one person who will ask. */
static void describe_owner(int port, char *out, size_t size)
{
	char name[64];
	pid_t pid;

	if (os_port_owner(port, &pid, name, sizeof name))
		snprintf(out, size, "%s, pid %d%s", name, (int)pid,
		    strcmp(name, "optad") == 0 ? ", another opta daemon" : "");
	else
		snprintf(out, size, "a process this user may not see");
}

/* Who holds each port of the range; neighbours of one process together. */
static void put_owners(struct buf *out, int low, int high)
{
	char owner[128], next[128];

	for (int port = low, first; port <= high; port++) {
		first = port;
		describe_owner(port, owner, sizeof owner);
		for (; port < high; port++) {
			describe_owner(port + 1, next, sizeof next);
			if (strcmp(next, owner) != 0)
				break;
		}
		buf_addf(out, "%s%d", first == low ? "" : "; ", first);
		if (port > first)
			buf_addf(out, "-%d", port);
		buf_addf(out, " %s", owner);
	}
}

static int listen_in_range(struct daemon *d, struct err *reterr)
{
	int64_t low, high;
	char owner[128], first[300];
	struct buf owners = {0};
	int rc, wanted = (int)config_int(d->config, "daemon.port");

	describe_owner(wanted, owner, sizeof owner);
	snprintf(first, sizeof first, "port %d is taken (%s)", wanted, owner);
	config_range(d->config, "daemon.portRange", &low, &high);
	for (int64_t port = low; port <= high; port++) {
		rc = listener_new(&d->loop, d->host, (int)port, server_on_accept, &d->server,
		    &d->server.listener, reterr);
		if (rc == 0) {
			log_warn("%s: using %d", first, (int)port);
			return 0;
		}
		if (rc != -EADDRINUSE)
			return rc;
	}
	put_owners(&owners, (int)low, (int)high);
	rc = err_set(reterr, -EADDRINUSE,
	    "port already in use: %s, and so are %s: free one, or set daemon.port", first,
	    buf_cstr(&owners));
	buf_finish(&owners);
	return rc;
}

static int start_listening(struct daemon *d, struct err *reterr)
{
	const char *env_host = getenv("OPTA_DAEMON_HOST"), *env_port = getenv("OPTA_DAEMON_PORT");
	int port = (int)config_int(d->config, "daemon.port"), rc;
	bool given = config_is_set(d->config, "daemon.port");
	char owner[128];

	snprintf(d->host, sizeof d->host, "%s",
	    env_host && env_host[0] ? env_host : config_text(d->config, "daemon.host"));
	if (env_port && env_port[0]) {
		rc = parse_port(env_port, &port, reterr);
		if (rc != 0)
			return rc;
		given = true;
	}
	rc = listener_new(
	    &d->loop, d->host, port, server_on_accept, &d->server, &d->server.listener, reterr);
	if (rc == -EADDRINUSE && !given)
		rc = listen_in_range(d, reterr);
	else if (rc == -EADDRINUSE) {
		describe_owner(port, owner, sizeof owner);
		err_set(reterr, rc,
		    "port already in use: %d is taken by %s: stop it, or choose another port", port,
		    owner);
	}
	if (rc == 0)
		d->port = listener_port(d->server.listener);
	return rc;
}

static void watch_signal(struct daemon *d, uv_signal_t *handle, uv_signal_cb cb, int signum)
{
	uv_signal_init(&d->loop, handle);
	handle->data = d;
	uv_signal_start(handle, cb, signum);
	uv_unref((uv_handle_t *)handle);
}

static int open_store(struct daemon *d, struct store_stats *stats, struct err *reterr)
{
	int rc = store_open(&d->loop, d->paths.sessions_dir, d->daemon_id, recovery_end_turn,
	    &d->store, stats, reterr);

	if (rc != 0)
		return rc;
	if (stats->network_fs)
		log_warn("%s is on a network filesystem (%s): a lost connection can damage the "
			 "database; set OPTA_HOME to a local disk",
		    d->paths.sessions_dir, stats->network_fs);
	if (stats->recovered)
		log_info(
		    "the last daemon left %zu turns open: ended as interrupted", stats->recovered);
	return 0;
}

/* Where we are and what must be hidden from tools: the true paths. */
static void find_places(struct daemon *d)
{
	char real[PATH_MAX];

	if (os_self_path(d->program, sizeof d->program) != 0)
		snprintf(d->program, sizeof d->program, "optad");
	snprintf(
	    d->home, sizeof d->home, "%s", realpath(d->paths.home, real) ? real : d->paths.home);
	snprintf(d->artifacts, sizeof d->artifacts, "%s",
	    realpath(d->paths.sessions_dir, real) ? real : d->paths.sessions_dir);
}

static void nothing(uv_work_t *work)
{
}

/* All threads there will ever be: libuv aborts when those of its own cannot be had later. */
static void start_threads(struct daemon *d)
{
	d->files = worker_new(&d->loop);
	uv_queue_work(&d->loop, &d->first_work, nothing, NULL);
}

static int start(struct daemon *d, struct err *reterr)
{
	struct store_stats stats;
	struct daemon_state state;
	int rc;

	find_places(d);
	ids_make("daemon_", 4, d->daemon_id, sizeof d->daemon_id);
	clock_iso(clock_wall_ms(), d->started_at);
	rc = open_store(d, &stats, reterr);
	if (rc != 0)
		return rc;
	d->core = core_new(&(struct core_opts){.loop = &d->loop,
	    .store = d->store,
	    .stats = &stats,
	    .config = d->config,
	    .daemon_id = d->daemon_id,
	    .tool_program = d->program,
	    .home = d->home,
	    .artifacts = d->artifacts,
	    .on_notice = on_notice,
	    .data = d});
	d->server.loop = &d->loop;
	d->server.core = d->core;
	d->server.config = d->config;
	d->server.daemon_id = d->daemon_id;
	d->server.started_us = clock_mono_us();
	server_init(&d->server);
	auth_init(&d->server.auth, d->config, d->host);
	rc = start_listening(d, reterr);
	if (rc != 0)
		return rc;
	core_set_port(d->core, d->port);
	start_threads(d);
	uv_timer_init(&d->loop, &d->timer);
	d->timer.data = d;
	watch_signal(d, &d->terminate, on_terminate, SIGTERM);
	watch_signal(d, &d->interrupt, on_terminate, SIGINT);
	watch_signal(d, &d->hangup, on_hangup, SIGHUP);
	fill_state(d, &state);
	return lifecycle_write_state(&d->paths, &state, false, reterr);
}

static void shut_down(struct daemon *d)
{
	struct daemon_state state;

	/* A reload may still be at state.json: its word must not be the last. */
	worker_stop(d->files);
	store_close(d->store);
	fill_state(d, &state);
	lifecycle_write_state(&d->paths, &state, true, NULL);
	log_info("daemon stopped");
	log_close();
}

static int prepare(struct daemon *d, pid_t *ret_owner, struct err *reterr)
{
	int rc = paths_init(&d->paths, reterr);

	if (rc == 0)
		rc = lifecycle_lock(&d->paths, &d->locks, ret_owner, reterr);
	if (rc == 0)
		rc = log_open(d->paths.log, d->opts->foreground, reterr);
	if (rc == 0)
		rc = config_load(d->paths.config, &d->config, reterr);
	if (rc == 0)
		apply_config(d);
	return rc;
}

int daemon_run(const struct daemon_opts *opts)
{
	static struct daemon d; /* large, and lives as long as the process */
	struct err err = {0};
	pid_t owner = 0;
	int rc;

	d.opts = opts;
	signal(SIGPIPE, SIG_IGN);
	/* Past `ulimit -f` a write then fails like one to a full disk. uv_spawn undoes it in
	 * children. */
	signal(SIGXFSZ, SIG_IGN);
	/* Once the lock names us others may ask for state.json; until we can write it, that must
	 * not end us. */
	signal(SIGHUP, SIG_IGN);
	umask(077);
	os_forbid_dumps();
	/* Each thread's own arena would cost more than all of our data. */
	mallopt(M_ARENA_MAX, 1);
	/* Segments of the log come and go: mapping and clearing their pages each time costs more
	 * than reading them. */
	mallopt(M_MMAP_THRESHOLD, DAEMON_HEAP_KEEP);
	mallopt(M_TRIM_THRESHOLD, DAEMON_HEAP_KEEP);
	rc = prepare(&d, &owner, &err);
	if (rc == ERR_BUSY) {
		tell(&d, "busy %d %s", (int)owner, err.text);
		if (opts->ready_fd < 0)
			fprintf(stderr, "opta: %s\n", err.text);
		return 1;
	}
	if (rc != 0)
		return fail(&d, &err);
	uv_loop_init(&d.loop);
	rc = start(&d, &err);
	if (rc != 0) {
		rc = fail(&d, &err);
		store_close(d.store);
		log_close();
		return rc;
	}
	log_info("daemon started on %s:%d", d.host, d.port);
	tell(&d, "ready %d %d", (int)getpid(), d.port);
	if (opts->ready_fd >= 0)
		close(opts->ready_fd);
	if (opts->foreground)
		fprintf(stderr, "opta %s: listening on %s:%d (pid %d), Ctrl+C stops\n",
		    OPTA_VERSION, d.host, d.port, (int)getpid());
	uv_run(&d.loop, UV_RUN_DEFAULT);
	shut_down(&d);
	return 0;
}
