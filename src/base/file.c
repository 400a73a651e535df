/* Small whole files, written so that a power cut leaves the old or the new. */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/fault.h"
#include "base/ids.h"
#include "base/mem.h"

int file_read(const char *path, size_t max, struct buf *out, struct err *reterr)
{
	/* O_NONBLOCK: opening a FIFO somebody put there must not hang. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	size_t start = out->len;
	struct stat st;
	int rc = 0;

	if (fd < 0 && errno == ELOOP)
		return err_set(
		    reterr, -ELOOP, "%s is a symbolic link, which opta never follows", path);
	if (fd < 0)
		return err_set(reterr, -errno, "cannot read %s: %s", path, strerror(errno));
	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
		rc = err_set(reterr, -EINVAL, "%s is not a regular file", path);
		goto out;
	}
	for (;;) {
		char *at = buf_reserve(out, 4096);
		ssize_t n = read(fd, at, 4096);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			rc = err_set(reterr, -errno, "cannot read %s: %s", path, strerror(errno));
			break;
		}
		if (n == 0)
			break;
		out->len += (size_t)n;
		if (out->len - start > max) {
			rc = err_set(reterr, ERR_LIMIT, "%s is larger than %zu bytes", path, max);
			break;
		}
	}
out:
	if (rc != 0)
		out->len = start;
	close(fd);
	return rc;
}

int file_write_all(int fd, const void *p, size_t n)
{
	const char *at = p;

	while (n) {
		ssize_t done = write(fd, at, n);

		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0 && errno == EAGAIN) {
			struct pollfd wait = {.fd = fd, .events = POLLOUT};

			/* Somebody who shares it made it non-blocking. An error shows at the next
			 * write. */
			poll(&wait, 1, -1);
			continue;
		}
		if (done < 0)
			return -errno;
		at += done;
		n -= (size_t)done;
	}
	return 0;
}

void file_keep_standard(void)
{
	for (int fd = 0; fd < 3; fd++) {
		if (fcntl(fd, F_GETFD) >= 0 || errno != EBADF)
			continue;
		/* The lowest free number is fd. What is written there fails, as it did. */
		if (open("/dev/null", O_RDONLY) != fd)
			return;
	}
}

int file_replace(
    const char *dir, const char *name, const void *p, size_t n, mode_t mode, struct err *reterr)
{
	int dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	char prefix[96], temp[128];
	int fd, rc;

	if (dirfd < 0)
		return err_set(reterr, -errno, "cannot open the directory %s: %s", dir,
		    errno == ENOTDIR || errno == ELOOP ? "it is not a plain directory"
						       : strerror(errno));
	snprintf(prefix, sizeof prefix, ".%.80s.", name);
	ids_make(prefix, 6, temp, sizeof temp);
	fd = openat(dirfd, temp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
	if (fd < 0) {
		rc =
		    err_set(reterr, -errno, "cannot create a file in %s: %s", dir, strerror(errno));
		goto out_dir;
	}
	rc = file_write_all(fd, p, n);
	if (rc == 0 && (fchmod(fd, mode) != 0 || fsync(fd) != 0))
		rc = -errno;
	close(fd);
	FAULT("state-written");
	if (rc == 0 && renameat(dirfd, temp, dirfd, name) != 0)
		rc = -errno;
	FAULT("state-replaced");
	if (rc == 0)
		fsync(dirfd);
	else
		unlinkat(dirfd, temp, 0);
	if (rc != 0)
		err_set(reterr, rc, "cannot write %s/%s: %s", dir, name, strerror(-rc));
out_dir:
	close(dirfd);
	return rc;
}

int file_make_dir(const char *path, struct err *reterr)
{
	char *copy = mem_strdup(path);
	struct stat st;
	int rc = 0;

	for (char *at = copy + 1;; at++) {
		char kept = *at;

		if (kept != '/' && kept != '\0')
			continue;
		*at = '\0';
		if (mkdir(copy, 0700) != 0 && errno != EEXIST && errno != EISDIR) {
			rc = err_set(reterr, -errno, "cannot make the directory %s: %s", copy,
			    strerror(errno));
			goto out;
		}
		*at = kept;
		if (kept == '\0')
			break;
	}
	if (lstat(path, &st) != 0)
		rc = err_set(reterr, -errno, "cannot look at %s: %s", path, strerror(errno));
	else if (S_ISLNK(st.st_mode))
		rc = err_set(
		    reterr, -ELOOP, "%s is a symbolic link, which opta never follows", path);
	else if (!S_ISDIR(st.st_mode))
		rc = err_set(reterr, -ENOTDIR, "%s is in the way: it is not a directory", path);
out:
	free(copy);
	return rc;
}
