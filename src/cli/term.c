/* What a person sees. */
#include "cli/term.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/os.h"
#include "cli/door.h"

bool term_is_terminal(int fd)
{
	static int known[3] = {-1, -1, -1};

	if (fd < 0)
		return false;
	if (fd > 2)
		return isatty(fd);
	if (known[fd] < 0)
		known[fd] = isatty(fd);
	return known[fd] == 1;
}

bool term_moves(int fd)
{
	const char *kind = getenv("TERM");

	return term_is_terminal(fd) && kind && kind[0] && strcmp(kind, "dumb") != 0;
}

bool term_color(int fd)
{
	const char *no = getenv("NO_COLOR");

	return term_moves(fd) && !(no && no[0]);
}

unsigned term_width(int fd)
{
	struct winsize size;

	return ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col ? size.ws_col : 80;
}

unsigned term_height(int fd)
{
	struct winsize size;

	return ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_row ? size.ws_row : 24;
}

/* --- the two streams --- */

/* Standard output or error behind stdio. */
struct outlet {
	int fd;
	int error;	  /* the first failure, a negative errno; what follows it is dropped */
	struct door door; /* for a terminal */
};

static struct outlet outlets[2] = {{.fd = STDOUT_FILENO}, {.fd = STDERR_FILENO}};

/* All of it, however slow the reader is. */
static ssize_t write_outlet(void *cookie, const char *p, size_t n)
{
	struct outlet *o = cookie;
	struct buf safe = {0};
	int rc;

	if (o->error)
		return 0;
	if (term_is_terminal(o->fd)) {
		door_put(&o->door, p, n, &safe);
		rc = file_write_all(o->fd, safe.p, safe.len);
		buf_finish(&safe);
	} else {
		rc = file_write_all(o->fd, p, n);
	}
	o->error = rc;
	return rc == 0 ? (ssize_t)n : 0;
}

/* setvbuf(3): by lines where a person reads along, by pieces else; errors at once. */
static void open_outlet(struct outlet *o, FILE **stream)
{
	FILE *f = os_stream(write_outlet, o);
	int how = o->fd == STDERR_FILENO ? _IONBF : term_is_terminal(o->fd) ? _IOLBF : _IOFBF;

	if (!f)
		return;
	setvbuf(f, NULL, how, 0);
	*stream = f;
}

void term_begin(void)
{
	open_outlet(&outlets[0], &stdout);
	open_outlet(&outlets[1], &stderr);
}

void term_stop_self(void)
{
	struct sigaction plain = {.sa_handler = SIG_DFL}, old;

	/* Not SIGSTOP: a group without a shell would never go on (POSIX.1, orphaned groups). */
	sigemptyset(&plain.sa_mask);
	sigaction(SIGTSTP, &plain, &old);
	kill(0, SIGTSTP);
	sigaction(SIGTSTP, &old, NULL);
}

int term_lost(void)
{
	return outlets[0].error;
}

int term_end(int code)
{
	fflush(stdout);
	/* Whoever closed a pipe has read enough and knows it. */
	if (outlets[0].error && outlets[0].error != -EPIPE)
		fprintf(stderr, "Error: cannot write standard output: %s\n",
		    strerror(-outlets[0].error));
	fflush(stderr);
	return outlets[0].error && code == 0 ? 1 : code;
}

void term_write(const struct buf *out)
{
	if (out->len)
		fwrite(out->p, 1, out->len, stdout);
}

bool term_put_now(const char *p, size_t n)
{
	fwrite(p, 1, n, stdout);
	return fflush(stdout) == 0;
}

void term_put_json_line(const char *p, size_t n)
{
	struct buf safe = {0};

	if (term_is_terminal(STDOUT_FILENO)) {
		term_put_json(&safe, p, n);
		p = safe.p;
		n = safe.len;
	}
	fwrite(p, 1, n, stdout);
	fputc('\n', stdout);
	fflush(stdout);
	buf_finish(&safe);
}

/* The arguments have no line of their own to pretend with. */
static void put_flat_format(const char *end, const char *fmt, va_list ap)
    __attribute__((format(printf, 2, 0)));

static void put_flat_format(const char *end, const char *fmt, va_list ap)
{
	struct buf text = {0}, safe = {0};

	buf_addv(&text, fmt, ap);
	term_put_flat(&safe, text.p, text.len);
	if (safe.len)
		fwrite(safe.p, 1, safe.len, stdout);
	fputs(end, stdout);
	buf_finish(&text);
	buf_finish(&safe);
}

void term_line(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	put_flat_format("\n", fmt, ap);
	va_end(ap);
}

void term_question(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	put_flat_format(" ", fmt, ap);
	va_end(ap);
	fflush(stdout);
}

void term_put_note(const char *p, size_t n)
{
	fwrite(p, 1, n, stderr);
	fflush(stderr);
}

void term_warn(const char *text)
{
	fprintf(stderr, term_color(STDERR_FILENO) ? "\033[1;31m%s\033[0m\n" : "%s\n", text);
}

void term_note(const char *fmt, ...)
{
	struct buf safe = {0};
	char text[700];
	va_list ap;
	bool color = term_color(STDERR_FILENO);

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	term_put_flat(&safe, text, strlen(text));
	fprintf(stderr, color ? "\033[2m%s\033[0m\n" : "%s\n", buf_cstr(&safe));
	buf_finish(&safe);
}
