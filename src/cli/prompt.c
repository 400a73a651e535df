/* One question on the terminal. */
#include "cli/prompt.h"

#include <fcntl.h>
#include <termios.h>
#include <unistd.h>
#include <uv.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/str.h"
#include "cli/keys.h"
#include "cli/term.h"

enum { PROMPT_MAX_LINE = 4096 };

struct prompt {
	uv_poll_t poll; /* carries the free */
	int fd;		/* the terminal, our own descriptor */
	struct termios before;
	bool line;
	bool answered;	  /* within one read: one answer, and p may be given up */
	struct keys keys; /* when one key answers */
	struct buf text;  /* when a line does */
	prompt_cb *on_answer;
	void *data;
};

static const char question[] = "[A]pprove [D]eny [A]ll for this tool (shift+A) [Q]uit ";

/* p is there until the loop goes on, also when the callback frees it. */
static void answer_with(struct prompt *p, enum prompt_answer answer)
{
	if (p->answered)
		return;
	p->answered = true;
	p->on_answer(p->data, answer, NULL);
}

/* Arrows are not the letters they end in, and a paste is no answer. */
static void on_key(void *data, enum key key, const char *text, size_t n, bool pasted)
{
	struct prompt *p = data;

	if (key == KEY_CANCEL)
		answer_with(p, PROMPT_QUIT);
	if (key != KEY_TEXT || pasted || n != 1)
		return;
	switch (text[0]) {
	case 'a':
	case 'y':
		answer_with(p, PROMPT_APPROVE);
		break;
	case 'd':
	case 'n':
		answer_with(p, PROMPT_DENY);
		break;
	case 'A':
		answer_with(p, PROMPT_ALL);
		break;
	case 'q':
	case 'Q':
		answer_with(p, PROMPT_QUIT);
		break;
	default:
		break;
	}
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
		/* Asked again, where the decision could not be kept. */
		p->answered = false;
		keys_feed(&p->keys, bytes, (size_t)n, on_key, p);
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
	keys_finish(&p->keys);
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
