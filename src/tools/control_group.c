/* Control groups; cgroups(7), the kernel's Documentation/admin-guide/cgroup-v2.rst. */
#include "tools/control_group.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/sched.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/str.h"

#define CONTROL_GROUP_PREFIX "opta-call-"
#define CONTROL_GROUP_LEAF "opta-daemon"

enum {
	CONTROL_GROUP_MAX_FILE = 256 * 1024, /* of cgroup.procs: some 30,000 processes */
	CONTROL_GROUP_SWEEP_MS = 500,	     /* for what was killed in one leftover to be gone */
	CONTROL_GROUP_MAX_EVENTS = 512,	     /* of a file of events */
	CONTROL_GROUP_TRIAL_MB = 16,
	CONTROL_GROUP_TRIAL_PROCESSES = 16,
};

/* --- files of a group --- */

static bool control_group_read(const char *dir, const char *name, struct buf *text)
{
	char path[CONTROL_GROUP_MAX_PATH + CONTROL_GROUP_MAX_NAME];

	snprintf(path, sizeof path, "%s/%s", dir, name);
	return file_read(path, CONTROL_GROUP_MAX_FILE, text, NULL) == 0;
}

static bool control_group_write(int dir, const char *name, const char *text)
{
	int fd = openat(dir, name, O_WRONLY | O_CLOEXEC), rc;

	if (fd < 0)
		return false;
	rc = file_write_all(fd, text, strlen(text));
	close(fd);
	return rc == 0;
}

static bool control_group_write_number(int dir, const char *name, long long n)
{
	char text[32];

	snprintf(text, sizeof text, "%lld", n);
	return control_group_write(dir, name, text);
}

/* Is memory among the controllers that the groups in this one have? */
static bool control_group_divides_memory(const char *dir)
{
	struct buf text = {0};
	struct str rest, word;
	bool found = false;

	if (control_group_read(dir, "cgroup.subtree_control", &text))
		rest = str_trim((struct str){text.p, text.len});
	else
		rest = (struct str){0};
	while (rest.n && !found) {
		rest = str_cut(rest, ' ', &word);
		found = str_eq(word, "memory");
	}
	buf_finish(&text);
	return found;
}

/* Would whoever leaves this group leave a limit of its memory behind? */
static bool control_group_bounds_memory(const char *dir)
{
	struct buf text = {0};
	bool bounds = control_group_read(dir, "memory.max", &text) &&
		      !str_eq(str_trim((struct str){text.p, text.len}), "max");

	buf_finish(&text);
	return bounds;
}

/* Is this process in the group, and with `alone` nobody but it and the daemon, its parent? So that
 * it is known to be the group we mean, too. */
static bool control_group_holds_us(const char *dir, bool alone)
{
	struct buf text = {0};
	struct str rest, line;
	bool here = false, others = false;
	uint64_t pid;

	if (control_group_read(dir, "cgroup.procs", &text))
		rest = (struct str){text.p, text.len};
	else
		rest = (struct str){0};
	while (rest.n) {
		rest = str_cut(rest, '\n', &line);
		if (!str_parse_u64(line, INT32_MAX, &pid))
			continue;
		here |= (pid_t)pid == getpid();
		others |= (pid_t)pid != getpid() && (pid_t)pid != getppid();
	}
	buf_finish(&text);
	return here && !(alone && others);
}

/* --- the parent --- */

/* The path of our own group: the line of the unified hierarchy. */
static bool control_group_own(const char *mount, const char *self, char *ret)
{
	struct str rest = str_of(self), line;
	int n;

	while (rest.n) {
		rest = str_cut(rest, '\n', &line);
		if (!str_starts(line, "0::/"))
			continue;
		n = snprintf(
		    ret, CONTROL_GROUP_MAX_PATH, "%s%.*s", mount, (int)line.n - 3, line.p + 3);
		/* Of a group outside of our namespace nothing can be seen. */
		return n > 0 && n < CONTROL_GROUP_MAX_PATH && !strstr(ret, "/..");
	}
	return false;
}

bool control_group_find_parent(const char *mount, const char *self, char *ret_parent)
{
	size_t top = strlen(mount);

	if (!control_group_own(mount, self, ret_parent) ||
	    !control_group_holds_us(ret_parent, false))
		return false;
	while (!control_group_divides_memory(ret_parent)) {
		char *slash = strrchr(ret_parent, '/');

		/* The root is the last. */
		if (strlen(ret_parent) <= top + 1 || control_group_bounds_memory(ret_parent))
			return false;
		assert(slash >= ret_parent + top);
		*slash = '\0';
	}
	return access(ret_parent, W_OK) == 0;
}

/*
 * Did systemd give this group to whoever runs in it? The system's systemd marks it (the mark for
 * root is the older one). A person's own does not: there it is any service that is theirs.
 */
static bool control_group_is_delegated(const char *dir)
{
	static const char *const marks[] = {"user.delegate", "trusted.delegate"};
	const char *end = strrchr(dir, '.');
	struct stat st;
	char value[2];

	for (size_t i = 0; i < sizeof marks / sizeof marks[0]; i++)
		if (getxattr(dir, marks[i], value, sizeof value) == 1 && value[0] == '1')
			return true;
	return geteuid() != 0 && end && strcmp(end, ".service") == 0 && stat(dir, &st) == 0 &&
	       st.st_uid == geteuid();
}

/* Move the daemon and this process from their group into a leaf of it, and have it divide its
 * memory. What fails half-way leaves them in the leaf, which harms nobody. */
static void control_group_divide(const char *own)
{
	int dir = open(own, O_RDONLY | O_DIRECTORY | O_CLOEXEC), leaf;

	if (dir < 0)
		return;
	(void)mkdirat(dir, CONTROL_GROUP_LEAF, 0755);
	leaf = openat(dir, CONTROL_GROUP_LEAF, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (leaf >= 0 && control_group_write_number(leaf, "cgroup.procs", getppid()) &&
	    control_group_write_number(leaf, "cgroup.procs", getpid()) &&
	    control_group_write(dir, "cgroup.subtree_control", "+memory"))
		control_group_write(dir, "cgroup.subtree_control", "+pids");
	if (leaf >= 0)
		close(leaf);
	close(dir);
}

/* Where the hierarchy of version 2 is mounted. In a hybrid the memory controller mostly belongs to
 * version 1, and no parent is found. */
static const char *control_group_mount(void)
{
	static const char *const mounts[] = {"/sys/fs/cgroup", "/sys/fs/cgroup/unified"};
	struct statfs fs;

	for (size_t i = 0; i < sizeof mounts / sizeof mounts[0]; i++)
		if (statfs(mounts[i], &fs) == 0 && fs.f_type == CGROUP2_SUPER_MAGIC)
			return mounts[i];
	return NULL;
}

static bool control_group_self(struct buf *self)
{
	buf_clear(self);
	return file_read("/proc/self/cgroup", CONTROL_GROUP_MAX_FILE, self, NULL) == 0;
}

/* Make a group, have a process in it, remove it: what works once works for calls. */
static bool control_group_try(int parent)
{
	char name[CONTROL_GROUP_MAX_NAME];
	struct control_group g;
	pid_t pid = -1;

	control_group_name(name, 0);
	if (control_group_make(
		parent, name, CONTROL_GROUP_TRIAL_MB, CONTROL_GROUP_TRIAL_PROCESSES, &g))
		pid = control_group_fork(&g);
	if (pid == 0)
		_exit(0);
	while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	control_group_close(&g);
	return control_group_remove(parent, name) && pid > 0;
}

int control_group_open_parent(void)
{
	const char *mount = control_group_mount();
	char path[CONTROL_GROUP_MAX_PATH];
	struct buf self = {0};
	int parent = -1;

	if (!mount || !control_group_self(&self) ||
	    !control_group_own(mount, buf_cstr(&self), path))
		goto out;
	if (control_group_is_delegated(path) && control_group_holds_us(path, true))
		control_group_divide(path);
	if (control_group_self(&self) && control_group_find_parent(mount, buf_cstr(&self), path))
		parent = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (parent < 0)
		goto out;
	control_group_sweep(parent);
	if (!control_group_try(parent)) {
		close(parent);
		parent = -1;
	}
out:
	buf_finish(&self);
	return parent;
}

/* --- leftovers --- */

/* End all in a group and wait until they are gone, within limits. */
static void control_group_empty(int dir)
{
	int events = openat(dir, "cgroup.events", O_RDONLY | O_CLOEXEC);
	uint64_t end = clock_mono_us() + CONTROL_GROUP_SWEEP_MS * 1000ULL, now;
	char text[128];
	ssize_t n;

	control_group_write(dir, "cgroup.kill", "1");
	while (events >= 0 && (n = pread(events, text, sizeof text - 1, 0)) > 0 &&
	       (now = clock_mono_us()) < end) {
		struct pollfd wait = {.fd = events, .events = POLLPRI};

		text[n] = '\0';
		if (!strstr(text, "populated 1"))
			break;
		poll(&wait, 1, (int)((end - now) / 1000) + 1);
	}
	if (events >= 0)
		close(events);
}

static void control_group_sweep_one(int parent, const char *name)
{
	int dir = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;

	if (dir < 0)
		return;
	/* Locked: its supervisor lives. */
	if (fstat(dir, &st) == 0 && st.st_uid == geteuid() && flock(dir, LOCK_EX | LOCK_NB) == 0) {
		control_group_empty(dir);
		unlinkat(parent, name, AT_REMOVEDIR);
	}
	close(dir);
}

void control_group_sweep(int parent)
{
	int fd = openat(parent, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *e;

	if (!d && fd >= 0)
		close(fd);
	while (d && (e = readdir(d)))
		if (str_starts(str_of(e->d_name), CONTROL_GROUP_PREFIX))
			control_group_sweep_one(parent, e->d_name);
	if (d)
		closedir(d);
}

/* --- the group of one call --- */

void control_group_name(char name[CONTROL_GROUP_MAX_NAME], size_t slot)
{
	static unsigned long long token; /* of this host, so that no other has the name */

	while (!token && getrandom(&token, sizeof token, 0) < 0 && errno == EINTR)
		;
	snprintf(name, CONTROL_GROUP_MAX_NAME, CONTROL_GROUP_PREFIX "%016llx-%zu", token, slot);
}

bool control_group_remove(int parent, const char *name)
{
	int dir;

	assert(parent >= 0 && str_starts(str_of(name), CONTROL_GROUP_PREFIX));
	if (unlinkat(parent, name, AT_REMOVEDIR) == 0 || errno == ENOENT)
		return true;
	dir = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (dir >= 0) {
		control_group_write(dir, "cgroup.kill", "1");
		close(dir);
	}
	return unlinkat(parent, name, AT_REMOVEDIR) == 0;
}

/* Without its limit of swap a group could use more than its memory. What else there is does not
 * hold the limit: a kernel may lack it, or it is not divided here. */
static bool control_group_set_limits(int dir, int memory_mb, int processes)
{
	if (!control_group_write_number(dir, "memory.max", memory_mb * 1024LL * 1024) ||
	    !control_group_write(dir, "memory.swap.max", "0"))
		return false;
	control_group_write(dir, "memory.oom.group", "1");
	control_group_write_number(dir, "pids.max", processes);
	return true;
}

bool control_group_make(
    int parent, const char *name, int memory_mb, int processes, struct control_group *ret)
{
	assert(memory_mb > 0 && processes > 0);
	*ret = (struct control_group){-1, -1, -1};
	if (parent < 0 || mkdirat(parent, name, 0755) != 0)
		return false;
	ret->dir = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (ret->dir >= 0)
		ret->memory = openat(ret->dir, "memory.events", O_RDONLY | O_CLOEXEC);
	/* A host that sweeps in just this moment has the lock and removes it. */
	if (ret->memory >= 0 && flock(ret->dir, LOCK_EX | LOCK_NB) == 0 &&
	    control_group_set_limits(ret->dir, memory_mb, processes)) {
		ret->processes = openat(ret->dir, "pids.events", O_RDONLY | O_CLOEXEC);
		return true;
	}
	control_group_close(ret);
	unlinkat(parent, name, AT_REMOVEDIR);
	return false;
}

pid_t control_group_fork(const struct control_group *g)
{
	struct clone_args args = {
	    .flags = CLONE_INTO_CGROUP, .exit_signal = SIGCHLD, .cgroup = (uint64_t)g->dir};

	assert(g->dir >= 0);
	return (pid_t)syscall(SYS_clone3, &args, sizeof args);
}

/* The number after a name in a file of events, 0 when there is none. */
static unsigned long control_group_event(int events, const char *name)
{
	char text[CONTROL_GROUP_MAX_EVENTS] = "\n";
	ssize_t n = events >= 0 ? pread(events, text + 1, sizeof text - 2, 0) : -1;
	const char *at;

	if (n <= 0)
		return 0;
	text[n + 1] = '\0';
	/* Each begins a line. */
	at = strstr(text, name);
	return at ? strtoul(at + strlen(name), NULL, 10) : 0;
}

enum control_group_limit control_group_passed(const struct control_group *g)
{
	/* "oom" counts our own limit alone; "oom_kill" also what ended because the machine had no
	 * memory. */
	if (control_group_event(g->memory, "\noom ") &&
	    control_group_event(g->memory, "\noom_kill "))
		return CONTROL_GROUP_MEMORY;
	return control_group_event(g->processes, "\nmax ") ? CONTROL_GROUP_PROCESSES
							   : CONTROL_GROUP_NO_LIMIT;
}

void control_group_close(struct control_group *g)
{
	const int fds[] = {g->processes, g->memory, g->dir};

	for (size_t i = 0; i < sizeof fds / sizeof fds[0]; i++)
		if (fds[i] >= 0)
			close(fds[i]);
	*g = (struct control_group){-1, -1, -1};
}
