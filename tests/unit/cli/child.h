#ifndef UNIT_CLI_CHILD_H
#define UNIT_CLI_CHILD_H

/*
 * What the command line prints, seen from outside: a function is run in a
 * process of its own whose outputs are pipes or a terminal.
 */

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "base/buf.h"
#include "unit.h"

struct child {
	pid_t pid;
	int out, err; /* to read from; err is -1 on a terminal, where both are one */
};

/* Start fn(data) with its outputs in *ret. It is ended when it takes too long. */
__attribute__((unused)) static struct child child_start(
    bool terminal, int (*fn)(const void *data), const void *data)
{
	struct child c = {.err = -1};
	int out[2], err[2] = {-1, -1};
	struct termios raw;

	if (terminal) {
		out[0] = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
		assert_true(out[0] >= 0 && grantpt(out[0]) == 0 && unlockpt(out[0]) == 0);
		out[1] = open(ptsname(out[0]), O_RDWR | O_NOCTTY | O_CLOEXEC);
		assert_int_equal(tcgetattr(out[1], &raw), 0);
		cfmakeraw(&raw);
		assert_int_equal(tcsetattr(out[1], TCSANOW, &raw), 0);
		err[1] = out[1];
	} else {
		assert_int_equal(pipe2(out, O_CLOEXEC), 0);
		assert_int_equal(pipe2(err, O_CLOEXEC), 0);
	}
	fflush(NULL);
	c.pid = fork();
	assert_true(c.pid >= 0);
	if (c.pid == 0) {
		alarm(20);
		signal(SIGPIPE, SIG_IGN);
		dup2(out[1], STDOUT_FILENO);
		dup2(err[1], STDERR_FILENO);
		close(out[0]);
		close(err[0]);
		int code = fn(data);

		fflush(NULL);
		_exit(code);
	}
	close(out[1]);
	if (!terminal)
		close(err[1]);
	c.out = out[0];
	c.err = err[0];
	return c;
}

/* Read from fd into got until part is there; with part NULL until the end. */
__attribute__((unused)) static void child_read(int fd, struct buf *got, const char *part)
{
	for (;;) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		ssize_t n;

		if (part && strstr(buf_cstr(got), part))
			return;
		if (poll(&p, 1, 20000) <= 0)
			fail_msg("no end within 20 s of \"%s\"", buf_cstr(got));
		n = read(fd, buf_reserve(got, 65536), 65536);
		if (n <= 0 && part)
			fail_msg("\"%s\" ended without \"%s\"", buf_cstr(got), part);
		if (n <= 0)
			return; /* a terminal's end is EIO */
		got->len += (size_t)n;
	}
}

/* Wait for it; its exit code. */
__attribute__((unused)) static int child_end(struct child *c)
{
	int status;

	if (c->out >= 0)
		close(c->out);
	if (c->err >= 0)
		close(c->err);
	assert_int_equal(waitpid(c->pid, &status, 0), c->pid);
	if (!WIFEXITED(status))
		fail_msg("ended by signal %d", WTERMSIG(status));
	return WEXITSTATUS(status);
}

/* Run it whole: its exit code, what it printed. err may be NULL on a terminal. */
__attribute__((unused)) static int child_run(
    bool terminal, int (*fn)(const void *data), const void *data, struct buf *out, struct buf *err)
{
	struct child c = child_start(terminal, fn, data);

	buf_clear(out);
	child_read(c.out, out, NULL);
	if (!terminal) {
		buf_clear(err);
		child_read(c.err, err, NULL);
	}
	return child_end(&c);
}

#endif
