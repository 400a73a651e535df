/* Starting the daemon's process. */
#include "cli/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/file.h"
#include "base/json.h"
#include "base/os.h"
#include "base/paths.h"
#include "cli/term.h"

enum {
	LAUNCH_LOCK_MS = 30000,	 /* another starter is at work */
	LAUNCH_READY_MS = 30000, /* a large database to recover */
	LAUNCH_READY_FD = 3,
	LAUNCH_MAX_FAILURES = 16 * 1024, /* bytes of the file that counts them */
	LAUNCH_LOG_LINES = 5,		 /* shown when no further start is tried */
};

int launch_find_optad(char *ret_path, size_t size, struct err *reterr)
{
	static const char *const places[] = {"optad", "../libexec/opta/optad", "../lib/opta/optad"};
	char self[4096], *slash;
	int rc = os_self_path(self, sizeof self);

	if (rc != 0)
		return err_set(
		    reterr, rc, "cannot find this program's own path: %s", strerror(-rc));
	slash = strrchr(self, '/');
	if (slash)
		*slash = '\0';
	for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
		int n = snprintf(ret_path, size, "%s/%s", self, places[i]);

		if (n > 0 && (size_t)n < size && access(ret_path, X_OK) == 0)
			return 0;
	}
	return err_set(reterr, -ENOENT,
	    "optad, the daemon's program, is not beside opta in %.200s: install both", self);
}

/* One starter at a time. The lock's fd, or negative. */
static int lock_start(const struct paths *paths, struct err *reterr)
{
	uint64_t deadline = clock_mono_us() + LAUNCH_LOCK_MS * 1000ull;
	int fd, rc = file_make_dir(paths->home, reterr);

	if (rc != 0)
		return rc;
	fd = open(paths->start_lock, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return err_set(
		    reterr, -errno, "cannot open %s: %s", paths->start_lock, strerror(errno));
	while (flock(fd, LOCK_EX | LOCK_NB) != 0) {
		if (clock_mono_us() > deadline) {
			close(fd);
			return err_set(reterr, ERR_TIMEOUT,
			    "another `opta` is starting the daemon and does not get done");
		}
		poll(NULL, 0, 5);
	}
	return fd;
}

/* In the grandchild: become the daemon. Only async-signal-safe calls. */
static void become_daemon(const char *optad, int ready, int log)
{
	static const char problem[] = "error optad could not be run\n";
	char *const argv[] = {(char *)(uintptr_t) "optad", (char *)(uintptr_t) "run",
	    (char *)(uintptr_t) "--ready-fd", (char *)(uintptr_t) "3", NULL};
	int null = open("/dev/null", O_RDWR);
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	/* Room above what we place by number. */
	ready = fcntl(ready, F_DUPFD, 10);
	log = log >= 0 ? fcntl(log, F_DUPFD, 10) : -1;
	dup2(null, 0);
	dup2(log >= 0 ? log : null, 1);
	dup2(log >= 0 ? log : null, 2);
	dup2(ready, LAUNCH_READY_FD);
	close_range(LAUNCH_READY_FD + 1, ~0U, 0);
	if (chdir("/") != 0)
		_exit(1);
	execv(optad, argv);
	if (write(LAUNCH_READY_FD, problem, sizeof problem - 1) < 0)
		_exit(1);
	_exit(1);
}

/* Fork twice, so that the daemon is nobody's child and never a zombie of ours. The pipe's read end,
 * or negative. */
static int spawn(const char *optad, const struct paths *paths, struct err *reterr)
{
	int ends[2], log;
	pid_t child;

	if (pipe2(ends, O_CLOEXEC) != 0)
		return err_set(reterr, -errno, "cannot make a pipe: %s", strerror(errno));
	/* What it says before its log is open, or while it dies, belongs there, too. */
	file_make_dir(paths->daemon_dir, NULL);
	log = open(
	    paths->log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
	child = fork();
	if (child == 0) {
		setsid();
		if (fork() == 0)
			become_daemon(optad, ends[1], log);
		_exit(0);
	}
	if (child > 0)
		waitpid(child, NULL, 0);
	close(ends[1]);
	if (log >= 0)
		close(log);
	if (child < 0) {
		close(ends[0]);
		return err_set(reterr, -EAGAIN, "cannot start a process: %s", strerror(errno));
	}
	return ends[0];
}

/* One line from the daemon, without its end; 0 bytes: it died without a word. */
static int read_line(int fd, char *line, size_t size, struct err *reterr)
{
	uint64_t deadline = clock_mono_us() + LAUNCH_READY_MS * 1000ull;
	size_t n = 0;

	while (n < size - 1) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		uint64_t now = clock_mono_us();
		ssize_t got;

		if (now >= deadline)
			return err_set(reterr, ERR_TIMEOUT,
			    "the daemon is not ready after %d s; see daemon.log",
			    LAUNCH_READY_MS / 1000);
		if (poll(&p, 1, (int)((deadline - now) / 1000) + 1) <= 0)
			continue;
		got = read(fd, line + n, 1);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0 || line[n] == '\n')
			break;
		n++;
	}
	line[n] = '\0';
	return 0;
}

static int run_daemon(const struct paths *paths, bool *ret_started, struct err *reterr)
{
	char optad[4096], line[512];
	int rc = launch_find_optad(optad, sizeof optad, reterr), fd;

	if (rc != 0)
		return rc;
	fd = spawn(optad, paths, reterr);
	if (fd < 0)
		return fd;
	rc = read_line(fd, line, sizeof line, reterr);
	close(fd);
	if (rc != 0)
		return rc;
	if (strncmp(line, "ready ", 6) == 0) {
		*ret_started = true;
		return 0;
	}
	/* Somebody started one by hand at the same moment: that one is as good. */
	if (strncmp(line, "busy ", 5) == 0)
		return 0;
	if (strncmp(line, "error ", 6) == 0)
		return err_set(reterr, -EIO, "%s", line + 6);
	return err_set(reterr, -EIO, "the daemon ended at once without a word; see %s", paths->log);
}

/* --- crash loops --- */

/* Past failures as JSON: {"times":[seconds…],"reason":…}. json_decref. */
static json_t *read_failures(const char *path)
{
	struct buf text = {0};
	json_t *root = NULL;

	if (file_read(path, LAUNCH_MAX_FAILURES, &text, NULL) == 0)
		json_parse(text.p, text.len, &root, NULL);
	buf_finish(&text);
	return json_is_object(root) ? root : (json_decref(root), json_object());
}

static void note_failure(const struct paths *paths, const char *path, const char *reason)
{
	json_t *root = read_failures(path), *times = json_object_get(root, "times"),
	       *kept = json_array();
	int64_t now = clock_wall_ms() / 1000;
	struct buf text = {0};
	size_t i;
	json_t *one;

	json_array_foreach (times, i, one)
		if (json_is_integer(one) && now - json_integer_value(one) < LAUNCH_LOOP_S)
			json_array_append(kept, one);
	json_array_append_new(kept, json_integer(now));
	json_object_set_new(root, "times", kept);
	json_object_set_new(root, "reason", json_string(reason));
	json_put(&text, root);
	file_replace(paths->home, "start.failures", text.p, text.len, 0600, NULL);
	buf_finish(&text);
	json_decref(root);
}

/* The last lines of the log, for who must mend what is wrong. */
static void print_log_end(const char *path)
{
	struct buf text = {0};
	size_t from, lines = 0;

	if (file_read(path, 16 * 1024 * 1024, &text, NULL) != 0)
		return;
	for (from = text.len; from > 0 && lines <= LAUNCH_LOG_LINES; from--)
		lines += text.p[from - 1] == '\n';
	from += from > 0;
	for (size_t at = from; at < text.len;) {
		const char *eol = memchr(text.p + at, '\n', text.len - at);
		size_t n = eol ? (size_t)(eol - text.p) - at : text.len - at;

		term_note("  %.*s", (int)n, text.p + at);
		at += n + 1;
	}
	buf_finish(&text);
}

/* 0, or the refusal of one more automatic start. */
static int refuse_loop(const struct paths *paths, const char *path, struct err *reterr)
{
	json_t *root = read_failures(path), *one;
	int64_t now = clock_wall_ms() / 1000;
	size_t i, recent = 0;
	int rc = 0;

	json_array_foreach (json_object_get(root, "times"), i, one)
		recent += json_is_integer(one) && now >= json_integer_value(one) &&
			  now - json_integer_value(one) < LAUNCH_LOOP_S;
	if (recent >= LAUNCH_LOOP) {
		print_log_end(paths->log);
		rc = err_set(reterr, ERR_REFUSED,
		    "the daemon failed to start %zu times within a minute (%.200s): mend that, "
		    "then `opta daemon "
		    "start`",
		    recent, json_cstr(root, "reason", "?"));
	}
	json_decref(root);
	return rc;
}

int launch_daemon(const struct paths *paths, bool automatic, bool *ret_started, struct err *reterr)
{
	char failures[PATHS_MAX + 20];
	struct err err = {0};
	int lock, rc;

	*ret_started = false;
	snprintf(failures, sizeof failures, "%s/start.failures", paths->home);
	if (!automatic)
		unlink(failures);
	else if ((rc = refuse_loop(paths, failures, reterr)) != 0)
		return rc;
	lock = lock_start(paths, reterr);
	if (lock < 0)
		return lock;
	/* When another starter was before us the daemon says "busy", which is success. */
	rc = run_daemon(paths, ret_started, &err);
	if (rc == 0)
		unlink(failures);
	else if (automatic)
		note_failure(paths, failures, err.text);
	close(lock);
	return rc ? err_set(reterr, rc, "%s", err.text) : 0;
}
