/* One question on the terminal. */
#include "cli/prompt.h"

#include <fcntl.h>
#include <termios.h>
#include <unistd.h>
#include <uv.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/str.h"
#include "cli/term.h"

enum { PROMPT_MAX_LINE = 4096 };

struct prompt {
	uv_poll_t poll; /* carries the free */
	int fd;		/* the terminal, our own descriptor */
	struct termios before;
	bool line;
	struct buf text;
	prompt_cb *on_answer;
	void *data;
};

static const char question[] = "[A]pprove [D]eny [A]ll for this tool (shift+A) [Q]uit ";

/* False: the key is no answer. The callback may have freed p. */
static bool take_key(struct prompt *p, char key)
{
	enum prompt_answer answer;

	switch (key) {
	case 'a':
	case 'y':
		answer = PROMPT_APPROVE;
		break;
	case 'd':
	case 'n':
		answer = PROMPT_DENY;
		break;
	case 'A':
		answer = PROMPT_ALL;
		break;
	case 'q':
	case 'Q':
	case 0x03:
		answer = PROMPT_QUIT;
		break;
	default:
		return false;
	}
	p->on_answer(p->data, answer, NULL);
	return true;
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
	struct prompt *p = poll->data;
	char bytes[256];
	ssize_t n = read(p->fd, bytes, sizeof bytes);
	struct str line;

	if (n <= 0) {
		uv_poll_stop(poll);
		return;
	}
	if (!p->line) {
		/* An arrow key is ESC [ A: what follows an ESC is not typed as an answer. */
		for (ssize_t i = 0; i < n && bytes[i] != 0x1b; i++)
			if (take_key(p, bytes[i]))
				break;
		return;
	}
	buf_add(&p->text, bytes, (size_t)n);
	if (p->text.p[p->text.len - 1] != '\n' && p->text.len < PROMPT_MAX_LINE)
		return;
	line = str_trim((struct str){p->text.p, p->text.len});
	p->text.len = (size_t)(line.p - p->text.p) + line.n;
	if (str_utf8_valid(p->text.p, p->text.len) != p->text.len)
		buf_clear(&p->text);
	p->on_answer(p->data, PROMPT_TEXT, buf_cstr(&p->text));
	buf_clear(&p->text);
}

struct prompt *prompt_new(uv_loop_t *loop, bool line, prompt_cb *on_answer, void *data)
{
	struct prompt *p;
	struct termios raw;
	int fd;

	if (!term_is_terminal(STDERR_FILENO))
		return NULL;
	/* Standard input may be the context that was piped in. */
	fd = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		return NULL;
	p = mem_zalloc(1, sizeof *p);
	p->fd = fd;
	p->line = line;
	p->on_answer = on_answer;
	p->data = data;
	tcgetattr(fd, &p->before);
	if (!line) {
		raw = p->before;
		raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
		/* Keys typed before the question was there do not answer it. */
		tcsetattr(fd, TCSAFLUSH, &raw);
	}
	fputs(line ? "> " : question, stderr);
	fflush(stderr);
	uv_poll_init(loop, &p->poll, fd);
	p->poll.data = p;
	uv_poll_start(&p->poll, UV_READABLE, on_readable);
	return p;
}

static void on_closed(uv_handle_t *handle)
{
	struct prompt *p = handle->data;

	close(p->fd);
	buf_finish(&p->text);
	free(p);
}

void prompt_free(struct prompt *p)
{
	if (!p)
		return;
	tcsetattr(p->fd, TCSADRAIN, &p->before);
	fputs(p->line ? "" : "\r\033[K", stderr);
	fflush(stderr);
	uv_close((uv_handle_t *)&p->poll, on_closed);
}
