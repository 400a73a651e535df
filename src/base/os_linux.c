/* What only Linux can tell us: /proc, pidfd, statfs magic numbers. */
#include "base/os.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/str.h"

/* Read a small kernel file whole; -1 when it cannot be read. */
static ssize_t read_proc(const char *path, char *out, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return -1;
	n = read(fd, out, size - 1);
	close(fd);
	if (n >= 0)
		out[n] = '\0';
	return n;
}

uint64_t os_process_start(pid_t pid)
{
	char path[64], text[1024];
	const char *at;
	uint64_t start = 0;

	if (pid <= 0)
		return 0;
	snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
	if (read_proc(path, text, sizeof text) <= 0)
		return 0;
	/* The name in parentheses may hold anything, so count from its last ')'. */
	at = strrchr(text, ')');
	if (!at || at[1] != ' ' || at[2] == 'Z' || at[2] == 'X')
		return 0;
	at += 2;
	for (int field = 3; field < 22; field++) {
		at = strchr(at, ' ');
		if (!at)
			return 0;
		at++;
	}
	if (sscanf(at, "%" SCNu64, &start) != 1)
		return 0;
	return start ? start : 1;
}

bool os_process_wait_gone(pid_t pid, int ms)
{
	uint64_t deadline = clock_mono_us() + (uint64_t)ms * 1000;
	int fd = (int)syscall(SYS_pidfd_open, pid, 0);

	for (;;) {
		uint64_t now = clock_mono_us();
		struct pollfd wait = {.fd = fd, .events = POLLIN};

		if (os_process_start(pid) == 0)
			break;
		if (now >= deadline)
			break;
		/* Without a pidfd (an older kernel) look again every 5 ms. */
		poll(&wait, fd >= 0 ? 1 : 0, fd >= 0 ? (int)((deadline - now) / 1000 + 1) : 5);
	}
	if (fd >= 0)
		close(fd);
	return os_process_start(pid) == 0;
}

int os_self_path(char *ret_path, size_t size)
{
	ssize_t n = readlink("/proc/self/exe", ret_path, size - 1);

	if (n < 0)
		return -errno;
	ret_path[n] = '\0';
	return 0;
}

/* f_type of statfs(2); linux/magic.h does not have them all. 0 when there is no such path. */
static unsigned long filesystem(const char *path)
{
	struct statfs fs;

	return statfs(path, &fs) == 0 ? (unsigned long)fs.f_type & 0xFFFFFFFFu : 0;
}

bool os_is_cow_fs(const char *path)
{
	const unsigned long btrfs = 0x9123683E, zfs = 0x2FC12FC1, bcachefs = 0xCA451A4E;
	unsigned long magic = filesystem(path);

	return magic == btrfs || magic == zfs || magic == bcachefs;
}

bool os_is_network_fs(const char *path, const char **ret_name)
{
	static const struct {
		unsigned long magic;
		const char *name;
	} known[] = {
	    {0x6969, "NFS"},
	    {0x517B, "SMB"},
	    {0xFF534D42, "CIFS"},
	    {0xFE534D42, "SMB2"},
	    {0x01021997, "9P"},
	    {0x73757245, "Coda"},
	    {0x5346414F, "AFS"},
	    {0x00C36400, "Ceph"},
	    {0x013111A8, "IBRIX"},
	    {0x7461636F, "OCFS2"},
	};
	unsigned long magic = filesystem(path);

	for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
		if (magic == known[i].magic) {
			*ret_name = known[i].name;
			return true;
		}
	return false;
}

/* What one line of the kernel's tables of sockets says (proc_net_tcp in proc(5)). */
struct listener {
	unsigned uid;
	unsigned long inode;
};

/* Read on to the next socket that listens on port. False: there is none. */
static bool next_listener(FILE *table, int port, struct listener *ret)
{
	char line[512];

	while (fgets(line, sizeof line, table)) {
		unsigned local_port, state;

		if (sscanf(line,
			" %*d: %*[0-9A-Fa-f]:%x %*[0-9A-Fa-f]:%*x %x %*s %*s %*s %u %*s %lu",
			&local_port, &state, &ret->uid, &ret->inode) == 4 &&
		    (int)local_port == port && state == 0x0A)
			return true;
	}
	return false;
}

/* The socket inode listening on port in one of the kernel's tables; 0: none. */
static unsigned long listening_inode(const char *table, int port)
{
	FILE *f = fopen(table, "re");
	struct listener l = {0};
	bool found;

	if (!f)
		return 0;
	found = next_listener(f, port, &l);
	fclose(f);
	return found ? l.inode : 0;
}

bool os_port_user(int port, uid_t uid, uid_t *ret_uid)
{
	static const char *const tables[] = {"/proc/net/tcp", "/proc/net/tcp6"};
	struct listener l = {0};
	bool found = false;

	for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++) {
		FILE *f = fopen(tables[i], "re");

		while (f && next_listener(f, port, &l)) {
			if (!found || (uid_t)l.uid != uid)
				*ret_uid = (uid_t)l.uid;
			found = true;
		}
		if (f)
			fclose(f);
	}
	return found;
}

static bool process_holds(pid_t pid, const char *link)
{
	char path[64], target[64];
	bool holds = false;
	struct dirent *e;
	DIR *d;

	snprintf(path, sizeof path, "/proc/%d/fd", (int)pid);
	d = opendir(path);
	if (!d)
		return false;
	while (!holds && (e = readdir(d))) {
		ssize_t n = readlinkat(dirfd(d), e->d_name, target, sizeof target - 1);

		if (n <= 0)
			continue;
		target[n] = '\0';
		holds = strcmp(target, link) == 0;
	}
	closedir(d);
	return holds;
}

bool os_port_owner(int port, pid_t *ret_pid, char *ret_name, size_t size)
{
	unsigned long inode = listening_inode("/proc/net/tcp", port);
	bool found = false;
	struct dirent *e;
	char link[64];
	DIR *d;

	if (!inode)
		inode = listening_inode("/proc/net/tcp6", port);
	if (!inode)
		return false;
	snprintf(link, sizeof link, "socket:[%lu]", inode);
	d = opendir("/proc");
	if (!d)
		return false;
	while (!found && (e = readdir(d))) {
		uint64_t pid;
		char path[64];
		ssize_t n;

		if (!str_parse_u64(str_of(e->d_name), INT32_MAX, &pid) ||
		    !process_holds((pid_t)pid, link))
			continue;
		found = true;
		*ret_pid = (pid_t)pid;
		snprintf(path, sizeof path, "/proc/%d/comm", (int)pid);
		n = read_proc(path, ret_name, size);
		if (n > 0 && ret_name[n - 1] == '\n')
			ret_name[n - 1] = '\0';
		else if (n <= 0)
			snprintf(ret_name, size, "?");
	}
	closedir(d);
	return found;
}

FILE *os_stream(ssize_t (*write)(void *data, const char *p, size_t n), void *data)
{
	/* fopencookie(3) */
	return fopencookie(data, "w", (cookie_io_functions_t){.write = write});
}

uint64_t os_memory_bytes(void)
{
	unsigned long long total, resident;
	char text[128];

	if (read_proc("/proc/self/statm", text, sizeof text) <= 0 ||
	    sscanf(text, "%llu %llu", &total, &resident) != 2)
		return 0;
	return resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

void os_forbid_dumps(void)
{
	struct rlimit none = {0, 0};
	int fd;

	setrlimit(RLIMIT_CORE, &none);
	/* No limit holds for a program that takes dumps from a pipe: it gets no memory; core(5). */
	fd = open("/proc/self/coredump_filter", O_WRONLY | O_CLOEXEC);
	if (fd >= 0) {
		ssize_t n = write(fd, "0", 1);

		/* A kernel without the file makes no dumps. */
		(void)n;
		close(fd);
	}
}
