/* A thread that writes. */
#include "cli/outbox.h"

#include <assert.h>
#include <errno.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/mem.h"

struct outbox {
	int fd;
	outbox_cb *on_idle;
	void *data;
	uv_async_t wake; /* from the thread; carries the free */
	uv_thread_t thread;
	bool told; /* on_idle heard of the failure; loop thread only */

	uv_mutex_t lock;    /* guards what follows */
	uv_cond_t changed;  /* any of it */
	struct buf waiting; /* put, not taken yet */
	bool writing;	    /* the thread has taken bytes and not written them all */
	bool stopping;	    /* the loop wants the end */
	int error;
};

static void run_outbox(void *arg)
{
	struct outbox *o = arg;
	struct buf batch = {0};

	uv_mutex_lock(&o->lock);
	for (;;) {
		struct buf empty = batch;
		int rc;

		while (!o->waiting.len && !o->stopping)
			uv_cond_wait(&o->changed, &o->lock);
		if (o->stopping)
			break;
		batch = o->waiting;
		buf_clear(&empty);
		o->waiting = empty;
		o->writing = true;
		uv_mutex_unlock(&o->lock);
		rc = file_write_all(o->fd, batch.p, batch.len);
		uv_mutex_lock(&o->lock);
		o->writing = false;
		if (rc != 0) {
			o->error = rc;
			buf_clear(&o->waiting);
		}
		if (!o->waiting.len && !o->stopping)
			uv_async_send(&o->wake);
		uv_cond_broadcast(&o->changed);
	}
	uv_mutex_unlock(&o->lock);
	buf_finish(&batch);
}

static void on_outbox_wake(uv_async_t *handle)
{
	struct outbox *o = handle->data;
	int error = outbox_error(o);

	if (!o->on_idle || o->told)
		return;
	o->told = error != 0;
	o->on_idle(o->data, error);
}

struct outbox *outbox_new(uv_loop_t *loop, int fd, outbox_cb *on_idle, void *data)
{
	struct outbox *o = mem_zalloc(1, sizeof *o);

	o->fd = fd;
	o->on_idle = on_idle;
	o->data = data;
	uv_async_init(loop, &o->wake, on_outbox_wake);
	o->wake.data = o;
	/* It tells of ends; by itself it keeps no loop alive. */
	uv_unref((uv_handle_t *)&o->wake);
	uv_mutex_init(&o->lock);
	uv_cond_init(&o->changed);
	if (uv_thread_create(&o->thread, run_outbox, o) != 0)
		abort();
	return o;
}

void outbox_put(struct outbox *o, const char *p, size_t n)
{
	uv_mutex_lock(&o->lock);
	assert(!o->stopping);
	while (o->waiting.len > OUTBOX_MAX_WAITING && !o->error)
		uv_cond_wait(&o->changed, &o->lock);
	if (!o->error)
		buf_add(&o->waiting, p, n);
	uv_cond_broadcast(&o->changed);
	uv_mutex_unlock(&o->lock);
}

bool outbox_is_idle(struct outbox *o)
{
	bool idle;

	uv_mutex_lock(&o->lock);
	idle = o->error || (!o->waiting.len && !o->writing);
	uv_mutex_unlock(&o->lock);
	return idle;
}

int outbox_error(struct outbox *o)
{
	int error;

	uv_mutex_lock(&o->lock);
	error = o->error;
	uv_mutex_unlock(&o->lock);
	return error;
}

bool outbox_flush(struct outbox *o, int ms)
{
	uint64_t end = uv_hrtime() + (uint64_t)(ms < 0 ? 0 : ms) * 1000000;
	bool good;

	uv_mutex_lock(&o->lock);
	while (!o->error && (o->waiting.len || o->writing)) {
		uint64_t now = uv_hrtime();

		if (ms < 0)
			uv_cond_wait(&o->changed, &o->lock);
		else if (now >= end || uv_cond_timedwait(&o->changed, &o->lock, end - now) != 0)
			break;
	}
	good = !o->error && !o->waiting.len && !o->writing;
	uv_mutex_unlock(&o->lock);
	return good;
}

static void on_outbox_closed(uv_handle_t *handle)
{
	struct outbox *o = handle->data;

	uv_cond_destroy(&o->changed);
	uv_mutex_destroy(&o->lock);
	buf_finish(&o->waiting);
	free(o);
}

void outbox_stop(struct outbox *o)
{
	bool hangs;

	if (!o)
		return;
	uv_mutex_lock(&o->lock);
	o->stopping = true;
	uv_cond_broadcast(&o->changed);
	hangs = o->writing;
	uv_mutex_unlock(&o->lock);
	if (hangs) {
		/* Its memory stays with it, and so does the handle. */
		uv_close((uv_handle_t *)&o->wake, NULL);
		return;
	}
	uv_thread_join(&o->thread);
	uv_close((uv_handle_t *)&o->wake, on_outbox_closed);
}
