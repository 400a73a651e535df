/* The end of a log file. */
#include "cli/tail.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/file.h"
#include "cli/cmd.h"

/* A log is at most LOG_MAX_BYTES (base/log.h) and a little. */
enum { TAIL_MAX_BYTES = 16 * 1024 * 1024 };

/* Where the last n lines of b begin. */
static size_t last_lines(const struct buf *b, size_t n)
{
	size_t at = b->len;

	if (at && b->p[at - 1] == '\n')
		at--;
	while (at > 0) {
		if (b->p[at - 1] == '\n' && --n == 0)
			break;
		at--;
	}
	return at;
}

static int open_log(const char *path)
{
	return open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
}

/* Copy what was added to fd since the last look. False when the output is gone. */
static bool copy_new(int fd)
{
	char chunk[16384];
	ssize_t n;

	while ((n = read(fd, chunk, sizeof chunk)) > 0)
		if (file_write_all(STDOUT_FILENO, chunk, (size_t)n) != 0)
			return false;
	return true;
}

/* Has the file at path become another one, or shorter than where fd stands? */
static bool replaced(const char *path, int fd)
{
	struct stat there, held;

	if (stat(path, &there) != 0 || fstat(fd, &held) != 0)
		return false;
	return there.st_ino != held.st_ino || there.st_dev != held.st_dev ||
	       there.st_size < lseek(fd, 0, SEEK_CUR);
}

static int follow(const char *path, int fd)
{
	for (;;) {
		if (fd >= 0 && !copy_new(fd))
			return EXIT_DONE;
		if (fd < 0 || replaced(path, fd)) {
			int again = open_log(path);

			if (again >= 0) {
				/* What was written between our last look and the rotation. */
				if (fd >= 0 && !copy_new(fd)) {
					close(again);
					return EXIT_DONE;
				}
				if (fd >= 0)
					close(fd);
				fd = again;
				continue;
			}
		}
		poll(NULL, 0, TAIL_LOOK_MS);
	}
}

int tail_file(const char *path, const struct tail_opts *opts)
{
	struct buf text = {0};
	int fd = open_log(path), rc = 0;
	ssize_t n;
	size_t at;

	if (fd < 0 && !opts->follow)
		return cmd_error("there is no log at %s yet: %s", path, strerror(errno));
	while (fd >= 0 && text.len < TAIL_MAX_BYTES &&
	       (n = read(fd, buf_reserve(&text, 65536), 65536)) > 0)
		text.len += (size_t)n;
	at = opts->lines ? last_lines(&text, opts->lines) : text.len;
	if (text.len > at)
		rc = file_write_all(STDOUT_FILENO, text.p + at, text.len - at);
	buf_finish(&text);
	if (opts->follow && rc == 0)
		return follow(path, fd);
	if (fd >= 0)
		close(fd);
	return EXIT_DONE;
}
