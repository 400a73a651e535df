/* The mount namespace of a call; mount_namespaces(7), mount_setattr(2), user_namespaces(7). */
#include "tools/mounts.h"

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
	struct mount_attributes attr = {.set = MOUNT_ATTR_RDONLY};

	return syscall(SYS_mount_setattr, AT_FDCWD, path, AT_RECURSIVE, &attr, sizeof attr) == 0
		   ? 0
		   : -errno;
}

/* Does path lie in dir, or is it dir? */
static bool within(const char *path, const char *dir)
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
	if (!realpath("/etc/resolv.conf", real) || !within(real, "/run") ||
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

int mounts_make(const struct mounts_opts *o, struct err *reterr)
{
	char options[64];
	int work = -1, extra = -1, rc;

	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0)
		return fail(reterr, -errno, "mounts cannot be made private");
	work = clone_tree(o->workspace);
	if (work < 0)
		return fail(reterr, -errno, "the workspace cannot be mounted");
	if (o->extra && (extra = clone_tree(o->extra)) < 0) {
		rc = fail(reterr, -errno, "the directory the permission names cannot be mounted");
		goto out;
	}
	rc = make_readonly("/");
	if (rc != 0) {
		fail(reterr, rc, "the system cannot be made read-only");
		goto out;
	}
	snprintf(options, sizeof options, "size=%dm,mode=1777", MOUNTS_TMP_MB);
	/* A workspace that holds /tmp keeps it. */
	if (!within("/tmp", o->workspace))
		rc = mount_tmpfs("/tmp", 0, options);
	if (rc == 0 && !within("/dev/shm", o->workspace) && access("/dev/shm", F_OK) == 0)
		rc = mount_tmpfs("/dev/shm", MS_NOEXEC, options);
	if (rc == 0 && !within("/run", o->workspace))
		rc = cover_run();
	if (rc != 0) {
		fail(reterr, rc, "private directories cannot be mounted");
		goto out;
	}
	rc = put_back(work, o->workspace);
	if (rc == 0 && extra >= 0)
		rc = put_back(extra, o->extra);
	if (rc == 0 && extra >= 0 && !o->extra_write)
		rc = make_readonly(o->extra);
	if (rc != 0) {
		fail(reterr, rc, "the workspace cannot be mounted back");
		goto out;
	}
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
