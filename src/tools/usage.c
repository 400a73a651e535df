/* Adding up what a call uses; proc(5). */
#include "tools/usage.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/str.h"
#include "tools/held.h"
#include "tools/limits.h"
#include "tools/tables.h"

enum {
	/* More than the limit need not be told apart. */
	USAGE_MAX_SEEN = 8 * LIMITS_PROCESSES,
	/* Reading all mappings of a process takes the kernel long: so seldom that it is at most one
	   part in so many of the time. */
	USAGE_MAPPINGS_SHARE = 4,
	/* The same for how many mappings there are, which is seldom of weight. */
	USAGE_TABLES_SHARE = 20,
	USAGE_TABLES_FROM = 16 << 20, /* from so many bytes on it is of weight */
	/* Shared pages fewer than these are not worth it. */
	USAGE_MAPPINGS_FROM = 4 << 20,
};

struct seen {
	pid_t pid, parent;
	unsigned threads, slots; /* slots: for descriptors */
	uint64_t own, shared;	 /* bytes: of its own, swapped ones too; in files in memory */
	bool below;
};

/* A file in memory that is not mounted anywhere, a socket or a pipe. */
struct memory_file {
	dev_t dev;
	uint64_t ino, bytes;
};

struct count {
	dev_t memory_dev; /* where memfds and shared mappings without a file live */
	struct memory_file files[USAGE_MAX_FILES];
	size_t file_count, descriptors;
	uint64_t unseen; /* descriptors that were not, or may not be, looked at */
	bool listens;	 /* one of them is a Unix socket that does */
	uint64_t mapped, mapped_at_us, mapped_took_us; /* the last reading of all mappings */
	uint64_t tables, tables_at_us, tables_took_us; /* and of how many there are */
};

/* The supervisor is one process with one thread, and has one call. */
static struct seen all[USAGE_MAX_SEEN];
static struct count count;

/* A small file of /proc/PID, 0-terminated. False when the process is gone. */
static bool usage_read(const char *pid, const char *name, char *out, size_t size)
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

/* The number after a line's name, 0 when there is none. */
static uint64_t usage_line(const char *text, const char *name)
{
	const char *at = strstr(text, name);

	return at ? strtoull(at + strlen(name), NULL, 10) : 0;
}

static bool usage_read_process(const char *pid, struct seen *ret)
{
	char text[4096];
	const char *at;

	if (!usage_read(pid, "status", text, sizeof text))
		return false;
	/* Its name, which may hold anything but a line's end, is in the first line. */
	at = strchr(text, '\n');
	if (!at)
		return false;
	ret->parent = (pid_t)usage_line(at, "\nPPid:");
	ret->threads = (unsigned)usage_line(at, "\nThreads:");
	ret->slots = (unsigned)usage_line(at, "\nFDSize:");
	ret->own = (usage_line(at, "\nRssAnon:") + usage_line(at, "\nVmSwap:") +
		       usage_line(at, "\nVmPTE:")) *
		   1024;
	ret->shared = usage_line(at, "\nRssShmem:") * 1024;
	return true;
}

/* Mark who descends from self: parents may stand after their children, so until nothing changes. */
static void usage_mark_below(size_t n, pid_t self)
{
	bool changed = true;

	while (changed) {
		changed = false;
		for (size_t i = 0; i < n; i++) {
			bool below = all[i].parent == self;

			for (size_t k = 0; !below && k < n; k++)
				below = all[k].below && all[k].pid == all[i].parent;
			if (below && !all[i].below)
				all[i].below = changed = true;
		}
	}
}

/* How many processes there are, or so many that it is too many. One that forks without end leaves
 * us little time: this takes the least. */
static unsigned usage_count_processes(void)
{
	DIR *d = opendir("/proc");
	struct dirent *e;
	unsigned n = 0;

	while (n <= LIMITS_PROCESSES + 1 && d && (e = readdir(d)))
		n += e->d_name[0] >= '0' && e->d_name[0] <= '9';
	if (d)
		closedir(d);
	return n;
}

/* --- files in memory --- */

static void usage_find_memory_dev(void)
{
	struct stat st;
	int fd = memfd_create("opta", MFD_CLOEXEC);

	if (fd >= 0 && fstat(fd, &st) == 0)
		count.memory_dev = st.st_dev;
	if (fd >= 0)
		close(fd);
}

static bool usage_is_file(dev_t dev, uint64_t ino)
{
	for (size_t i = 0; i < count.file_count; i++)
		if (count.files[i].ino == ino && count.files[i].dev == dev)
			return true;
	return false;
}

/* One descriptor of a process, unless another one is of the same. */
static void usage_take_descriptor(struct held_process *p, int dir, const char *name)
{
	struct memory_file file = {0};
	struct stat st;

	/* Who may not be looked into is taken for the worst; who is gone has none. */
	if (fstatat(dir, name, &st, 0) != 0) {
		count.unseen += errno == EACCES;
		return;
	}
	file.dev = st.st_dev;
	file.ino = st.st_ino;
	if (!S_ISSOCK(st.st_mode) && !S_ISFIFO(st.st_mode) && st.st_dev != count.memory_dev)
		return;
	if (usage_is_file(file.dev, file.ino))
		return;
	file.bytes = S_ISREG(st.st_mode)
			 ? (uint64_t)st.st_blocks * 512
			 : held_by_descriptor(p, (int)strtol(name, NULL, 10), &count.listens);
	count.files[count.file_count++] = file;
}

/* What the descriptors of a process hold, each thing once however many have it open. */
static void usage_take_descriptors(const struct seen *process)
{
	struct held_process p = {.pid = process->pid};
	char path[64];
	struct dirent *e;
	DIR *d;

	snprintf(path, sizeof path, "/proc/%d/fd", (int)process->pid);
	d = opendir(path);
	if (!d && errno == EACCES)
		count.unseen += process->slots;
	while (d && (e = readdir(d))) {
		if (e->d_name[0] == '.')
			continue;
		if (count.descriptors++ < USAGE_MAX_DESCRIPTORS &&
		    count.file_count < USAGE_MAX_FILES)
			usage_take_descriptor(&p, dirfd(d), e->d_name);
		else
			count.unseen++;
	}
	if (d)
		closedir(d);
	held_finish(&p);
}

/* What sockets and pipes hold that nobody has open, or that could not be looked at. */
static uint64_t usage_of_unseen(void)
{
	return count.unseen * held_socket_most() + (count.listens ? held_by_waiting() : 0);
}

static uint64_t usage_of_filesystem(bool known, const struct statfs *fs)
{
	return known && fs->f_type == 0x01021994 /* TMPFS_MAGIC */
		   ? (uint64_t)(fs->f_blocks - fs->f_bfree) * (uint64_t)fs->f_bsize +
			 tables_of_files((uint64_t)(fs->f_files - fs->f_ffree))
		   : 0;
}

/* The filesystems in memory that are this call's. */
static uint64_t usage_of_mounts(int memory)
{
	static const char *const paths[] = {"/tmp", "/dev/shm"};
	struct statfs fs;
	uint64_t bytes = usage_of_filesystem(memory >= 0 && fstatfs(memory, &fs) == 0, &fs);

	for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++)
		bytes += usage_of_filesystem(statfs(paths[i], &fs) == 0, &fs);
	return bytes;
}

/* The System V segments of our namespace. */
static uint64_t usage_of_segments(void)
{
	unsigned long long resident, swapped;
	uint64_t bytes = 0;
	char line[512];
	FILE *f = fopen("/proc/sysvipc/shm", "re");

	while (f && fgets(line, sizeof line, f))
		if (sscanf(line,
			"%*d %*d %*o %*u %*d %*d %*u %*u %*u %*u %*u %*u %*u %*u %llu %llu",
			&resident, &swapped) == 2)
			bytes += resident + swapped;
	if (f)
		fclose(f);
	return bytes;
}

/* --- mappings --- */

/*
 * What a process shares without a file that was counted already, by its share: the mappings whose
 * inode lies where memfds do and is none of those that somebody has open.
 */
static uint64_t usage_of_mappings(pid_t pid)
{
	char path[64], line[4500];
	bool counts = false;
	uint64_t bytes = 0;
	FILE *f;

	snprintf(path, sizeof path, "/proc/%d/smaps", (int)pid);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof line, f)) {
		unsigned major, minor;
		unsigned long long ino, kib;

		if (sscanf(line, "%*x-%*x %*s %*x %x:%x %llu", &major, &minor, &ino) == 3)
			counts = ino && makedev(major, minor) == count.memory_dev &&
				 !usage_is_file(count.memory_dev, ino) && !strstr(line, "/SYSV");
		else if (counts && sscanf(line, "Pss: %llu", &kib) == 1)
			bytes += kib * 1024;
		else if (counts && sscanf(line, "SwapPss: %llu", &kib) == 1)
			bytes += kib * 1024;
	}
	if (f)
		fclose(f);
	return bytes;
}

/* The same for all, as often as its cost allows; in between what it was. */
static uint64_t usage_of_all_mappings(size_t n, bool init, uint64_t shared)
{
	uint64_t now = clock_mono_us();

	if (shared < USAGE_MAPPINGS_FROM)
		return 0;
	if (now - count.mapped_at_us < (USAGE_MAPPINGS_SHARE - 1) * count.mapped_took_us)
		return count.mapped;
	count.mapped = 0;
	for (size_t i = 0; i < n; i++)
		if ((init || all[i].below) && all[i].shared)
			count.mapped += usage_of_mappings(all[i].pid);
	count.mapped_at_us = clock_mono_us();
	count.mapped_took_us = count.mapped_at_us - now;
	return count.mapped;
}

/* What the kernel keeps for their mappings, as often as its cost allows. */
static uint64_t usage_of_tables(size_t n, bool init)
{
	uint64_t now = clock_mono_us(), share = USAGE_TABLES_SHARE;

	if (count.tables > USAGE_TABLES_FROM)
		share = USAGE_MAPPINGS_SHARE;
	if (now - count.tables_at_us < (share - 1) * count.tables_took_us)
		return count.tables;
	count.tables = 0;
	for (size_t i = 0; i < n; i++)
		if (init || all[i].below)
			count.tables += tables_of_mappings(all[i].pid);
	count.tables_at_us = clock_mono_us();
	count.tables_took_us = count.tables_at_us - now;
	return count.tables;
}

static size_t usage_see_all(pid_t self)
{
	DIR *d = opendir("/proc");
	struct dirent *e;
	uint64_t pid;
	size_t n = 0;

	while (d && n < USAGE_MAX_SEEN && (e = readdir(d))) {
		all[n] = (struct seen){0};
		if (!str_parse_u64(str_of(e->d_name), INT32_MAX, &pid) || (pid_t)pid == self ||
		    !usage_read_process(e->d_name, &all[n]))
			continue;
		all[n++].pid = (pid_t)pid;
	}
	if (d)
		closedir(d);
	return n;
}

/* The memory of those that usage_see_all saw. */
static uint64_t usage_of_memory(size_t n, bool init, int memory)
{
	uint64_t shared = 0, bytes = 0;

	if (!count.memory_dev)
		usage_find_memory_dev();
	count.file_count = count.descriptors = 0;
	count.unseen = 0;
	count.listens = false;
	for (size_t i = 0; i < n; i++) {
		if (!init && !all[i].below)
			continue;
		bytes += all[i].own;
		shared += all[i].shared;
		usage_take_descriptors(&all[i]);
	}
	for (size_t i = 0; i < count.file_count; i++)
		bytes += count.files[i].bytes;
	bytes += usage_of_unseen() + usage_of_all_mappings(n, init, shared);
	bytes += usage_of_tables(n, init);
	/* Of its own mounts and namespace; where there are none it may write no such files. */
	return bytes +
	       (init ? usage_of_mounts(memory) + usage_of_segments() + tables_of_namespace() : 0);
}

void usage_look(pid_t self, bool init, enum usage_wanted wanted, int memory, struct usage *ret)
{
	size_t n;

	*ret = (struct usage){0};
	/* All there are but ourselves are the call's. */
	if (init && (ret->processes = usage_count_processes() - 1) > LIMITS_PROCESSES)
		return;
	ret->processes = 0;
	n = usage_see_all(self);
	if (!init)
		usage_mark_below(n, self);
	for (size_t i = 0; i < n; i++)
		if (init || all[i].below)
			ret->processes += all[i].threads ? all[i].threads : 1;
	if (wanted == USAGE_PROCESSES_AND_MEMORY)
		ret->memory_bytes = usage_of_memory(n, init, memory);
}
