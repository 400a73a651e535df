/* Cursors and their turn on the loop. */
#include "session/feed.h"

#include <assert.h>
#include <uv.h>

#include "base/clock.h"
#include "base/mem.h"
#include "net/fanout.h"
#include "session/core.h"
#include "session/session.h"
#include "store/log.h"
#include "store/segment.h"

struct feed {
	struct list ready; /* cursors to be called, first come first */
	uv_idle_t again;   /* runs while ready is not empty: the loop polls sockets in between */
	uv_prepare_t turn; /* a turn of the loop begins */
	uint64_t spent_us; /* of this turn's slice */
	/* A round: from the first cursor to be called until there is none. Clock and microseconds.
	 */
	uint64_t round_us; /* when this one began */
	uint64_t rest_us;  /* when the last one ended */
	uint64_t cost_us;  /* what the last one takes a single thread */
	bool helped;	   /* this one's writes may have two */
	bool had_help;	   /* some had */
	bool running;
	unsigned open_handles; /* while closing */
	unsigned ahead;	       /* cursors that read ahead */
	struct fanout *fanout; /* owned */
	struct fanout_write writes[FEED_TOGETHER];
};

static void end_round(struct feed *f)
{
	f->rest_us = clock_mono_us();
	f->cost_us = (f->rest_us - f->round_us) * (f->had_help ? 2 : 1);
	uv_idle_stop(&f->again);
}

/* Do what is offered, as much as the slice has room for; false: nothing was. Who offers nothing
 * keeps its place. */
static bool write_together(struct feed *f)
{
	size_t most = (FEED_SLICE_US - f->spent_us) / FEED_WRITE_US + 1;
	unsigned count = 0, looked = 0;
	struct list writing;

	list_init(&writing);
	most = most < FEED_TOGETHER ? most : FEED_TOGETHER;
	list_each_safe (l, &f->ready) {
		struct cursor *c = list_entry(l, struct cursor, ready);

		if (count == most || looked++ == FEED_TOGETHER)
			break;
		if (!c->offer || !c->offer(c, &f->writes[count]))
			continue;
		c->write = count++;
		list_remove(&c->ready);
		list_append(&writing, &c->ready);
	}
	f->had_help |= fanout_run(f->fanout, f->writes, count);
	/* Whoever leaves meanwhile leaves this list. */
	while (!list_empty(&writing)) {
		struct cursor *c = list_entry(writing.next, struct cursor, ready);

		list_remove(&c->ready);
		c->on_taken(c, &f->writes[c->write]);
	}
	return count > 0;
}

static void call_first(struct feed *f)
{
	struct cursor *c = list_entry(f->ready.next, struct cursor, ready);

	list_remove(&c->ready);
	c->on_ready(c);
}

/*
 * However many logs grew in this turn of the loop, and however often, cursors
 * get one slice of it: what is left is for on_again, after the sockets had theirs.
 */
static void run(struct feed *f)
{
	uint64_t begun, now, spent = f->spent_us;

	if (f->running || list_empty(&f->ready) || spent >= FEED_SLICE_US)
		return;
	f->running = true;
	begun = clock_mono_us();
	while (!list_empty(&f->ready) && f->spent_us < FEED_SLICE_US) {
		/* Most calls take a few microseconds, of which the clock would be a part. */
		if (!f->helped || !write_together(f))
			for (unsigned i = 0; i < FEED_CALLS && !list_empty(&f->ready); i++)
				call_first(f);
		now = clock_mono_us();
		f->spent_us = spent + (now - begun);
		f->helped = f->helped && now - f->round_us < FEED_ROUND_US;
	}
	f->running = false;
	if (list_empty(&f->ready))
		end_round(f);
}

static void on_again(uv_idle_t *idle)
{
	struct feed *f = idle->data;

	run(f);
	/* Whoever was ready may be gone: then there was nothing to run. */
	if (list_empty(&f->ready) && uv_is_active((uv_handle_t *)idle))
		end_round(f);
}

static void on_turn(uv_prepare_t *turn)
{
	struct feed *f = turn->data;

	f->spent_us = 0;
}

struct feed *feed_new(uv_loop_t *loop)
{
	struct feed *f = mem_zalloc(1, sizeof *f);

	list_init(&f->ready);
	f->fanout = fanout_new();
	uv_idle_init(loop, &f->again);
	f->again.data = f;
	uv_prepare_init(loop, &f->turn);
	f->turn.data = f;
	uv_prepare_start(&f->turn, on_turn);
	uv_unref((uv_handle_t *)&f->turn);
	return f;
}

/* Both handles lie in f: it goes with the second, whichever that is. */
static void on_closed(uv_handle_t *handle)
{
	struct feed *f = handle->data;

	if (--f->open_handles == 0)
		free(f);
}

void feed_free(struct feed *f)
{
	if (!f)
		return;
	fanout_free(f->fanout);
	f->open_handles = 2;
	uv_close((uv_handle_t *)&f->again, on_closed);
	uv_close((uv_handle_t *)&f->turn, on_closed);
}

static void begin_round(struct feed *f)
{
	f->round_us = clock_mono_us();
	f->helped = f->round_us - f->rest_us >= FEED_REST * f->cost_us;
	f->had_help = false;
	uv_idle_start(&f->again, on_again);
}

static void mark(struct feed *f, struct cursor *c)
{
	c->waiting = false;
	if (!list_empty(&c->ready))
		return;
	list_append(&f->ready, &c->ready);
	if (!uv_is_active((uv_handle_t *)&f->again))
		begin_round(f);
}

void cursor_attach(struct cursor *c, struct session *session, uint64_t next)
{
	assert(!c->session && next >= 1);
	list_init(&c->ready);
	c->session = session_ref(session);
	c->next = next;
	c->offset = 0;
	c->waiting = c->failed = false;
	list_append(&session->cursors, &c->link);
	mark(session->core->feed, c);
}

/* Another cursor may read ahead in its place. */
static void leave_ahead(struct feed *f, struct cursor *c)
{
	f->ahead -= c->ahead;
	c->ahead = false;
}

/* Drop what was read from disk. */
static void forget(struct feed *f, struct cursor *c)
{
	segment_unref(c->cold);
	segment_unref(c->after);
	c->cold = c->after = NULL;
	leave_ahead(f, c);
	c->flows = false;
}

void cursor_detach(struct cursor *c)
{
	struct session *session = c->session;

	if (!session)
		return;
	c->session = NULL;
	list_remove(&c->link);
	list_remove(&c->ready);
	log_read_cancel(c->read);
	c->read = NULL;
	forget(session->core->feed, c);
	session_unref(session);
}

static void on_read(void *data, int rc, struct segment *segment)
{
	struct cursor *c = data;

	c->read = NULL;
	if (c->cold) {
		/* Read ahead: nobody waits. What could not be read is tried again when it is
		 * wanted. */
		c->after = rc == 0 ? segment_ref(segment) : NULL;
		c->flows = rc == 0;
		return;
	}
	if (rc == 0)
		c->cold = segment_ref(segment);
	else
		c->failed = true;
	mark(c->session->core->feed, c);
}

static bool holds(const struct segment *s, uint64_t seq)
{
	return s && s->first_seq <= seq && seq <= s->last_seq;
}

/* The client takes one segment after the other: have the next one ready when it wants it. */
static void read_ahead(struct feed *f, struct cursor *c)
{
	struct log *log = c->session->log;
	uint64_t next = c->cold->last_seq + 1;

	if (c->read || c->after || next > log_durable(log) || log_tail(log, next) ||
	    log_cached(log, next) || (!c->ahead && f->ahead == FEED_AHEAD))
		return;
	f->ahead += !c->ahead;
	c->ahead = true;
	c->read = log_read(log, next, LOG_AHEAD_BYTES, on_read, c);
}

enum cursor_state cursor_next(struct cursor *c, struct segment **ret_segment, size_t *ret_at)
{
	struct session *session = c->session;
	struct segment *s;

	if (session->deleted)
		return CURSOR_GONE;
	if (c->failed)
		return CURSOR_BAD;
	if (c->next > log_durable(session->log)) {
		forget(session->core->feed, c);
		c->waiting = true;
		return CURSOR_END;
	}
	if (c->cold && !holds(c->cold, c->next)) {
		c->flows = c->next == c->cold->last_seq + 1;
		segment_unref(c->cold);
		c->cold = c->after;
		c->after = NULL;
		if (c->cold && !holds(c->cold, c->next))
			forget(session->core->feed, c);
		/* What others read is at hand from here on. */
		if (!c->cold && !c->read)
			leave_ahead(session->core->feed, c);
	}
	if (c->cold && c->flows)
		read_ahead(session->core->feed, c);
	s = c->cold ? c->cold : log_tail(session->log, c->next);
	/* Not past a read under way: its end would come to a cursor that is elsewhere. */
	if (!s && !c->read)
		s = log_cached(session->log, c->next);
	if (!s) {
		if (!c->read)
			c->read = log_read(session->log, c->next, LOG_SEGMENT_BYTES, on_read, c);
		return CURSOR_WAIT;
	}
	*ret_segment = s;
	*ret_at = segment_find(s, c->next);
	return *ret_at < s->len ? CURSOR_DATA : CURSOR_BAD;
}

void cursor_advance(struct cursor *c, uint64_t next, size_t offset)
{
	c->next = next;
	c->offset = offset;
}

void cursor_relax(struct cursor *c)
{
	forget(c->session->core->feed, c);
}

void cursor_wake(struct cursor *c)
{
	if (c->session)
		mark(c->session->core->feed, c);
}

void feed_announce(struct feed *f, struct session *session)
{
	list_each (l, &session->cursors) {
		struct cursor *c = list_entry(l, struct cursor, link);

		if (c->waiting || session->deleted)
			mark(f, c);
	}
	run(f);
}
