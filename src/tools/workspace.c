/* Paths and files beneath the workspace. */
#include "tools/workspace.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sha2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/ids.h"
#include "base/str.h"
#include "tools/guard.h"
#include "tools/tool.h"

/* Append one part to an absolute path, taking ".." as one back. */
static void take_part(struct buf *out, struct str part)
{
	if (part.n == 0 || str_eq(part, "."))
		return;
	if (str_eq(part, "..")) {
		while (out->len && out->p[out->len - 1] != '/')
			out->len--;
		if (out->len)
			out->len--;
		return;
	}
	buf_addc(out, '/');
	buf_add(out, part.p, part.n);
}

bool workspace_plain(const char *root, const char *path, struct buf *ret)
{
	struct str rest = str_of(path), part;
	size_t n = strlen(root);
	struct buf full = {0};
	bool inside;

	while (n > 1 && root[n - 1] == '/')
		n--;
	if (path[0] != '/')
		buf_add(&full, root, n);
	while (rest.n) {
		rest = str_cut(rest, '/', &part);
		take_part(&full, part);
	}
	inside = full.p && full.len >= n && memcmp(full.p, root, n) == 0 &&
		 (full.len == n || full.p[n] == '/');
	buf_clear(ret);
	if (!inside)
		buf_add(ret, full.len ? full.p : "/", full.len ? full.len : 1);
	else if (full.len == n)
		buf_addc(ret, '.');
	else
		buf_add(ret, full.p + n + 1, full.len - n - 1);
	buf_finish(&full);
	return inside;
}

static int open_how(int at, const char *path, int flags, mode_t mode, uint64_t resolve)
{
	struct open_how how = {
	    .flags = (uint64_t)(unsigned)(flags | O_CLOEXEC), .mode = mode, .resolve = resolve};
	int fd;

	/* EAGAIN: something was renamed while the kernel looked, nothing is wrong yet. */
	for (int i = 0; i < 100; i++) {
		fd = (int)syscall(SYS_openat2, at, path, &how, sizeof how);
		if (fd >= 0 || errno != EAGAIN)
			break;
	}
	return fd;
}

/* Where a plain path is opened from and how strictly. -1 with a sentence when the call may not. */
static int open_plain(struct tool_call *call, bool inside, const char *plain, int flags)
{
	int fd, root;

	if (inside)
		return open_how(
		    call->workspace, plain, flags, 0, RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS);
	if (!call->outside) {
		errno = EXDEV;
		return -1;
	}
	root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		return -1;
	/* What was shown is what is opened: no link may lead elsewhere. */
	fd = open_how(
	    root, plain[1] ? plain + 1 : ".", flags, 0, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
	close(root);
	return fd;
}

static void workspace_say(struct tool_call *call, const char *path, int error)
{
	switch (error) {
	case ENOENT:
		tool_fail(call, "%.500s does not exist", path);
		break;
	case EXDEV:
		tool_fail(call,
		    "%.500s lies outside the workspace (or a symbolic link in it leads outside): "
		    "only "
		    "files in %.500s may be used",
		    path, call->root);
		break;
	case ELOOP:
		tool_fail(
		    call, "%.500s is or goes through a symbolic link: name the file itself", path);
		break;
	case EISDIR:
		tool_fail(call, "%.500s is a directory, not a file", path);
		break;
	case ENOTDIR:
		tool_fail(call, "%.500s is not a directory, or a part of its path is a file", path);
		break;
	default:
		tool_fail(call, "%.500s cannot be used: %s", path, strerror(error));
	}
}

int workspace_open(struct tool_call *call, const char *path, int flags)
{
	struct buf plain = {0};
	bool inside = workspace_plain(call->root, path, &plain);
	int fd = open_plain(call, inside, buf_cstr(&plain), flags);

	if (fd < 0)
		workspace_say(call, path, errno);
	buf_finish(&plain);
	return fd;
}

bool workspace_guard(struct tool_call *call, const char *path)
{
	struct buf plain = {0}, dir = {0};
	bool inside = workspace_plain(call->root, path, &plain), good = false;
	size_t n = strlen(buf_cstr(&plain));
	const char *text = buf_cstr(&plain);
	int fd = -1;

	/* The deepest directory on the way that is there. */
	while (fd < 0 && n) {
		while (n && text[n - 1] != '/')
			n--;
		while (n > 1 && text[n - 1] == '/')
			n--;
		buf_clear(&dir);
		if (n)
			buf_add(&dir, text, n);
		else
			buf_addc(&dir, '.');
		fd = open_plain(call, inside, buf_cstr(&dir), O_PATH | O_DIRECTORY);
		if (fd < 0 && errno != ENOENT)
			break;
		if (n == 1 && text[0] == '/')
			break;
	}
	if (fd < 0) {
		workspace_say(call, path, errno);
	} else {
		while (text[n] == '/')
			n++;
		good = guard_allows(call, fd, text + n);
		close(fd);
	}
	buf_finish(&plain);
	buf_finish(&dir);
	return good;
}

/* Open the directory of one part below at, making it when asked to. Through no link. */
static int step_into(int at, const char *part, bool make)
{
	int fd =
	    open_how(at, part, O_PATH | O_DIRECTORY, 0, RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS);

	if (fd >= 0 || errno != ENOENT || !make)
		return fd;
	if (mkdirat(at, part, 0777) != 0 && errno != EEXIST)
		return -1;
	return open_how(
	    at, part, O_PATH | O_DIRECTORY | O_NOFOLLOW, 0, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
}

/* Make the directories of plain (which lies in the workspace) one by one. */
static int make_parents(struct tool_call *call, const char *plain)
{
	struct str rest = str_of(plain), part;
	char name[256];
	int at = dup(call->workspace), next;

	while (at >= 0 && rest.n) {
		char left[TOOL_MAX_PATH + 1];

		snprintf(left, sizeof left, "%.*s", (int)rest.n, rest.p);
		if (!guard_allows(call, at, left)) {
			close(at);
			errno = ECANCELED;
			return -1;
		}
		rest = str_cut(rest, '/', &part);
		if (part.n >= sizeof name) {
			close(at);
			errno = ENAMETOOLONG;
			return -1;
		}
		memcpy(name, part.p, part.n);
		name[part.n] = '\0';
		next = step_into(at, name, true);
		close(at);
		at = next;
	}
	return at;
}

int workspace_open_parent(struct tool_call *call, const char *path, bool make, char *ret_name)
{
	struct buf plain = {0}, dir = {0};
	bool inside = workspace_plain(call->root, path, &plain);
	const char *text = buf_cstr(&plain), *slash = strrchr(text, '/');
	const char *name = slash ? slash + 1 : text;
	int fd = -1;

	if (!name[0] || strcmp(name, ".") == 0) {
		tool_fail(call, "%.500s is a directory, not a file", path);
		goto out;
	}
	if (strlen(name) > 255) {
		workspace_say(call, path, ENAMETOOLONG);
		goto out;
	}
	snprintf(ret_name, 256, "%s", name);
	if (slash && slash > text)
		buf_add(&dir, text, (size_t)(slash - text));
	else
		buf_addc(&dir, inside ? '.' : '/');
	fd = open_plain(call, inside, buf_cstr(&dir), O_PATH | O_DIRECTORY);
	if (fd < 0 && errno == ENOENT && make && inside)
		fd = make_parents(call, buf_cstr(&dir));
	/* The guard has said why. */
	if (fd < 0 && errno != ECANCELED)
		workspace_say(call, path, errno);
out:
	buf_finish(&plain);
	buf_finish(&dir);
	return fd;
}

int workspace_read(struct tool_call *call, const char *path, struct buf *out, mode_t *ret_mode)
{
	struct buf plain = {0};
	bool inside = workspace_plain(call->root, path, &plain);
	int fd = open_plain(call, inside, buf_cstr(&plain), O_RDONLY | O_NONBLOCK | O_NOCTTY),
	    rc = -1;
	struct stat st;
	ssize_t n;

	buf_finish(&plain);
	if (fd < 0 && errno == ENOENT)
		return -ENOENT;
	if (fd < 0) {
		workspace_say(call, path, errno);
		return -1;
	}
	if (fstat(fd, &st) != 0) {
		workspace_say(call, path, errno);
	} else if (S_ISDIR(st.st_mode)) {
		workspace_say(call, path, EISDIR);
	} else if (!S_ISREG(st.st_mode)) {
		tool_fail(call, "%.500s is a device, pipe or socket, not a file", path);
	} else if (st.st_size > TOOL_MAX_FILE) {
		tool_fail(call, "%.500s has %lld bytes, more than the %d that are read at once",
		    path, (long long)st.st_size, TOOL_MAX_FILE);
	} else {
		rc = 0;
		while ((n = read(fd, buf_reserve(out, 65536), 65536)) > 0) {
			out->len += (size_t)n;
			if (out->len > TOOL_MAX_FILE)
				break;
		}
		if (n < 0) {
			workspace_say(call, path, errno);
			rc = -1;
		}
		/* Other content does not get the power its file had. */
		*ret_mode = st.st_mode & 01777;
	}
	close(fd);
	return rc;
}

bool workspace_write(struct tool_call *call, const char *path, const char *p, size_t n, mode_t mode)
{
	char name[256], temp[48];
	int dir = workspace_open_parent(call, path, true, name), fd, rc;
	struct stat st;

	if (dir < 0)
		return false;
	if (!guard_allows(call, dir, name)) {
		close(dir);
		return false;
	}
	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && !S_ISREG(st.st_mode)) {
		workspace_say(call, path,
		    S_ISDIR(st.st_mode)	  ? EISDIR
		    : S_ISLNK(st.st_mode) ? ELOOP
					  : EPERM);
		close(dir);
		return false;
	}
	ids_make(".opta-", 8, temp, sizeof temp);
	fd = openat(dir, temp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0) {
		workspace_say(call, path, errno);
		close(dir);
		return false;
	}
	rc = file_write_all(fd, p, n);
	if (rc == 0 && fchmod(fd, mode) != 0)
		rc = -errno;
	/* A power cut must leave the old file or the new one. */
	if (rc == 0 && fsync(fd) != 0)
		rc = -errno;
	close(fd);
	if (rc == 0 && renameat(dir, temp, dir, name) != 0)
		rc = -errno;
	if (rc != 0) {
		unlinkat(dir, temp, 0);
		workspace_say(call, path, -rc);
	}
	close(dir);
	return rc == 0;
}

static void hash(const struct buf *content, char ret[TOOL_STATE_SIZE])
{
	static const char hex[] = "0123456789abcdef";
	uint8_t digest[SHA256_DIGEST_LENGTH];
	SHA2_CTX sha;

	if (!content) {
		snprintf(ret, TOOL_STATE_SIZE, "absent");
		return;
	}
	SHA256Init(&sha);
	SHA256Update(&sha, (const uint8_t *)content->p, content->len);
	SHA256Final(digest, &sha);
	for (size_t i = 0; i < sizeof digest; i++) {
		ret[2 * i] = hex[digest[i] >> 4];
		ret[2 * i + 1] = hex[digest[i] & 15];
	}
	ret[2 * sizeof digest] = '\0';
}

void workspace_state(struct tool_call *call, const struct buf *content)
{
	hash(content, call->state);
}

bool workspace_unchanged(struct tool_call *call, const struct buf *content)
{
	char now[TOOL_STATE_SIZE];

	if (!call->expect)
		return true;
	hash(content, now);
	if (strcmp(now, call->expect) == 0)
		return true;
	tool_fail(call, "the file changed after it was shown: nothing was done");
	call->changed = true;
	return false;
}
