/* One thread for what may block. */
#include "base/worker.h"

#include <assert.h>
#include <pthread.h>
#include <uv.h>

#include "base/mem.h"

struct worker {
	pthread_t thread;
	pthread_mutex_t lock; /* guards todo, finished, stop */
	pthread_cond_t wake;
	struct list todo, finished;
	bool stop;
	uv_async_t async; /* wakes the loop when finished is not empty */
};

static void *worker_thread(void *data)
{
	struct worker *w = data;

	pthread_mutex_lock(&w->lock);
	for (;;) {
		void (*done)(struct work *);
		struct work *work;

		while (list_empty(&w->todo) && !w->stop)
			pthread_cond_wait(&w->wake, &w->lock);
		if (list_empty(&w->todo))
			break;
		work = list_entry(w->todo.next, struct work, link);
		list_remove(&work->link);
		pthread_mutex_unlock(&w->lock);
		done = work->done;
		/* Without done, run frees the work. */
		work->run(work);
		pthread_mutex_lock(&w->lock);
		if (done) {
			list_append(&w->finished, &work->link);
			/* Who is woken wants the lock. */
			pthread_mutex_unlock(&w->lock);
			uv_async_send(&w->async);
			pthread_mutex_lock(&w->lock);
		}
	}
	pthread_mutex_unlock(&w->lock);
	return NULL;
}

static void deliver(struct worker *w)
{
	struct list batch;

	list_init(&batch);
	pthread_mutex_lock(&w->lock);
	list_splice(&batch, &w->finished);
	pthread_mutex_unlock(&w->lock);
	while (!list_empty(&batch)) {
		struct work *work = list_entry(batch.next, struct work, link);

		list_remove(&work->link);
		work->done(work);
	}
}

static void on_async(uv_async_t *async)
{
	deliver(async->data);
}

struct worker *worker_new(uv_loop_t *loop)
{
	struct worker *w = mem_zalloc(1, sizeof *w);
	int rc;

	list_init(&w->todo);
	list_init(&w->finished);
	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->wake, NULL);
	rc = uv_async_init(loop, &w->async, on_async);
	assert(rc == 0);
	w->async.data = w;
	uv_unref((uv_handle_t *)&w->async);
	rc = pthread_create(&w->thread, NULL, worker_thread, w);
	assert(rc == 0);
	return w;
}

void worker_submit(struct worker *w, struct work *work)
{
	pthread_mutex_lock(&w->lock);
	assert(!w->stop);
	list_append(&w->todo, &work->link);
	pthread_mutex_unlock(&w->lock);
	pthread_cond_signal(&w->wake);
}

static void on_closed(uv_handle_t *handle)
{
	struct worker *w = handle->data;

	pthread_mutex_destroy(&w->lock);
	pthread_cond_destroy(&w->wake);
	free(w);
}

void worker_stop(struct worker *w)
{
	pthread_mutex_lock(&w->lock);
	w->stop = true;
	pthread_cond_signal(&w->wake);
	pthread_mutex_unlock(&w->lock);
	pthread_join(w->thread, NULL);
	deliver(w);
	uv_close((uv_handle_t *)&w->async, on_closed);
}
