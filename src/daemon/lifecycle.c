/* Locks and state.json. */
#include "daemon/lifecycle.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/file.h"
#include "base/json.h"
#include "base/os.h"
#include "base/paths.h"
#include "protocol/version.h"

/* How long a lock is waited for whose owner is dead: a child of it that has not run its own program
 * yet holds it still. */
enum { LIFECYCLE_DEAD_OWNER_MS = 2000, LIFECYCLE_LOOK_MS = 2 };

/* Who says to hold the lock, 0 unknown; *ret_alive: that very process lives. */
static pid_t read_owner(int fd, bool *ret_alive)
{
	unsigned long long start = 0;
	char text[64];
	ssize_t n = pread(fd, text, sizeof text - 1, 0);
	int pid = 0;

	*ret_alive = true;
	if (n <= 0)
		return 0;
	text[n] = '\0';
	if (sscanf(text, "%d %llu", &pid, &start) != 2)
		return 0;
	*ret_alive = os_process_start(pid) == start;
	return pid;
}

/* flock(2), waiting only for what a dead owner left. 0, ERR_BUSY with the owner, or -errno. */
static int lock_file(int fd, pid_t *ret_owner)
{
	uint64_t deadline = clock_mono_us() + LIFECYCLE_DEAD_OWNER_MS * 1000ULL;
	struct timespec pause = {0, LIFECYCLE_LOOK_MS * 1000000L};
	bool alive;

	while (flock(fd, LOCK_EX | LOCK_NB) != 0) {
		if (errno == EINTR)
			continue;
		if (errno != EWOULDBLOCK)
			return -errno;
		*ret_owner = read_owner(fd, &alive);
		if (alive || clock_mono_us() > deadline)
			return ERR_BUSY;
		nanosleep(&pause, NULL);
	}
	return 0;
}

/* Lock the file and write who we are into it. The fd, or negative. */
static int take(const char *path, pid_t *ret_owner, struct err *reterr)
{
	char text[64];
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600), n, rc;

	if (fd < 0)
		return err_set(
		    reterr, -errno, "cannot open the lock %s: %s", path, strerror(errno));
	*ret_owner = 0;
	rc = lock_file(fd, ret_owner);
	if (rc != 0) {
		if (rc == ERR_BUSY)
			err_set(reterr, rc, "another opta daemon (pid %d) holds %s",
			    (int)*ret_owner, path);
		else
			err_set(reterr, rc, "cannot lock %s: %s", path, strerror(-rc));
		close(fd);
		return rc;
	}
	n = snprintf(
	    text, sizeof text, "%d %" PRIu64 "\n", (int)getpid(), os_process_start(getpid()));
	/* For people and the command line; the lock itself is what counts. */
	if (ftruncate(fd, 0) != 0 || pwrite(fd, text, (size_t)n, 0) != n) {
		rc = err_set(reterr, -errno, "cannot write the lock %s: %s", path, strerror(errno));
		close(fd);
		return rc;
	}
	return fd;
}

/* What a daemon that was killed while it wrote state.json left: a token, if only of the dead. */
static void remove_leftovers(const struct paths *paths)
{
	DIR *d = opendir(paths->daemon_dir);
	struct dirent *e;

	while (d && (e = readdir(d)))
		if (strncmp(e->d_name, ".state.json.", 12) == 0)
			unlinkat(dirfd(d), e->d_name, 0);
	if (d)
		closedir(d);
}

static int make_private(const char *dir, struct err *reterr)
{
	if (chmod(dir, 0700) != 0)
		return err_set(reterr, -errno, "cannot make %s private: %s", dir, strerror(errno));
	return 0;
}

int lifecycle_lock(
    const struct paths *paths, struct lifecycle_locks *ret, pid_t *ret_owner, struct err *reterr)
{
	int rc;

	*ret_owner = 0;
	rc = file_make_dir(paths->home, reterr);
	if (rc == 0)
		rc = file_make_dir(paths->sessions_dir, reterr);
	if (rc == 0)
		rc = file_make_dir(paths->daemon_dir, reterr);
	if (rc != 0)
		return rc;
	/* What is in there is for this user alone, whoever made the directories. */
	rc = make_private(paths->daemon_dir, reterr);
	if (rc == 0)
		rc = make_private(paths->sessions_dir, reterr);
	if (rc != 0)
		return rc;
	ret->sessions_fd = take(paths->sessions_lock, ret_owner, reterr);
	if (ret->sessions_fd < 0)
		return ret->sessions_fd;
	ret->daemon_fd = take(paths->daemon_lock, ret_owner, reterr);
	if (ret->daemon_fd < 0) {
		close(ret->sessions_fd);
		return ret->daemon_fd;
	}
	remove_leftovers(paths);
	return 0;
}

void lifecycle_relock(const struct paths *paths, struct lifecycle_locks *locks)
{
	struct stat held, there;
	pid_t owner;
	int fd;

	if (file_make_dir(paths->daemon_dir, NULL) != 0)
		return;
	if (fstat(locks->daemon_fd, &held) == 0 && stat(paths->daemon_lock, &there) == 0 &&
	    held.st_ino == there.st_ino && held.st_dev == there.st_dev)
		return;
	fd = take(paths->daemon_lock, &owner, NULL);
	if (fd < 0)
		return;
	close(locks->daemon_fd);
	locks->daemon_fd = fd;
}

static void put_text(struct buf *out, const char *name, const char *value)
{
	buf_addf(out, "  \"%s\": ", name);
	json_put_cstr(out, value);
	buf_adds(out, ",\n");
}

int lifecycle_write_state(
    const struct paths *paths, const struct daemon_state *state, bool stopped, struct err *reterr)
{
	char now[CLOCK_ISO_SIZE];
	struct buf out = {0};
	int rc;

	clock_iso(clock_wall_ms(), now);
	buf_adds(&out, "{\n");
	if (!stopped) {
		buf_addf(&out, "  \"pid\": %d,\n", (int)getpid());
		put_text(&out, "token", state->token);
	}
	put_text(&out, "daemonId", state->daemon_id);
	put_text(&out, "host", state->host);
	buf_addf(&out, "  \"port\": %d,\n", state->port);
	put_text(&out, "startedAt", state->started_at);
	if (stopped)
		put_text(&out, "stoppedAt", now);
	put_text(&out, "logsPath", state->logs_path);
	put_text(&out, "version", OPTA_VERSION);
	buf_addf(&out, "  \"contract\": {\"name\": \"%s\", \"version\": %d}\n}\n",
	    OPTA_CONTRACT_NAME, OPTA_CONTRACT_VERSION);
	rc = file_replace(paths->daemon_dir, "state.json", out.p, out.len, 0600, reterr);
	/* The token was in this memory. */
	if (out.p)
		explicit_bzero(out.p, out.cap);
	buf_finish(&out);
	return rc;
}
