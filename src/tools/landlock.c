/* Which files a tool may reach; landlock(7). */
#include "tools/landlock.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/err.h"
#include "tools/mounts.h"
#include "tools/sandbox.h"

/* The kernel's numbers, as Debian 12's headers know only half of them. */

enum { LANDLOCK_CREATE = 444, LANDLOCK_ADD = 445, LANDLOCK_RESTRICT = 446 };

#define FS_EXECUTE (1ULL << 0)
#define FS_WRITE_FILE (1ULL << 1)
#define FS_READ_FILE (1ULL << 2)
#define FS_READ_DIR (1ULL << 3)
#define FS_ALL_V1 ((1ULL << 13) - 1)
#define FS_REFER (1ULL << 13)	  /* ABI 2 */
#define FS_TRUNCATE (1ULL << 14)  /* ABI 3 */
#define FS_IOCTL_DEV (1ULL << 15) /* ABI 5 */
#define FS_READ (FS_EXECUTE | FS_READ_FILE | FS_READ_DIR)
#define NET_CONNECT_TCP (1ULL << 1)	/* ABI 4 */
#define SCOPE_ABSTRACT_UNIX (1ULL << 0) /* ABI 6 */
#define SCOPE_SIGNAL (1ULL << 1)	/* ABI 6 */

struct ruleset_attr {
	uint64_t fs, net, scoped;
};

struct path_beneath {
	uint64_t access;
	int fd;
} __attribute__((packed));

struct net_port {
	uint64_t access, port;
};

enum { RULE_PATH = 1, RULE_NET = 2 };

static size_t attr_size(int abi)
{
	if (abi < 4)
		return 8;
	return abi < 6 ? 16 : 24;
}

static uint64_t all_fs(int abi)
{
	return FS_ALL_V1 | (abi >= 2 ? FS_REFER : 0) | (abi >= 3 ? FS_TRUNCATE : 0) |
	       (abi >= 5 ? FS_IOCTL_DEV : 0);
}

/* Allow access at path, through a link only when follow; what does not exist needs no rule. 0 or
 * -errno. */
static int landlock_allow(int ruleset, const char *path, uint64_t access, bool follow)
{
	int fd = open(path, O_PATH | O_CLOEXEC | (follow ? 0 : O_NOFOLLOW)), rc = 0;
	struct path_beneath rule = {.access = access, .fd = fd};
	struct stat st;

	if (fd < 0)
		return errno == ENOENT || errno == EACCES || errno == ENOTDIR ? 0 : -errno;
	if (fstat(fd, &st) != 0 || S_ISLNK(st.st_mode)) {
		close(fd);
		return 0;
	}
	if (!S_ISDIR(st.st_mode))
		rule.access &=
		    FS_EXECUTE | FS_WRITE_FILE | FS_READ_FILE | FS_TRUNCATE | FS_IOCTL_DEV;
	if (syscall(LANDLOCK_ADD, ruleset, RULE_PATH, &rule, 0) != 0)
		rc = -errno;
	close(fd);
	return rc;
}

static int landlock_allow_around(
    int ruleset, const char *dir, uint64_t access, const char *const *hidden);

/* Allow access to path and all below it but what is hidden (ended by NULL). */
static int landlock_allow_below(
    int ruleset, const char *path, uint64_t access, const char *const *hidden, bool follow)
{
	bool around = false;

	for (size_t i = 0; hidden[i]; i++) {
		if (mounts_within(path, hidden[i]))
			return 0;
		around |= mounts_within(hidden[i], path);
	}
	return around ? landlock_allow_around(ruleset, path, access, hidden)
		      : landlock_allow(ruleset, path, access, follow);
}

/*
 * Landlock only allows: each directory on the way to what is hidden gets its other entries
 * allowed one by one. Links get nothing: where they lead counts, and one may lead around.
 */
static int landlock_allow_around(
    int ruleset, const char *dir, uint64_t access, const char *const *hidden)
{
	size_t n = strlen(dir);
	char path[4200];
	struct dirent *e;
	int rc = 0;
	DIR *d;

	d = opendir(dir);
	if (!d)
		return 0;
	while (rc == 0 && (e = readdir(d))) {
		size_t len;

		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		len = (size_t)snprintf(
		    path, sizeof path, "%s%s%s", dir, dir[n - 1] == '/' ? "" : "/", e->d_name);
		if (len < sizeof path)
			rc = landlock_allow_below(ruleset, path, access, hidden, false);
	}
	closedir(d);
	return rc;
}

/*
 * A function of ours was told what it may read: the workspace, and a path outside when somebody
 * agreed to it. The rest is for the programs it may run (ripgrep), and tells nobody anything.
 */
static int landlock_own_code(int ruleset, const struct sandbox_opts *o)
{
	static const char *const programs[] = {"/usr", "/bin", "/lib", "/lib64", "/etc/ld.so.cache",
	    "/etc/ld.so.conf", "/etc/ld.so.conf.d", NULL};
	const char *const ours[] = {o->mounts ? NULL : o->hidden, NULL};
	int rc = 0;

	for (size_t i = 0; rc == 0 && programs[i]; i++)
		rc = landlock_allow_below(ruleset, programs[i], FS_READ, ours, true);
	if (rc == 0 && o->outside)
		rc = landlock_allow_below(ruleset, o->outside, FS_READ, ours, false);
	return rc;
}

static int landlock_files(int ruleset, const struct sandbox_opts *o)
{
	static const char *const devices[] = {"/dev/null", "/dev/zero", "/dev/full", "/dev/random",
	    "/dev/urandom", "/dev/tty", "/proc/self", NULL};
	/* Those of a /dev of its own. */
	static const char *const terminals[] = {"/dev/ptmx", "/dev/pts", NULL};
	/* With a mount namespace other things lie over what is hidden. */
	const char *const none[] = {NULL}, *const ours[] = {o->mounts ? NULL : o->hidden, NULL},
			  *const most[] = {o->hidden ? o->hidden : "/dev", "/dev", NULL};
	uint64_t all = all_fs(o->support->landlock),
		 use = FS_READ | FS_WRITE_FILE | (all & (FS_IOCTL_DEV | FS_TRUNCATE));
	int rc = o->own_code
		     ? landlock_own_code(ruleset, o)
		     : landlock_allow_below(ruleset, "/", FS_READ, o->mounts ? none : most, true);

	for (size_t i = 0; rc == 0 && devices[i]; i++)
		rc = landlock_allow(ruleset, devices[i], use, true);
	for (size_t i = 0; rc == 0 && o->mounts && terminals[i]; i++)
		rc = landlock_allow(ruleset, terminals[i], use, true);
	/* The private /tmp; without mounts of our own the supervisor gives a directory in it. */
	if (rc == 0 && o->mounts)
		rc = landlock_allow(ruleset, "/tmp", all, true);
	if (rc == 0 && o->mounts)
		rc = landlock_allow(ruleset, "/dev/shm", all, true);
	if (rc == 0 && o->workspace)
		rc = landlock_allow_below(ruleset, o->workspace, all, ours, true);
	if (rc == 0 && o->extra_write)
		rc = landlock_allow_below(ruleset, o->extra_write, all, ours, true);
	for (size_t i = 0; rc == 0 && i < 2; i++)
		if (o->repository[i])
			rc = landlock_allow_below(ruleset, o->repository[i], all, ours, true);
	if (rc == 0 && o->temp)
		rc = landlock_allow(ruleset, o->temp, all, true);
	return rc;
}

int landlock_enter(const struct sandbox_opts *o, struct err *reterr)
{
	int abi = o->support->landlock, fd, rc;
	struct ruleset_attr attr = {
	    .fs = all_fs(abi), .scoped = SCOPE_ABSTRACT_UNIX | SCOPE_SIGNAL};

	if (!abi)
		return 0;
	if (o->net_rules >= 0 && syscall(LANDLOCK_RESTRICT, o->net_rules, 0) != 0)
		return err_set(
		    reterr, -errno, "Landlock refused the port rules: %s", strerror(errno));
	fd = (int)syscall(LANDLOCK_CREATE, &attr, attr_size(abi), 0);
	if (fd < 0)
		return err_set(reterr, -errno, "Landlock gave no ruleset: %s", strerror(errno));
	rc = landlock_files(fd, o);
	if (rc == 0 && syscall(LANDLOCK_RESTRICT, fd, 0) != 0)
		rc = -errno;
	close(fd);
	return rc == 0 ? 0
		       : err_set(reterr, rc, "Landlock could not be applied: %s", strerror(-rc));
}

int landlock_net_rules(const struct sandbox_support *s, int port)
{
	struct ruleset_attr attr = {.net = NET_CONNECT_TCP};
	int fd;

	if (s->landlock < 4)
		return -1;
	fd = (int)syscall(LANDLOCK_CREATE, &attr, attr_size(s->landlock), 0);
	for (uint64_t p = 0; fd >= 0 && p < 65536; p++) {
		struct net_port rule = {.access = NET_CONNECT_TCP, .port = p};

		if (p != (uint64_t)port && syscall(LANDLOCK_ADD, fd, RULE_NET, &rule, 0) != 0) {
			close(fd);
			return -1;
		}
	}
	return fd;
}

int landlock_version(void)
{
	long abi = syscall(LANDLOCK_CREATE, NULL, 0, 1);

	return abi > 0 ? (int)abi : 0;
}
