/* Writing stop events. */
#include "session/stop.h"

#include <uv.h>

#include "base/buf.h"
#include "base/mem.h"
#include "session/core.h"
#include "session/session.h"
#include "session/turn.h"
#include "store/log.h"

struct stop {
	struct session *session; /* owned reference */
	enum event_kind kind;
	struct buf payload;
	struct turn **turns; /* owned */
	size_t count;
	uv_timer_t timer; /* before the next try; carries the free */
	stop_cb *done;	  /* NULL once told of success or none */
	void *data;
};

static void write_stop(struct stop *stop);

static void on_closed(uv_handle_t *handle)
{
	struct stop *stop = handle->data;

	buf_finish(&stop->payload);
	free(stop->turns);
	free(stop);
}

static void finish(struct stop *stop)
{
	struct session *s = stop->session;

	for (size_t i = 0; i < stop->count; i++) {
		if (s->active == stop->turns[i]) {
			s->active = NULL;
			s->core->active_turns--;
		}
		turn_free(stop->turns[i]);
	}
	s->stops--;
	log_pack(s->log);
	if (stop->done)
		stop->done(stop->data, 0);
	uv_close((uv_handle_t *)&stop->timer, on_closed);
	session_pump(s);
	session_unref(s);
}

static void on_retry(uv_timer_t *timer)
{
	write_stop(timer->data);
}

static void on_written(void *data, int rc)
{
	struct stop *stop = data;

	if (rc == 0) {
		finish(stop);
		return;
	}
	for (size_t i = 0; i < stop->count; i++)
		turn_forget(stop->turns[i]);
	if (stop->done)
		stop->done(stop->data, rc);
	uv_timer_start(&stop->timer, on_retry, STOP_RETRY_MS, 0);
}

static void write_stop(struct stop *stop)
{
	struct session *s = stop->session;

	for (size_t i = 0; i < stop->count; i++)
		turn_put_rest(stop->turns[i]);
	session_append(s, stop->kind, &stop->payload);
	for (size_t i = 0; i < stop->count; i++)
		turn_save_messages(stop->turns[i]);
	for (size_t i = 0; i < stop->count; i++)
		store_turn_end(s->core->opts.store, s->row.num, turn_names(stop->turns[i])->turn_id,
		    NULL, NULL);
	session_save(s, true, on_written, stop);
}

void stop_start(struct session *s, enum event_kind kind, struct buf *payload, struct turn **turns,
    size_t count, stop_cb *done, void *data)
{
	struct stop *stop = mem_zalloc(1, sizeof *stop);

	stop->session = session_ref(s);
	stop->kind = kind;
	stop->payload = *payload;
	*payload = (struct buf){0};
	stop->turns = mem_zalloc(count, sizeof(struct turn *));
	memcpy(stop->turns, turns, count * sizeof(struct turn *));
	stop->count = count;
	stop->done = done;
	stop->data = data;
	s->stops++;
	uv_timer_init(s->core->opts.loop, &stop->timer);
	stop->timer.data = stop;
	write_stop(stop);
}
