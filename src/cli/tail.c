/* The end of a log file. */
#include "cli/tail.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "cli/cmd.h"
#include "cli/term.h"

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

/* Append the whole lines of text as they are shown; what is left of it is the beginning of one. */
static void show_lines(const struct tail_opts *opts, struct buf *text, bool end, struct buf *out)
{
	size_t at = 0;

	while (at < text->len) {
		const char *eol = memchr(text->p + at, '\n', text->len - at);
		size_t n = eol ? (size_t)(eol - text->p) - at : text->len - at;

		if (!eol && !end)
			break;
		opts->show(opts->data, text->p + at, n, out);
		at += n + (eol != NULL);
	}
	buf_consume(text, at);
}

static int open_log(const char *path)
{
	return open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
}

/* Copy what was added to fd since the last look; partial holds a line that is not complete. False
 * when the output is gone. */
static bool copy_new(const struct tail_opts *opts, int fd, struct buf *partial)
{
	char chunk[16384];
	ssize_t n;

	while ((n = read(fd, chunk, sizeof chunk)) > 0) {
		struct buf out = {0};
		bool good;

		if (!opts->show) {
			if (!term_put_now(chunk, (size_t)n))
				return false;
			continue;
		}
		buf_add(partial, chunk, (size_t)n);
		show_lines(opts, partial, false, &out);
		good = term_put_now(out.p, out.len);
		buf_finish(&out);
		if (!good)
			return false;
	}
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

static int follow(const char *path, int fd, const struct tail_opts *opts)
{
	struct buf partial = {0};

	for (;;) {
		if (fd >= 0 && !copy_new(opts, fd, &partial))
			return EXIT_DONE;
		if (fd < 0 || replaced(path, fd)) {
			int again = open_log(path);

			if (again >= 0) {
				/* What was written between our last look and the rotation. */
				if (fd >= 0 && !copy_new(opts, fd, &partial)) {
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
	struct buf text = {0}, shown = {0};
	int fd = open_log(path), rc = 0;
	ssize_t n;
	size_t at;

	if (fd < 0 && !opts->follow)
		return cmd_error("there is no log at %s yet: %s", path, strerror(errno));
	while (fd >= 0 && text.len < TAIL_MAX_BYTES &&
	       (n = read(fd, buf_reserve(&text, 65536), 65536)) > 0)
		text.len += (size_t)n;
	/* What is shown is counted, not what is left out. */
	if (opts->show) {
		show_lines(opts, &text, true, &shown);
		buf_finish(&text);
		text = shown;
	}
	at = opts->lines ? last_lines(&text, opts->lines) : text.len;
	if (text.len > at)
		rc = term_put_now(text.p + at, text.len - at) ? 0 : -EIO;
	buf_finish(&text);
	if (opts->follow && rc == 0)
		return follow(path, fd, opts);
	if (fd >= 0)
		close(fd);
	return EXIT_DONE;
}
