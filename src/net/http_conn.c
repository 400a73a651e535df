/* The server side of one HTTP/1.1 connection. */
#include "net/http_conn.h"

#include <assert.h>
#include <uv.h>

#include "base/buf.h"
#include "base/mem.h"
#include "net/stream.h"

enum {
	HTTP_CONN_HEAD_ROOM = 256,  /* most heads of ours are shorter */
	HTTP_CONN_KEPT = 16 * 1024, /* bytes of an answer's memory that the next may have */
};

enum phase {
	PHASE_IDLE,   /* no byte of a request yet */
	PHASE_HEAD,   /* a head is arriving */
	PHASE_BODY,   /* a body is arriving */
	PHASE_BUSY,   /* the owner answers */
	PHASE_DRAIN,  /* answered; the peer has yet to take it before its next request is read */
	PHASE_RAW,    /* switched to another protocol */
	PHASE_FINISH, /* sending the rest, then close */
};

struct http_conn {
	struct stream *stream;
	struct http_parser *parser;
	const struct http_conn_ops *ops; /* borrowed */
	void *data;
	uv_timer_t timer;
	uint64_t deadline; /* on the loop's clock, 0: none; the timer may run out before it */
	struct buf ahead;  /* received, not yet parsed: while PHASE_BUSY */
	enum phase phase;
	bool head_only; /* of a HEAD: its answer has no body (RFC 9110, 9.3.2) */
	bool keep_alive, streaming, finite, eof, closing, parsing, gone;
};

static void parse(struct http_conn *c, const char *p, size_t n);

static void resume(struct http_conn *c);

static void set_timer(struct http_conn *c, uint64_t ms);

static void move(struct http_conn *c, enum phase phase)
{
	static const uint64_t limit[] = {
	    [PHASE_IDLE] = HTTP_CONN_IDLE_MS,
	    [PHASE_HEAD] = HTTP_CONN_HEAD_MS,
	    [PHASE_BODY] = HTTP_CONN_BODY_MS,
	    [PHASE_BUSY] = 0,
	    [PHASE_DRAIN] = HTTP_CONN_STALL_MS,
	    [PHASE_RAW] = 0,
	    [PHASE_FINISH] = HTTP_CONN_STALL_MS,
	};

	c->phase = phase;
	/* After a switch the timer is the owner's, who may have set it already. */
	if (phase != PHASE_RAW)
		set_timer(c, limit[phase]);
}

static void gone(struct http_conn *c)
{
	if (c->closing || c->gone)
		return;
	c->gone = true;
	if (c->phase == PHASE_FINISH)
		http_conn_close(c);
	else
		c->ops->on_gone(c->data);
}

static void on_timer(uv_timer_t *timer)
{
	struct http_conn *c = timer->data;

	if (c->closing || !c->deadline)
		return;
	if (c->deadline > uv_now(timer->loop)) {
		uv_timer_start(timer, on_timer, c->deadline - uv_now(timer->loop), 0);
		return;
	}
	c->deadline = 0;
	if (c->phase == PHASE_BUSY || c->phase == PHASE_RAW) {
		if (c->streaming || c->phase == PHASE_RAW)
			c->ops->on_timer(c->data);
		else if (stream_queued(c->stream))
			gone(c);
		return;
	}
	gone(c);
}

/*
 * Only the deadline moves with each request, four times; the timer is touched
 * when it would come too late, and looks at the deadline when it comes.
 */
static void set_timer(struct http_conn *c, uint64_t ms)
{
	uv_loop_t *loop = c->timer.loop;

	c->deadline = ms ? uv_now(loop) + ms : 0;
	if (ms && (!uv_is_active((uv_handle_t *)&c->timer) || uv_timer_get_due_in(&c->timer) > ms))
		uv_timer_start(&c->timer, on_timer, ms, 0);
}

static enum http_verdict on_head(void *data, const struct http_head *head)
{
	struct http_conn *c = data;

	c->keep_alive = head->keep_alive;
	c->head_only = str_eq(head->method, "HEAD");
	move(c, PHASE_BODY);
	return c->ops->on_head(c->data, head);
}

static bool on_body(void *data, const char *p, size_t n)
{
	struct http_conn *c = data;

	move(c, PHASE_BODY);
	return c->ops->on_body(c->data, p, n);
}

static const struct http_callbacks parser_callbacks = {.on_head = on_head, .on_body = on_body};

static void on_read(void *data, const char *p, size_t n)
{
	struct http_conn *c = data;

	if (c->phase == PHASE_FINISH)
		return;
	if (c->phase == PHASE_RAW) {
		c->ops->on_raw(c->data, p, n);
		return;
	}
	if (c->phase == PHASE_BUSY || c->phase == PHASE_DRAIN) {
		buf_add(&c->ahead, p, n);
		if (c->ahead.len > HTTP_CONN_MAX_AHEAD)
			stream_read(c->stream, false);
		return;
	}
	parse(c, p, n);
}

static void on_end(void *data, int err)
{
	struct http_conn *c = data;

	c->eof = true;
	/* A client may close its side after asking and still read the answer. */
	if (err == 0 && c->phase == PHASE_BUSY && (!c->streaming || c->finite))
		return;
	if (err == 0 && c->phase == PHASE_DRAIN)
		return;
	if (err == 0 && c->phase == PHASE_FINISH && stream_queued(c->stream))
		return;
	gone(c);
}

/*
 * Everything was sent. Closing with input unread would reset the connection and
 * take the answer with it, so wait a moment for the peer to close first.
 */
static void linger(struct http_conn *c)
{
	if (c->eof)
		http_conn_close(c);
	else
		set_timer(c, HTTP_CONN_LINGER_MS);
}

static void on_writable(void *data)
{
	struct http_conn *c = data;

	if (c->phase == PHASE_FINISH) {
		linger(c);
		return;
	}
	if (c->phase == PHASE_DRAIN) {
		if (!stream_queued(c->stream))
			resume(c);
		return;
	}
	if (c->phase == PHASE_BUSY || c->phase == PHASE_RAW)
		c->ops->on_writable(c->data);
}

static const struct stream_ops stream_callbacks = {
    .on_read = on_read, .on_end = on_end, .on_writable = on_writable};

struct http_conn *http_conn_new(
    uv_loop_t *loop, int fd, const struct http_conn_ops *ops, void *data)
{
	struct http_conn *c = mem_zalloc(1, sizeof *c);

	c->stream = stream_new(loop, fd, &stream_callbacks, c);
	if (!c->stream) {
		free(c);
		return NULL;
	}
	c->parser = http_parser_new(true, &parser_callbacks, c);
	c->ops = ops;
	c->data = data;
	uv_timer_init(loop, &c->timer);
	c->timer.data = c;
	/* A connection that says nothing is worth less than one that was useful before. */
	move(c, PHASE_HEAD);
	return c;
}

static void on_timer_closed(uv_handle_t *handle)
{
	struct http_conn *c = handle->data;

	http_parser_free(c->parser);
	buf_finish(&c->ahead);
	free(c);
}

void http_conn_close(struct http_conn *c)
{
	if (!c || c->closing)
		return;
	c->closing = true;
	stream_close(c->stream);
	uv_close((uv_handle_t *)&c->timer, on_timer_closed);
}

void http_conn_finish(struct http_conn *c)
{
	if (!c || c->closing || c->phase == PHASE_FINISH)
		return;
	move(c, PHASE_FINISH);
	stream_read(c->stream, !c->eof);
	stream_shutdown(c->stream);
	if (!stream_queued(c->stream))
		linger(c);
}

const struct http_parser *http_conn_parser(const struct http_conn *c)
{
	return c->parser;
}

void http_conn_send(struct http_conn *c, const void *p, size_t n)
{
	if (c->closing)
		return;
	stream_write(c->stream, p, n);
	if (c->phase == PHASE_BUSY && !c->streaming && stream_queued(c->stream))
		set_timer(c, HTTP_CONN_STALL_MS);
}

void http_conn_reply(struct http_conn *c, struct http_reply *reply, const char *body, size_t n)
{
	/* One answer at a time, on the loop thread: its memory is kept for the next. */
	static struct buf out;

	reply->length = (int64_t)n;
	if (!c->keep_alive)
		reply->close = true;
	if (reply->close)
		c->keep_alive = false;
	buf_clear(&out);
	buf_reserve(&out, HTTP_CONN_HEAD_ROOM + n);
	http_put_reply_head(&out, reply);
	if (!c->head_only)
		buf_add(&out, body, n);
	http_conn_send(c, out.p, out.len);
	if (out.cap > HTTP_CONN_KEPT)
		buf_finish(&out);
}

/* The last answer is out of our hands: the next request may come, or has come already. */
static void resume(struct http_conn *c)
{
	struct buf ahead = c->ahead;

	move(c, PHASE_IDLE);
	c->ahead = (struct buf){0};
	stream_read(c->stream, !c->eof);
	parse(c, ahead.p, ahead.len);
	buf_finish(&ahead);
}

void http_conn_next(struct http_conn *c)
{
	if (c->closing)
		return;
	assert(c->phase == PHASE_BUSY);
	if (!c->keep_alive) {
		http_conn_finish(c);
		return;
	}
	c->streaming = c->finite = c->head_only = false;
	http_parser_reset(c->parser);
	/* Who asks and asks but takes no answers would have us keep them all. */
	if (stream_queued(c->stream))
		move(c, PHASE_DRAIN);
	else if (c->parsing)
		move(c, PHASE_IDLE); /* parse() below us goes on by itself */
	else
		resume(c);
}

/*
 * Feed n bytes to the parser until they are used up or the owner is busy; what
 * is left then waits in ahead. Handlers may answer at once (then the phase is
 * PHASE_IDLE again when they return) or close c.
 */
static void parse(struct http_conn *c, const char *p, size_t n)
{
	c->parsing = true;
	while (n && !c->closing &&
	       (c->phase == PHASE_IDLE || c->phase == PHASE_HEAD || c->phase == PHASE_BODY)) {
		enum http_result result;
		const char *reason;
		bool too_large;
		size_t used;

		if (c->phase == PHASE_IDLE)
			move(c, PHASE_HEAD);
		result = http_parser_feed(c->parser, p, n, &used);
		if (c->closing)
			break;
		p += used;
		n -= used;
		switch (result) {
		case HTTP_MORE:
		case HTTP_STOPPED:
			n = 0;
			break;
		case HTTP_COMPLETE:
			if (c->phase == PHASE_FINISH)
				break;
			move(c, PHASE_BUSY);
			c->ops->on_request(c->data);
			break;
		case HTTP_SWITCHED:
			/* The owner said goodbye at once, and is gone. */
			if (c->phase == PHASE_FINISH) {
				n = 0;
				break;
			}
			move(c, PHASE_RAW);
			break;
		case HTTP_BAD:
			reason = http_parser_error(c->parser, &too_large);
			c->keep_alive = false;
			move(c, PHASE_BUSY);
			c->ops->on_bad(c->data, reason, too_large);
			n = 0;
			break;
		}
	}
	c->parsing = false;
	if (c->closing)
		return;
	if (c->phase == PHASE_RAW && n)
		c->ops->on_raw(c->data, p, n);
	else if (n && (c->phase == PHASE_BUSY || c->phase == PHASE_DRAIN))
		buf_add(&c->ahead, p, n);
	if (c->eof && c->phase != PHASE_BUSY && c->phase != PHASE_DRAIN && c->phase != PHASE_FINISH)
		gone(c);
}

void http_conn_streaming(struct http_conn *c, bool finite)
{
	c->streaming = true;
	c->finite = finite;
	set_timer(c, 0);
	/* The peer closed its side already. To say so here would pull the rug from under our
	 * caller: have the socket tell it again. */
	if (!c->eof || finite)
		return;
	c->eof = false;
	stream_read(c->stream, true);
}

void http_conn_switch(struct http_conn *c)
{
	struct buf ahead = c->ahead;

	assert(c->phase == PHASE_BUSY);
	c->ahead = (struct buf){0};
	move(c, PHASE_RAW);
	/* Also when the peer closed its side already: the socket tells it again. */
	c->eof = false;
	stream_read(c->stream, true);
	/* What parse() below us still has it hands on by itself. */
	if (ahead.len)
		c->ops->on_raw(c->data, ahead.p, ahead.len);
	buf_finish(&ahead);
}

bool http_conn_keep_alive(const struct http_conn *c)
{
	return c->keep_alive;
}

void http_conn_read(struct http_conn *c, bool on)
{
	if (!c->closing && !c->eof)
		stream_read(c->stream, on);
}

void http_conn_timer(struct http_conn *c, uint64_t ms)
{
	if (!c->closing)
		set_timer(c, ms);
}

struct stream *http_conn_stream(struct http_conn *c)
{
	return c->stream;
}
