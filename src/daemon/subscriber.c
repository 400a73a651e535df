/* A client of events: its places and whose turn it is. */
#include "daemon/subscriber.h"

#include <assert.h>

#include "base/mem.h"
#include "daemon/conn.h"
#include "daemon/server.h"
#include "net/http_conn.h"
#include "net/stream.h"
#include "session/core.h"

static struct stream *socket_of(const struct subscriber *s)
{
	return http_conn_stream(conn_http(s->conn));
}

void subscriber_init(struct subscriber *s)
{
	list_init(&s->places);
	conn_server(s->conn)->subscribers++;
	stream_bound_kernel(socket_of(s), PUSH_KERNEL_BYTES);
}

static void drop(struct place *place)
{
	if (place->subscriber->cut == place)
		place->subscriber->cut = NULL;
	if (place->subscriber->writing == place)
		place->subscriber->writing = NULL;
	cursor_detach(&place->cursor);
	list_remove(&place->link);
	free(place);
}

void subscriber_finish(struct subscriber *s)
{
	while (!list_empty(&s->places))
		drop(list_entry(s->places.next, struct place, link));
	if (s->all)
		list_remove(&s->follower.link);
	s->all = false;
	if (s->finished)
		*s->finished = true;
	conn_server(s->conn)->subscribers--;
}

void subscriber_drop(struct place *place)
{
	assert(place->subscriber->cut != place);
	drop(place);
}

static void wake_all(struct subscriber *s)
{
	list_each (l, &s->places) {
		cursor_wake(&list_entry(l, struct place, link)->cursor);
	}
}

void subscriber_wake(struct subscriber *s)
{
	if (s->cut)
		cursor_wake(&s->cut->cursor);
	else
		wake_all(s);
}

static void reach_end(struct place *place)
{
	struct subscriber *s = place->subscriber;

	if (!place->told_end && s->ops->on_end)
		s->ops->on_end(s->data, place);
	place->told_end = true;
	if (s->ops->between)
		s->ops->between(s->data);
	/* A follower's place is made anew when the session says more. */
	if (s->all)
		drop(place);
}

/* False: not yet, on_ready comes again. */
static bool checked(struct place *place)
{
	struct subscriber *s = place->subscriber;
	struct segment *segment;
	size_t at;

	if (!place->checking)
		return true;
	switch (cursor_next(&place->cursor, &segment, &at)) {
	case CURSOR_DATA:
		place->checking = false;
		s->ops->check(s->data, place, segment, at);
		return true;
	case CURSOR_END:
	case CURSOR_WAIT:
		return false;
	case CURSOR_GONE:
	case CURSOR_BAD:
		break;
	}
	return true;
}

/* What became of sending from the place, which was cut before or not. */
static void settle(struct place *place, enum push_result result, bool was_cut)
{
	struct subscriber *s = place->subscriber;

	switch (result) {
	case PUSH_END:
		s->cut = NULL;
		reach_end(place);
		break;
	case PUSH_BLOCKED:
	case PUSH_WAIT:
	case PUSH_MORE:
		s->cut = place->cursor.offset ? place : NULL;
		break;
	case PUSH_GONE:
		/* After half an event nothing can follow that is not its other half. */
		if (!s->all || was_cut) {
			s->ops->on_lost(s->data, result);
			return;
		}
		drop(place);
		break;
	case PUSH_BAD:
	case PUSH_LOST:
		s->ops->on_lost(s->data, result);
		return;
	}
	/* The half sent event is whole now: those who waited behind it go on. */
	if (was_cut && !s->cut)
		wake_all(s);
}

static void on_ready(struct cursor *cursor)
{
	struct place *place = list_entry(cursor, struct place, cursor);
	struct subscriber *s = place->subscriber;
	bool was_cut = s->cut == place;

	assert(!s->writing);
	/* An event of another session is half sent: this one comes after it. */
	if (s->cut && !was_cut)
		return;
	if (!checked(place))
		return;
	if (!cursor->offset && s->ops->between)
		s->ops->between(s->data);
	settle(place, push_send(cursor, socket_of(s), s->encoding, 0), was_cut);
}

/* An event that is neither half sent nor to be looked at, in the form it is stored in. */
static bool offer(struct cursor *cursor, struct fanout_write *ret)
{
	struct place *place = list_entry(cursor, struct place, cursor);
	struct subscriber *s = place->subscriber;

	if (s->cut || s->writing || s->encoding || place->checking)
		return false;
	if (s->ops->between)
		s->ops->between(s->data);
	if (!push_offer(cursor, socket_of(s), ret))
		return false;
	s->writing = place;
	return true;
}

static void on_taken(struct cursor *cursor, const struct fanout_write *write)
{
	struct place *place = list_entry(cursor, struct place, cursor);
	struct subscriber *s = place->subscriber;

	s->writing = NULL;
	settle(place, push_taken(cursor, socket_of(s), write), false);
}

struct place *subscriber_add(struct subscriber *s, struct session *session, uint64_t next)
{
	struct place *place = mem_zalloc(1, sizeof *place);

	place->subscriber = s;
	place->cursor.on_ready = on_ready;
	place->cursor.offer = offer;
	place->cursor.on_taken = on_taken;
	list_append(&s->places, &place->link);
	cursor_attach(&place->cursor, session, next);
	return place;
}

static void on_activity(struct follower *f, struct session *session, uint64_t from)
{
	struct subscriber *s = list_entry(f, struct subscriber, follower);

	list_each (l, &s->places) {
		if (list_entry(l, struct place, link)->cursor.session == session)
			return;
	}
	subscriber_add(s, session, from)->told_end = true;
}

void subscriber_follow_all(struct subscriber *s, struct core *core)
{
	s->all = true;
	s->follower.on_activity = on_activity;
	list_append(&core->followers, &s->follower.link);
}

bool subscriber_is_blocked(const struct subscriber *s)
{
	return s->cut || stream_queued(socket_of(s));
}

bool subscriber_flush(struct subscriber *s)
{
	struct list *l = s->places.next, *next;
	bool finished = false;

	s->finished = &finished;
	while (l != &s->places) {
		next = l->next;
		on_ready(&list_entry(l, struct place, link)->cursor);
		/* The client ended within, and all places with it. */
		if (finished)
			return false;
		l = next;
	}
	s->finished = NULL;
	return true;
}
