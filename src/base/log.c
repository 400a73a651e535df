/* The daemon's log: callers fill a bounded buffer, one thread writes it. */
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"

enum {
	LOG_LINE_MAX = 1024, /* a longer line is cut: it is a line, not a document */
	LOG_PENDING_MAX =
	    256 * 1024, /* what may wait for the disk; then lines are counted, not kept */
};

static struct {
	pthread_mutex_t lock; /* guards all fields below but fd and size */
	pthread_cond_t wake;
	struct buf pending;
	unsigned long dropped;
	enum log_level level;
	bool open, stop, reopen, echo;
	char *path; /* set by log_open before the thread starts */
	pthread_t thread;
	int fd;	    /* the thread's own */
	off_t size; /* the thread's own */
} the_log = {.lock = PTHREAD_MUTEX_INITIALIZER,
    .wake = PTHREAD_COND_INITIALIZER,
    .level = LOG_INFO,
    .fd = -1};

static const char *const level_names[] = {"DEBUG", "INFO ", "WARN ", "ERROR"};

static int open_file(void)
{
	struct stat st;
	int fd = open(the_log.path,
	    O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
		close(fd);
		return -EINVAL;
	}
	if (the_log.fd >= 0)
		close(the_log.fd);
	the_log.fd = fd;
	the_log.size = st.st_size;
	return 0;
}

static void rotate(void)
{
	struct buf old = {0};

	buf_addf(&old, "%s.1", the_log.path);
	rename(the_log.path, buf_cstr(&old));
	buf_finish(&old);
	open_file();
}

static void write_lines(const struct buf *lines)
{
	if (the_log.size + (off_t)lines->len > LOG_MAX_BYTES && the_log.size > 0)
		rotate();
	/* A full disk must not end the daemon: the lines are lost, the work goes on. */
	if (the_log.fd >= 0 && file_write_all(the_log.fd, lines->p, lines->len) == 0)
		the_log.size += (off_t)lines->len;
	if (the_log.echo)
		file_write_all(STDERR_FILENO, lines->p, lines->len);
}

static void *write_thread(void *unused)
{
	bool stop = false;

	while (!stop) {
		struct buf lines;
		bool reopen;

		pthread_mutex_lock(&the_log.lock);
		while (!the_log.pending.len && !the_log.stop && !the_log.reopen)
			pthread_cond_wait(&the_log.wake, &the_log.lock);
		lines = the_log.pending;
		the_log.pending = (struct buf){0};
		if (the_log.dropped)
			buf_addf(&lines,
			    "[--:--:--] WARN  %lu log lines dropped: the disk was too slow\n",
			    the_log.dropped);
		the_log.dropped = 0;
		reopen = the_log.reopen;
		the_log.reopen = false;
		stop = the_log.stop;
		pthread_mutex_unlock(&the_log.lock);
		if (reopen)
			open_file();
		if (lines.len)
			write_lines(&lines);
		buf_finish(&lines);
	}
	return NULL;
}

int log_open(const char *path, bool echo, struct err *reterr)
{
	int rc;

	the_log.path = mem_strdup(path);
	the_log.echo = echo;
	rc = open_file();
	if (rc != 0)
		goto fail;
	the_log.stop = false;
	rc = -pthread_create(&the_log.thread, NULL, write_thread, NULL);
	if (rc != 0)
		goto fail;
	the_log.open = true;
	return 0;
fail:
	err_set(reterr, rc, "cannot open the log %s: %s", path, strerror(-rc));
	free(the_log.path);
	the_log.path = NULL;
	return rc;
}

void log_set_level(enum log_level level)
{
	pthread_mutex_lock(&the_log.lock);
	the_log.level = level;
	pthread_mutex_unlock(&the_log.lock);
}

void log_reopen(void)
{
	pthread_mutex_lock(&the_log.lock);
	the_log.reopen = the_log.open;
	pthread_cond_signal(&the_log.wake);
	pthread_mutex_unlock(&the_log.lock);
}

void log_close(void)
{
	if (!the_log.open)
		return;
	pthread_mutex_lock(&the_log.lock);
	the_log.stop = true;
	the_log.open = false;
	pthread_cond_signal(&the_log.wake);
	pthread_mutex_unlock(&the_log.lock);
	pthread_join(the_log.thread, NULL);
	close(the_log.fd);
	the_log.fd = -1;
	free(the_log.path);
	the_log.path = NULL;
}

void log_line(enum log_level level, const char *fmt, ...)
{
	char line[LOG_LINE_MAX];
	int h, m, s;
	size_t head, n;
	va_list ap;

	clock_local_hms(&h, &m, &s);
	head = (size_t)snprintf(
	    line, sizeof line, "[%02d:%02d:%02d] %s ", h, m, s, level_names[level]);
	va_start(ap, fmt);
	vsnprintf(line + head, sizeof line - head - 1, fmt, ap);
	va_end(ap);
	n = strlen(line);
	/* What a peer said may be in here: it must not forge a line or move a terminal's cursor. */
	for (size_t i = head; i < n; i++)
		if ((unsigned char)line[i] < 0x20 || line[i] == 0x7F)
			line[i] = ' ';
	line[n++] = '\n';
	pthread_mutex_lock(&the_log.lock);
	if (the_log.open && level >= the_log.level) {
		if (the_log.pending.len + n > LOG_PENDING_MAX)
			the_log.dropped++;
		else
			buf_add(&the_log.pending, line, n);
		pthread_cond_signal(&the_log.wake);
	}
	pthread_mutex_unlock(&the_log.lock);
}

bool log_level_parse(const char *name, enum log_level *ret_level)
{
	static const char *const names[] = {"debug", "info", "warn", "error"};

	for (int i = 0; i < 4; i++)
		if (strcmp(names[i], name) == 0) {
			*ret_level = (enum log_level)i;
			return true;
		}
	return false;
}
