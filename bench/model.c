/*
 * The model server of the bench: it has its answers ready as frames and does
 * nothing but write them, so that it is not what is measured. A thread for each
 * connection, as the daemon opens one for each turn.
 *
 * model TEXT_FILE
 * Prints its port and serves until it is ended. What a turn says decides what is answered:
 *   bench tokens=N            N pieces of the text, as fast as they are taken
 *   bench tokens=N every=US   each a time stamp "@" and 16 digits of microseconds, one in US
 *   … hang=1                  then silence, so that the turn goes on
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "protocol/ws.h"
#include "wire.h"

enum {
	MODEL_TEXT_MAX = 64 * 1024 * 1024,
	MODEL_PIECE = 6, /* bytes of text in a token at most: what tokenizers make of English */
	MODEL_REQUEST_MAX = 64 * 1024 * 1024,
	MODEL_WRITE = 64 * 1024, /* about so much in one write */
	STAMP_DIGITS = 16,
};

static struct buf frames; /* the whole text, ready to be sent */
static size_t *starts;	  /* of each frame, and the end of the last */
static size_t frame_count;
static atomic_size_t next_start; /* so that no two answers are the same */

struct question {
	uint64_t tokens, every_us, hang;
};

static void put_frame(struct buf *out, const char *text, size_t n)
{
	char head[2] = {(char)0x81, 0};
	size_t at = out->len;

	buf_add(out, head, sizeof head);
	buf_adds(out, "{\"type\":\"chat.token\",\"request_id\":\"req_bench\",\"content\":");
	json_put_str(out, text, n);
	buf_addc(out, '}');
	if (out->len - at - 2 > 125)
		wire_die("a piece of text does not fit a short frame");
	out->p[at + 1] = (char)(out->len - at - 2);
}

/* Cut the text into pieces that begin at words where they can, as tokenizers do. */
static void make_frames(const char *text, size_t n)
{
	starts = mem_zalloc(n + 1, sizeof *starts);
	for (size_t at = 0; at < n;) {
		size_t len = 1;

		while (len < MODEL_PIECE && at + len < n && text[at + len] != ' ' &&
		       text[at + len] != '\n')
			len++;
		starts[frame_count++] = frames.len;
		put_frame(&frames, text + at, len);
		at += len;
	}
	starts[frame_count] = frames.len;
	if (!frame_count)
		wire_die("no text to answer with");
}

static bool send_some(int fd, const void *p, size_t n)
{
	return file_write_all(fd, p, n) == 0;
}

static bool send_text(int fd, uint64_t tokens)
{
	size_t at = atomic_fetch_add(&next_start, frame_count / 7) % frame_count;

	while (tokens) {
		size_t until = at;

		while (until < frame_count && until - at < tokens &&
		       starts[until] - starts[at] < MODEL_WRITE)
			until++;
		if (!send_some(fd, frames.p + starts[at], starts[until] - starts[at]))
			return false;
		tokens -= until - at;
		at = until % frame_count;
	}
	return true;
}

static bool send_stamps(int fd, uint64_t tokens, uint64_t every_us)
{
	uint64_t due = clock_mono_us();
	struct buf out = {0};
	bool ok = true;

	for (; tokens && ok; tokens--) {
		struct timespec at;
		char stamp[STAMP_DIGITS + 2];
		int n;

		due += every_us;
		at.tv_sec = (time_t)(due / 1000000);
		at.tv_nsec = (long)(due % 1000000) * 1000;
		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL);
		n = snprintf(stamp, sizeof stamp, "@%0*llu", STAMP_DIGITS,
		    (unsigned long long)clock_mono_us());
		buf_clear(&out);
		put_frame(&out, stamp, (size_t)n);
		ok = send_some(fd, out.p, out.len);
	}
	buf_finish(&out);
	return ok;
}

static bool recv_exactly(int fd, void *p, size_t n)
{
	return recv(fd, p, n, MSG_WAITALL) == (ssize_t)n;
}

/* The one frame a client sends; masked. False: not this. */
static bool read_question(int fd, struct buf *out)
{
	unsigned char head[2], more[8], mask[4];
	uint64_t n;

	if (!recv_exactly(fd, head, 2))
		return false;
	n = head[1] & 0x7F;
	if (n > 125) {
		size_t width = n == 126 ? 2 : 8;

		if (!recv_exactly(fd, more, width))
			return false;
		n = 0;
		for (size_t i = 0; i < width; i++)
			n = n << 8 | more[i];
	}
	if (n > MODEL_REQUEST_MAX || !recv_exactly(fd, mask, 4))
		return false;
	if (!recv_exactly(fd, buf_reserve(out, n), n))
		return false;
	for (uint64_t i = 0; i < n; i++)
		out->p[i] ^= (char)mask[i % 4];
	out->len = n;
	return true;
}

static uint64_t word(const char *text, const char *name)
{
	const char *at = strstr(text, name);
	uint64_t n = 0;

	if (at) {
		at += strlen(name);
		str_parse_u64((struct str){at, strspn(at, "0123456789")}, UINT64_MAX, &n);
	}
	return n;
}

/* The last turn's words are what counts; those of the history come before. */
static struct question understand(const char *text)
{
	static const char mark[] = "bench tokens=";
	const char *last = strstr(text, mark), *next = last;
	struct buf line = {0};
	struct question q;

	if (!last)
		wire_die("a question that does not say \"bench tokens=\"");
	while ((next = strstr(next + 1, mark)))
		last = next;
	buf_add(&line, last, strcspn(last, "\""));
	q = (struct question){word(buf_cstr(&line), "tokens="), word(buf_cstr(&line), "every="),
	    word(buf_cstr(&line), "hang=")};
	buf_finish(&line);
	return q;
}

static void answer(int fd)
{
	static const char done[] = "{\"type\":\"chat.done\",\"finish_reason\":\"stop\"}";
	struct buf text = {0}, end = {0};
	struct question q;
	char c;
	bool ok;

	if (!read_question(fd, &text)) {
		buf_finish(&text);
		return;
	}
	q = understand(buf_cstr(&text));
	buf_finish(&text);
	ok = q.every_us ? send_stamps(fd, q.tokens, q.every_us) : send_text(fd, q.tokens);
	if (ok && !q.hang) {
		buf_addc(&end, (char)0x81);
		buf_addc(&end, (char)(sizeof done - 1));
		buf_adds(&end, done);
		/* And an ordinary close. */
		buf_add(&end, "\x88\x02\x03\xe8", 4);
		send_some(fd, end.p, end.len);
		buf_finish(&end);
		shutdown(fd, SHUT_WR);
	}
	/* The other side closes. */
	while (ok && recv(fd, &c, 1, 0) == 1)
		;
}

static void reply(int fd, int status, const char *body)
{
	char text[512];
	int n = snprintf(text, sizeof text,
	    "HTTP/1.1 %d X\r\nContent-Type: application/json\r\nContent-Length: %zu\r\nConnection: "
	    "close\r\n\r\n%s",
	    status, strlen(body), body);

	send_some(fd, text, (size_t)n);
	shutdown(fd, SHUT_WR);
}

static void upgrade(int fd, const char *head)
{
	static const char name[] = "Sec-WebSocket-Key: ";
	const char *key = strcasestr(head, name);
	char accept[WS_ACCEPT_SIZE], text[256];
	int n;

	if (!key) {
		reply(fd, 400, "{}");
		return;
	}
	key += sizeof name - 1;
	ws_accept(key, strcspn(key, "\r"), accept);
	n = snprintf(text, sizeof text,
	    "HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
	    "Sec-WebSocket-Accept: %s\r\n\r\n",
	    accept);
	if (send_some(fd, text, (size_t)n))
		answer(fd);
}

static void *serve(void *data)
{
	int fd = (int)(intptr_t)data;
	char head[8192];

	if (wire_read_head(fd, head, sizeof head)) {
		if (strncmp(head, "GET /readyz", 11) == 0)
			reply(fd, 200, "{\"ready\":true,\"model\":\"bench\"}");
		else if (strncmp(head, "GET /v1/chat/stream", 19) == 0)
			upgrade(fd, head);
		else
			reply(fd, 404, "{}");
	}
	close(fd);
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_attr_t attr;
	struct buf text = {0};
	int listener, fd;

	if (argc != 2 || file_read(argv[1], MODEL_TEXT_MAX, &text, NULL) != 0) {
		fprintf(stderr, "usage: model TEXT_FILE\n");
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	wire_many_files();
	make_frames(text.p, text.len);
	buf_finish(&text);
	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	listener = wire_listen();
	for (;;) {
		pthread_t thread;

		fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
		if (fd < 0 && errno == EMFILE)
			wire_die("accept");
		if (fd >= 0 && pthread_create(&thread, &attr, serve, (void *)(intptr_t)fd) != 0)
			wire_die("thread");
	}
}
