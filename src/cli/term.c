/* What a person sees. */
#include "cli/term.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/buf.h"

/* The answer's last byte was no line end. */
static bool line_open;

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

/* Copy with control characters shown as their Unicode pictures, C1 controls (C2 80 … C2 9F) as
 * U+FFFD. */
void term_put_harmless(struct buf *out, const char *p, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)p[i];

		if (c == '\n' || c == '\t' || (c >= 0x20 && c != 0x7F && c != 0xC2)) {
			buf_addc(out, (char)c);
		} else if (c == 0xC2 && i + 1 < n && (unsigned char)p[i + 1] < 0xA0) {
			buf_adds(out, "\xEF\xBF\xBD");
			i++;
		} else if (c == 0xC2) {
			buf_addc(out, (char)c);
		} else if (c != '\r') {
			buf_addc(out, (char)0xE2);
			buf_addc(out, (char)0x90);
			buf_addc(out, (char)(c == 0x7F ? 0xA1 : 0x80 + c));
		}
	}
}

void term_put_flat(struct buf *out, const char *p, size_t n)
{
	size_t start = out->len;

	term_put_harmless(out, p, n);
	for (size_t i = start; i < out->len; i++)
		if (out->p[i] == '\n' || out->p[i] == '\t')
			out->p[i] = ' ';
}

void term_put_text(const char *p, size_t n)
{
	if (!n)
		return;
	line_open = p[n - 1] != '\n';
	if (term_is_terminal(STDOUT_FILENO)) {
		struct buf safe = {0};

		term_put_harmless(&safe, p, n);
		fwrite(safe.p, 1, safe.len, stdout);
		buf_finish(&safe);
	} else {
		fwrite(p, 1, n, stdout);
	}
	fflush(stdout);
}

void term_end_line(void)
{
	if (line_open)
		fputc('\n', stdout);
	line_open = false;
	fflush(stdout);
}

void term_write(const struct buf *out)
{
	if (out->len)
		fwrite(out->p, 1, out->len, stdout);
}

void term_put_line(const char *p, size_t n)
{
	fwrite(p, 1, n, stdout);
	fputc('\n', stdout);
	fflush(stdout);
}

void term_printf(const char *fmt, ...)
{
	struct buf safe = {0};
	char *text;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&text, fmt, ap);
	va_end(ap);
	if (n < 0)
		return;
	term_put_harmless(&safe, text, (size_t)n);
	fwrite(safe.p, 1, safe.len, stdout);
	buf_finish(&safe);
	free(text);
}

void term_put_note(const char *p, size_t n)
{
	if (line_open && term_is_terminal(STDOUT_FILENO) && term_is_terminal(STDERR_FILENO))
		term_end_line();
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
	/* Within a half-written line of the answer on the same terminal. */
	if (line_open && term_is_terminal(STDOUT_FILENO) && term_is_terminal(STDERR_FILENO))
		term_end_line();
	term_put_harmless(&safe, text, strlen(text));
	fprintf(stderr, color ? "\033[2m%s\033[0m\n" : "%s\n", buf_cstr(&safe));
	buf_finish(&safe);
}
