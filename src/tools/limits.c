/* Limits of one call; setrlimit(2), proc_pid_stat(5). */
#include "tools/limits.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/str.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { LIMITS_SANITIZED = 1 };
#else
enum { LIMITS_SANITIZED = 0 };
#endif

static void set(int what, uint64_t n)
{
	struct rlimit old, new = {n, n};

	/* Never more than we have ourselves. */
	if (getrlimit((__rlimit_resource_t)what, &old) == 0 && old.rlim_max != RLIM_INFINITY &&
	    new.rlim_max > old.rlim_max)
		new.rlim_cur = new.rlim_max = old.rlim_max;
	setrlimit((__rlimit_resource_t)what, &new);
}

void limits_set_memory(int memory_mb, bool own_code)
{
	/* Not RLIMIT_AS: Node and Java reserve far more than they use. */
	if (!(own_code && LIMITS_SANITIZED))
		set(RLIMIT_DATA, (uint64_t)memory_mb * 1024 * 1024);
}

void limits_set(uint64_t timeout_ms, bool in_user_ns)
{
	uint64_t seconds = timeout_ms / 1000 * 4 + 60;
	int fd;

	/* The daemon, and what the person does meanwhile, come first. */
	setpriority(PRIO_PROCESS, 0, getpriority(PRIO_PROCESS, 0) + LIMITS_NICE);
	set(RLIMIT_CPU, timeout_ms && seconds < LIMITS_CPU_SECONDS ? seconds : LIMITS_CPU_SECONDS);
	set(RLIMIT_NOFILE, LIMITS_FILES);
	set(RLIMIT_FSIZE, (uint64_t)LIMITS_FILE_MB * 1024 * 1024);
	set(RLIMIT_CORE, 0);
	if (in_user_ns)
		/* A little above, so that the supervisor sees who goes past it and ends it all. */
		set(RLIMIT_NPROC, LIMITS_PROCESSES + LIMITS_PROCESSES / 4);
	/* When memory runs out, this goes first, not the daemon and not the person's work. */
	fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
	if (fd >= 0) {
		ssize_t n = write(fd, "1000", 4);

		/* Where it may not be raised the tool is only as likely to go as others. */
		(void)n;
		close(fd);
	}
}

void limits_bound_pids(void)
{
	int major = 0, minor = 0, fd;
	struct utsname system;

	if (uname(&system) != 0 || sscanf(system.release, "%d.%d", &major, &minor) != 2 ||
	    major < 6 || (major == 6 && minor < 14))
		return;
	fd = open("/proc/sys/kernel/pid_max", O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	dprintf(fd, "%d\n", LIMITS_PIDS);
	close(fd);
}

/* A small file of /proc/PID, 0-terminated. False when the process is gone. */
static bool read_of(const char *pid, const char *name, char *out, size_t size)
{
	char path[64];
	ssize_t n;
	int fd;

	snprintf(path, sizeof path, "/proc/%.20s/%s", pid, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	n = read(fd, out, size - 1);
	close(fd);
	if (n > 0)
		out[n] = '\0';
	return n > 0;
}

struct seen {
	pid_t pid, parent;
	unsigned threads;
	uint64_t resident, shared; /* pages */
	bool below;
};

static bool read_process(const char *pid, struct seen *ret)
{
	unsigned long long resident = 0, shared = 0;
	char text[1024];
	const char *at;
	long threads = 1;
	int parent;

	if (!read_of(pid, "stat", text, sizeof text))
		return false;
	/* The name in parentheses may hold anything. */
	at = strrchr(text, ')');
	if (!at || sscanf(at + 1,
		       " %*c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %ld",
		       &parent, &threads) != 2)
		return false;
	if (read_of(pid, "statm", text, sizeof text))
		sscanf(text, "%*u %llu %llu", &resident, &shared);
	ret->parent = parent;
	ret->threads = threads > 0 ? (unsigned)threads : 1;
	ret->resident = resident;
	ret->shared = shared < resident ? shared : resident;
	return true;
}

/* Mark who descends from self: parents may stand after their children, so until nothing changes. */
static void mark_below(struct seen *all, size_t count, pid_t self)
{
	bool changed = true;

	while (changed) {
		changed = false;
		for (size_t i = 0; i < count; i++) {
			bool below = all[i].parent == self;

			for (size_t k = 0; !below && k < count; k++)
				below = all[k].below && all[k].pid == all[i].parent;
			if (below && !all[i].below)
				all[i].below = changed = true;
		}
	}
}

/* How many processes there are, or so many that it is too many. One that forks without end leaves
 * us little time: this takes the least. */
static unsigned count_processes(void)
{
	DIR *d = opendir("/proc");
	struct dirent *e;
	unsigned count = 0;

	while (count <= LIMITS_PROCESSES + 1 && d && (e = readdir(d)))
		count += e->d_name[0] >= '0' && e->d_name[0] <= '9';
	if (d)
		closedir(d);
	return count;
}

void limits_look(pid_t self, bool init, struct limits_use *ret)
{
	/* More than the limit need not be told apart. */
	enum { MAX_SEEN = 8 * LIMITS_PROCESSES };
	static struct seen all[MAX_SEEN];
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE), pid, pages = 0, shared = 0;
	struct dirent *e;
	size_t count = 0;
	DIR *d;

	*ret = (struct limits_use){0};
	/* All there are but ourselves are the call's. */
	if (init && (ret->processes = count_processes() - 1) > LIMITS_PROCESSES)
		return;
	ret->processes = 0;
	d = opendir("/proc");
	while (d && count < MAX_SEEN && (e = readdir(d))) {
		struct seen *s = &all[count];

		*s = (struct seen){0};
		if (!str_parse_u64(str_of(e->d_name), INT32_MAX, &pid) || (pid_t)pid == self ||
		    !read_process(e->d_name, s))
			continue;
		s->pid = (pid_t)pid;
		count++;
	}
	if (d)
		closedir(d);
	if (!init)
		mark_below(all, count, self);
	for (size_t i = 0; i < count; i++) {
		if (!init && !all[i].below)
			continue;
		ret->processes += all[i].threads;
		pages += all[i].resident - all[i].shared;
		/* Shared pages are mostly the same libraries: the largest share stands for all. */
		if (all[i].shared > shared)
			shared = all[i].shared;
	}
	ret->memory_bytes = (pages + shared) * page;
}
