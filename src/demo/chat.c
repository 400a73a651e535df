/*
 * One answer being sent.
 *
 *   SENDING --sent--> COMPOSING --batch full, or a wait or an end is due--> SENDING
 *      |
 *      +--a wait is due--> WAITING --timer--> COMPOSING
 *      +--hang-----------> SILENT
 *      +--the end--------> ENDED (on_end)
 *
 * SENDING goes on by on_writable: after each batch the loop gets its turn, so
 * that one fast reader does not keep the others waiting.
 */
#include "demo/chat.h"

#include <assert.h>

#include "base/mem.h"
#include "demo/answer.h"
#include "net/http_conn.h"
#include "net/stream.h"

enum {
	/* Composed at a time: large enough that system calls do not count, small enough for a
	   socket. */
	CHAT_BATCH = 64 * 1024,
	/* A slow reader costs us this much in the socket's queue; then we wait for it. */
	CHAT_MAX_QUEUED = 256 * 1024,
	/* Bytes of one write under demo:split: 1, 2, 3, 1, 2, 3 and so on. */
	CHAT_SLICE = 3,
};

enum state {
	STATE_COMPOSING, /* the next step turns answer into bytes */
	STATE_SENDING,	 /* out is on its way; next says what then */
	STATE_WAITING,	 /* the timer runs */
	STATE_SILENT,	 /* demo:hang: until the peer leaves */
	STATE_ENDED,	 /* on_end is called */
};

struct demo_chat {
	struct http_conn *http; /* borrowed */
	struct demo_request request;
	struct demo_answer answer;
	struct demo_wire wire;
	struct buf out;	       /* composed, not yet given to the socket */
	size_t out_at;	       /* bytes of out given to it */
	struct demo_step step; /* the step that waits, when held */
	bool held;
	bool yielded; /* the loop had its turn since the batch was composed */
	unsigned writes;
	enum state state, next; /* next: after STATE_SENDING */
	uint64_t wait_ms;
	enum demo_end how;
	demo_chat_end_cb *on_end;
	void *data;
};

struct demo_chat *demo_chat_new(struct http_conn *http, struct demo_request *request,
    struct demo_wire *wire, demo_chat_end_cb *on_end, void *data)
{
	struct demo_chat *c = mem_zalloc(1, sizeof *c);

	assert(wire->format && wire->id && wire->model);
	c->http = http;
	c->request = *request;
	*request = (struct demo_request){0};
	c->wire = *wire;
	*wire = (struct demo_wire){0};
	c->wire.request = &c->request;
	c->on_end = on_end;
	c->data = data;
	c->state = STATE_SENDING;
	c->yielded = true; /* the first delta waits for nobody */
	demo_answer_init(&c->answer, &c->request);
	return c;
}

/* Should this step, a delta after the first, be waited for? Once. */
static bool must_wait(struct demo_chat *c)
{
	uint64_t delay = c->request.prompt.delay.n;

	if (c->held || !delay || !demo_step_is_delta(&c->step) || c->wire.sent == 0)
		return false;
	c->held = true;
	c->wait_ms = delay;
	return true;
}

/* Form one step. Returns what is to be done once it was sent. */
static enum state put_step(struct demo_chat *c)
{
	switch (c->step.kind) {
	case DEMO_STEP_HANG:
		return STATE_SILENT;
	case DEMO_STEP_DROP:
		c->how = DEMO_END_CUT;
		return STATE_ENDED;
	case DEMO_STEP_CLOSE:
		c->wire.format->put(&c->wire, &c->step, &c->out);
		c->how = DEMO_END_CLOSE;
		return STATE_ENDED;
	case DEMO_STEP_ERROR:
	case DEMO_STEP_DONE:
		c->wire.format->put(&c->wire, &c->step, &c->out);
		c->how = DEMO_END_DONE;
		return STATE_ENDED;
	case DEMO_STEP_TEXT:
	case DEMO_STEP_THINKING:
	case DEMO_STEP_HUGE:
	case DEMO_STEP_BAD_UTF8:
	case DEMO_STEP_CALL:
	case DEMO_STEP_ARGUMENTS:
		c->wire.sent++;
		c->wire.format->put(&c->wire, &c->step, &c->out);
		return STATE_COMPOSING;
	case DEMO_STEP_GARBAGE:
		c->wire.format->put(&c->wire, &c->step, &c->out);
		return STATE_COMPOSING;
	}
	return STATE_COMPOSING;
}

/* Fill out with steps. Returns what is to be done once they were sent. */
static enum state compose(struct demo_chat *c)
{
	/* The first delta goes out alone: it is what a reader waits for. */
	size_t batch = c->wire.sent ? CHAT_BATCH : 1;
	size_t start = c->out.len;

	do {
		enum state next;

		if (!c->held)
			demo_answer_next(&c->answer, &c->step);
		if (must_wait(c))
			return STATE_WAITING;
		c->held = false;
		next = put_step(c);
		if (next != STATE_COMPOSING)
			return next;
		/* Formats that collect fill out late, so steps are counted as well. */
	} while (c->out.len - start < batch && c->wire.sent % CHAT_BATCH);
	return STATE_COMPOSING;
}

/* Give the socket its share of out. True when all was sent and the loop had its turn. */
static bool send_out(struct demo_chat *c)
{
	struct stream *stream = http_conn_stream(c->http);
	size_t n = c->out.len - c->out_at;
	size_t most = c->request.prompt.split ? c->writes++ % CHAT_SLICE + 1 : CHAT_MAX_QUEUED;
	bool batch = c->next == STATE_COMPOSING;

	if (n) {
		if (n > most)
			n = most;
		http_conn_send(c->http, c->out.p + c->out_at, n);
		c->out_at += n;
		if (c->out_at == c->out.len) {
			c->out_at = 0;
			buf_clear(&c->out);
		}
	}
	if (c->out.len || stream_queued(stream) || (batch && !c->yielded)) {
		c->yielded = true;
		if (!stream_queued(stream))
			stream_want_write(stream); /* else its empty queue is told without asking */
		return false;
	}
	c->yielded = false;
	return true;
}

static void move(struct demo_chat *c, enum state state)
{
	static const bool allowed[][STATE_ENDED + 1] = {
	    [STATE_COMPOSING] = {[STATE_SENDING] = true},
	    [STATE_SENDING] = {[STATE_COMPOSING] = true,
		[STATE_WAITING] = true,
		[STATE_SILENT] = true,
		[STATE_ENDED] = true},
	    [STATE_WAITING] = {[STATE_COMPOSING] = true},
	    [STATE_SILENT] = {false},
	    [STATE_ENDED] = {false},
	};

	assert(allowed[c->state][state]);
	c->state = state;
}

/* One step of the state machine. False when c sleeps or is no more. */
static bool chat_step(struct demo_chat *c)
{
	switch (c->state) {
	case STATE_COMPOSING:
		c->next = compose(c);
		move(c, STATE_SENDING);
		return true;
	case STATE_SENDING:
		if (!send_out(c))
			return false;
		move(c, c->next);
		if (c->state == STATE_WAITING)
			http_conn_timer(c->http, c->wait_ms);
		return true;
	case STATE_WAITING:
	case STATE_SILENT:
		return false;
	case STATE_ENDED:
		c->on_end(c->data, c->how);
		return false;
	}
	return false;
}

static void run(struct demo_chat *c)
{
	while (chat_step(c))
		;
}

void demo_chat_start(struct demo_chat *c)
{
	c->wire.format->begin(&c->wire, &c->out);
	c->wait_ms = c->request.prompt.first.n;
	c->next = c->wait_ms ? STATE_WAITING : STATE_COMPOSING;
	run(c);
}

void demo_chat_on_timer(struct demo_chat *c)
{
	if (c->state != STATE_WAITING)
		return;
	move(c, STATE_COMPOSING);
	run(c);
}

void demo_chat_on_writable(struct demo_chat *c)
{
	if (c->state == STATE_SENDING)
		run(c);
}

void demo_chat_append(struct demo_chat *c, const void *p, size_t n)
{
	if (c->out.len)
		buf_add(&c->out, p, n);
	else
		http_conn_send(c->http, p, n);
}

void demo_chat_flush(struct demo_chat *c)
{
	if (c->out.len)
		http_conn_send(c->http, c->out.p + c->out_at, c->out.len - c->out_at);
	c->out_at = 0;
	buf_clear(&c->out);
}

const char *demo_chat_transport(const struct demo_chat *c)
{
	return c->wire.format->transport;
}

void demo_chat_free(struct demo_chat *c)
{
	if (!c)
		return;
	demo_answer_finish(&c->answer);
	demo_wire_finish(&c->wire);
	demo_request_finish(&c->request);
	buf_finish(&c->out);
	free(c);
}
