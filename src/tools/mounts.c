/* The mount namespace of a call; mount_namespaces(7), mount_setattr(2), user_namespaces(7). */
#include "tools/mounts.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"
#include "base/str.h"

#ifndef OPEN_TREE_CLONE
#define OPEN_TREE_CLONE 1
#endif
#ifndef MOVE_MOUNT_F_EMPTY_PATH
#define MOVE_MOUNT_F_EMPTY_PATH 4
#endif
#ifndef MOUNT_ATTR_RDONLY
#define MOUNT_ATTR_RDONLY 1
#define MOUNT_ATTR_NOSUID 2
#define MOUNT_ATTR_NODEV 4
#endif
#ifndef AT_RECURSIVE
#define AT_RECURSIVE 0x8000
#endif

struct mount_attributes {
	uint64_t set, clear, propagation, userns;
};

/* A detached copy of what is mounted at path, below included: it keeps its own flags. */
static int clone_tree(const char *path)
{
	return (int)syscall(
	    SYS_open_tree, AT_FDCWD, path, OPEN_TREE_CLONE | O_CLOEXEC | AT_RECURSIVE);
}

int mounts_keep(const char *path)
{
	return clone_tree(path);
}

static int attach_tree(int tree, const char *path)
{
	return syscall(SYS_move_mount, tree, "", AT_FDCWD, path, MOVE_MOUNT_F_EMPTY_PATH) == 0
		   ? 0
		   : -errno;
}

static int make_readonly(const char *path)
{
	struct mount_attributes attr = {
	    .set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV};

	return syscall(SYS_mount_setattr, AT_FDCWD, path, AT_RECURSIVE, &attr, sizeof attr) == 0
		   ? 0
		   : -errno;
}

bool mounts_within(const char *path, const char *dir)
{
	size_t n = strlen(dir);

	return strncmp(path, dir, n) == 0 &&
	       (path[n] == '\0' || path[n] == '/' || (n && dir[n - 1] == '/'));
}

/* Make the directories of path where a fresh tmpfs lies over them. */
static int make_way(const char *path)
{
	char part[4200];

	for (const char *p = path + 1;; p++) {
		if (*p && *p != '/')
			continue;
		snprintf(part, sizeof part, "%.*s", (int)(p - path), path);
		if (mkdir(part, 0755) != 0 && errno != EEXIST && errno != EROFS)
			return -errno;
		if (!*p)
			return 0;
	}
}

static int mount_tmpfs(const char *path, unsigned long flags, const char *options)
{
	return mount("tmpfs", path, "tmpfs", MS_NOSUID | MS_NODEV | flags, options) == 0 ? 0
											 : -errno;
}

/* Names are often looked up by a file below /run: it must still be there. */
static void keep_resolv_conf(const char *real, const struct buf *content)
{
	char dir[4200];
	const char *slash = strrchr(real, '/');
	int fd;

	if (!real[0] || !slash)
		return;
	snprintf(dir, sizeof dir, "%.*s", (int)(slash - real), real);
	if (make_way(dir) != 0)
		return;
	fd = open(real, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (fd < 0)
		return;
	file_write_all(fd, content->p, content->len);
	close(fd);
}

static int cover_run(void)
{
	struct buf content = {0};
	char real[4096] = "";
	struct stat st;
	int rc;

	if (stat("/run", &st) != 0)
		return 0;
	if (!realpath("/etc/resolv.conf", real) || !mounts_within(real, "/run") ||
	    file_read(real, 64 * 1024, &content, NULL) != 0)
		real[0] = '\0';
	rc = mount_tmpfs("/run", MS_NOEXEC, "size=1m,mode=0755");
	if (rc == 0)
		keep_resolv_conf(real, &content);
	buf_finish(&content);
	return rc;
}

static int cover_proc(bool fresh)
{
	if (fresh)
		return mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) == 0
			   ? 0
			   : -errno;
	return mount_tmpfs("/proc", MS_NOEXEC | MS_RDONLY, "size=4k,mode=0555");
}

int mounts_seal_proc(struct err *reterr)
{
	static const char *const settings[] = {
	    "/proc/sys", "/proc/sysrq-trigger", "/proc/irq", "/proc/bus", "/proc/fs"};
	struct stat st;

	for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++) {
		int tree, rc;

		if (lstat(settings[i], &st) != 0)
			continue;
		tree = clone_tree(settings[i]);
		rc = tree < 0 ? -errno : attach_tree(tree, settings[i]);
		if (tree >= 0)
			close(tree);
		if (rc == 0)
			rc = make_readonly(settings[i]);
		if (rc != 0)
			return err_set(reterr, rc, "%s cannot be made read-only: %s", settings[i],
			    strerror(-rc));
	}
	return 0;
}

/* All the devices there are for a tool: no disks (root reads them), no terminals of people. */
static const char *const devices[] = {
    "/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty"};

enum { MOUNTS_DEVICES = sizeof devices / sizeof devices[0] };

static int cover_dev(const int *trees)
{
	static const char *const links[][2] = {{"/proc/self/fd", "/dev/fd"},
	    {"/proc/self/fd/0", "/dev/stdin"}, {"/proc/self/fd/1", "/dev/stdout"},
	    {"/proc/self/fd/2", "/dev/stderr"}, {"pts/ptmx", "/dev/ptmx"}};
	struct mount_attributes attr = {.set = MOUNT_ATTR_RDONLY};
	int rc = mount_tmpfs("/dev", MS_NOEXEC, "size=64k,mode=0755"), fd;

	for (size_t i = 0; rc == 0 && i < MOUNTS_DEVICES; i++) {
		if (trees[i] < 0)
			continue;
		fd = open(devices[i], O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
		if (fd < 0)
			return -errno;
		close(fd);
		rc = attach_tree(trees[i], devices[i]);
	}
	for (size_t i = 0; rc == 0 && i < sizeof links / sizeof links[0]; i++)
		if (symlink(links[i][0], links[i][1]) != 0)
			rc = -errno;
	if (rc == 0 && (mkdir("/dev/pts", 0755) != 0 || mkdir("/dev/shm", 0755) != 0))
		rc = -errno;
	if (rc != 0)
		return rc;
	/* Terminals of its own; where the kernel gives none it has none. */
	mount("devpts", "/dev/pts", "devpts", MS_NOSUID | MS_NOEXEC,
	    "newinstance,ptmxmode=0666,mode=0600");
	return syscall(SYS_mount_setattr, AT_FDCWD, "/dev", 0, &attr, sizeof attr) == 0 ? 0
											: -errno;
}

static int cover_hidden(const char *path)
{
	struct stat st;

	if (!path || stat(path, &st) != 0)
		return 0;
	return mount_tmpfs(path, MS_NOEXEC | MS_RDONLY, "size=4k,mode=0500");
}

static int fail(struct err *reterr, int rc, const char *what)
{
	return err_set(reterr, rc, "%s: %s", what, strerror(-rc));
}

/* Put a writable copy back where a tmpfs or read-only tree lies now. */
static int put_back(int tree, const char *path)
{
	int rc = make_way(path);

	return rc ? rc : attach_tree(tree, path);
}

static int put_guards(const struct mounts_opts *o, struct err *reterr)
{
	for (size_t i = 0; i < o->guard_count; i++) {
		const struct mounts_guard *g = &o->guards[i];
		int tree = clone_tree(g->path), rc;

		/* It went away meanwhile. */
		if (tree < 0 && errno == ENOENT)
			continue;
		rc = tree < 0 ? -errno : attach_tree(tree, g->path);
		if (tree >= 0)
			close(tree);
		if (rc == 0 && g->readonly)
			rc = make_readonly(g->path);
		if (rc != 0)
			return err_set(reterr, rc, "%.500s cannot be kept as it is: %s", g->path,
			    strerror(-rc));
	}
	return 0;
}

/* Take hold of the sockets in directories that will be covered; -1 where there is nothing to do. */
static void clone_sockets(const json_t *paths, int *trees)
{
	static const char *const covered[] = {"/tmp", "/run", "/var/run", "/dev/shm"};
	const json_t *one;
	struct stat st;
	size_t i;

	for (i = 0; i < MOUNTS_MAX_SOCKETS; i++)
		trees[i] = -1;
	json_array_foreach (paths, i, one) {
		const char *path = json_string_value(one);

		if (i == MOUNTS_MAX_SOCKETS || !path)
			return;
		for (size_t k = 0; k < sizeof covered / sizeof covered[0] && trees[i] < 0; k++)
			if (mounts_within(path, covered[k]) && stat(path, &st) == 0 &&
			    S_ISSOCK(st.st_mode))
				trees[i] = clone_tree(path);
	}
}

/* Where memfds lie: the private /dev/shm covers it, so that it is reached by its descriptor alone.
 */
static int mount_memory(const struct mounts_opts *o)
{
	char options[64];
	int rc;

	if (!o->ret_memory)
		return 0;
	snprintf(options, sizeof options, "size=%dm,mode=0700", o->memory_mb);
	rc = mount_tmpfs("/dev/shm", 0, options);
	if (rc == 0)
		*o->ret_memory = open("/dev/shm", O_PATH | O_DIRECTORY | O_CLOEXEC);
	return rc;
}

/* Put them back where a tmpfs lies now. What cannot be is not there: its connects fail. */
static void put_sockets(const json_t *paths, const int *trees)
{
	for (size_t i = 0; i < MOUNTS_MAX_SOCKETS; i++) {
		const char *path = json_string_value(json_array_get(paths, i)), *slash;
		char dir[4200];
		int fd;

		if (trees[i] < 0)
			continue;
		assert(path); /* it has a tree */
		slash = strrchr(path, '/');
		assert(slash); /* absolute, as `tools.sockets` wants them */
		snprintf(dir, sizeof dir, "%.*s", (int)(slash - path), path);
		if (make_way(dir) == 0) {
			fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
			if (fd >= 0)
				close(fd);
			attach_tree(trees[i], path);
		}
		close(trees[i]);
	}
}

int mounts_make(const struct mounts_opts *o, struct err *reterr)
{
	int work = -1, extra = -1, repository[2] = {-1, -1}, trees[MOUNTS_DEVICES], rc;
	int sockets[MOUNTS_MAX_SOCKETS];
	char options[64];

	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0)
		return fail(reterr, -errno, "mounts cannot be made private");
	work = clone_tree(o->workspace);
	if (work < 0)
		return fail(reterr, -errno, "the workspace cannot be mounted");
	clone_sockets(o->sockets, sockets);
	for (size_t i = 0; i < MOUNTS_DEVICES; i++)
		trees[i] = clone_tree(devices[i]);
	if (o->extra && (extra = clone_tree(o->extra)) < 0) {
		rc = fail(reterr, -errno, "the directory the permission names cannot be mounted");
		goto out;
	}
	for (size_t i = 0; i < 2; i++)
		if (o->repository[i] && (repository[i] = clone_tree(o->repository[i])) < 0) {
			rc = fail(reterr, -errno, "the repository cannot be mounted");
			goto out;
		}
	rc = make_readonly("/");
	if (rc != 0) {
		fail(reterr, rc, "the system cannot be made read-only");
		goto out;
	}
	snprintf(options, sizeof options, "size=%dm,mode=1777", MOUNTS_TMP_MB);
	/* A workspace that holds /tmp keeps it. */
	if (!mounts_within("/tmp", o->workspace))
		rc = mount_tmpfs("/tmp", 0, options);
	if (rc == 0)
		rc = cover_dev(trees);
	if (rc == 0)
		rc = mount_memory(o);
	if (rc == 0)
		rc = mount_tmpfs("/dev/shm", MS_NOEXEC, options);
	if (rc == 0 && !mounts_within("/run", o->workspace))
		rc = cover_run();
	if (rc != 0) {
		fail(reterr, rc, "private directories cannot be mounted");
		goto out;
	}
	put_sockets(o->sockets, sockets);
	/* The workspace last: what holds it would lie over it. */
	if (extra >= 0)
		rc = put_back(extra, o->extra);
	if (rc == 0 && extra >= 0 && !o->extra_write)
		rc = make_readonly(o->extra);
	if (rc == 0)
		rc = put_back(work, o->workspace);
	for (size_t i = 0; rc == 0 && i < 2; i++)
		if (repository[i] >= 0)
			rc = put_back(repository[i], o->repository[i]);
	if (rc != 0) {
		fail(reterr, rc, "the workspace cannot be mounted back");
		goto out;
	}
	rc = put_guards(o, reterr);
	if (rc != 0)
		goto out;
	rc = cover_hidden(o->hidden);
	if (rc != 0)
		fail(reterr, rc, "opta's own directory cannot be hidden");
	else if ((rc = cover_proc(o->proc)) != 0)
		fail(reterr, rc, "/proc cannot be made private");
out:
	if (work >= 0)
		close(work);
	if (extra >= 0)
		close(extra);
	for (size_t i = 0; i < 2; i++)
		if (repository[i] >= 0)
			close(repository[i]);
	for (size_t i = 0; i < MOUNTS_DEVICES; i++)
		if (trees[i] >= 0)
			close(trees[i]);
	return rc;
}

static int write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC), rc;

	if (fd < 0)
		return -errno;
	rc = file_write_all(fd, text, strlen(text));
	close(fd);
	return rc;
}

int mounts_map_user(unsigned uid, unsigned gid)
{
	char text[64];
	int rc;

	snprintf(text, sizeof text, "%u %u 1", uid, uid);
	rc = write_text("/proc/self/uid_map", text);
	if (rc == 0)
		rc = write_text("/proc/self/setgroups", "deny");
	snprintf(text, sizeof text, "%u %u 1", gid, gid);
	return rc ? rc : write_text("/proc/self/gid_map", text);
}

void mounts_loopback_up(void)
{
	struct ifreq request = {.ifr_name = "lo"};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return;
	if (ioctl(fd, SIOCGIFFLAGS, &request) == 0) {
		request.ifr_flags |= IFF_UP | IFF_RUNNING;
		ioctl(fd, SIOCSIFFLAGS, &request);
	}
	close(fd);
}
