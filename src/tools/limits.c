/* Limits of one call; setrlimit(2), proc_pid_stat(5). */
#include "tools/limits.h"

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
		set(RLIMIT_NPROC, LIMITS_PROCESSES_MOST);
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
