/* Ending turns on request: a client's cancel, the daemon's stop. */
#include "session/session.h"

#include "base/buf.h"
#include "base/json.h"
#include "base/mem.h"
#include "protocol/events.h"
#include "protocol/requests.h"
#include "session/core.h"
#include "session/stop.h"
#include "session/turn.h"

struct cancel {
	struct session *session; /* owned reference */
	struct cancel_result result;
	session_cancel_cb *done; /* NULL once answered */
	void *data;
};

static void on_cancelled(void *data, int rc)
{
	struct cancel *c = data;

	if (rc != 0)
		c->result.error = session_store_error(rc);
	if (c->done)
		c->done(c->data, &c->result);
	c->done = NULL;
	if (rc != 0)
		return; /* tried again; success will call once more */
	session_unref(c->session);
	free(c);
}

static bool matches(const struct turn *t, const struct request_cancel *r)
{
	const struct turn_names *n = turn_names(t);

	return (!r->turn_id || strcmp(r->turn_id, n->turn_id) == 0) &&
	       (!r->writer_id || strcmp(r->writer_id, n->writer_id) == 0);
}

static void put_cancelled(
    struct buf *out, const struct request_cancel *r, struct turn **turns, size_t n)
{
	buf_addf(out, "{\"cancelled\":%zu", n);
	if (n == 1) {
		buf_adds(out, ",\"turnId\":");
		json_put_cstr(out, turn_names(turns[0])->turn_id);
	}
	buf_adds(out, ",\"turnIds\":[");
	for (size_t i = 0; i < n; i++) {
		buf_adds(out, i ? "," : "");
		json_put_cstr(out, turn_names(turns[i])->turn_id);
	}
	buf_addc(out, ']');
	if (r->writer_id) {
		buf_adds(out, ",\"writerId\":");
		json_put_cstr(out, r->writer_id);
	}
	buf_addc(out, '}');
}

void session_cancel(
    struct session *s, const struct request_cancel *r, session_cancel_cb *done, void *data)
{
	struct turn **turns = mem_zalloc(s->queued + 1, sizeof(struct turn *));
	struct cancel_result none = {.error = API_OK};
	struct buf payload = {0};
	struct cancel *c;
	size_t n = 0;

	c = mem_zalloc(1, sizeof *c);
	c->session = session_ref(s);
	c->done = done;
	c->data = data;
	if (s->active && matches(s->active, r) && turn_end_early(s->active, NULL, NULL)) {
		turns[n++] = s->active;
		c->result.active = true;
	}
	list_each_safe (l, &s->queue) {
		struct turn *t = turn_of_link(l);

		if (!matches(t, r))
			continue;
		session_dequeue(s, t);
		turn_end_early(t, NULL, NULL);
		turns[n++] = t;
		c->result.queued++;
	}
	if (n) {
		put_cancelled(&payload, r, turns, n);
		stop_start(s, EVENT_SESSION_CANCELLED, &payload, turns, n, on_cancelled, c);
	} else {
		done(data, &none);
		session_unref(s);
		free(c);
	}
	free(turns);
}

void session_interrupt(struct session *s, bool running)
{
	list_each_safe (l, &s->queue) {
		struct turn *t = turn_of_link(l);

		/* One that is still being recorded is ended once it is: its client was not answered
		 * yet. */
		session_dequeue(s, t);
		turn_end_early(
		    t, TURN_ERROR_INTERRUPTED, "the daemon stopped before this turn began");
	}
	if (running && s->active)
		turn_end_early(s->active, TURN_ERROR_INTERRUPTED,
		    "the daemon stopped before this turn was done");
	session_pump(s);
}
