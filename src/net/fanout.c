/* Writes to many sockets by two threads: whoever is free takes the next one. */
#include "net/fanout.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <uv.h>

#include "base/mem.h"
#include "net/stream.h"

struct fanout {
	enum { THREAD_UNTRIED, THREAD_NONE, THREAD_RUNS } state;
	pthread_t thread;
	pthread_mutex_t lock; /* guards asked, helping and stop */
	pthread_cond_t wake;  /* asked or stop became true */
	pthread_cond_t rest;  /* helping became false */
	bool asked;	      /* there are writes, and the thread has not come yet */
	bool helping;	      /* it takes some of them */
	bool stop;
	/* Of the call under way. The thread reads them while it helps, and only then. */
	struct fanout_write *writes;
	size_t count;
	atomic_size_t next; /* the first write nobody took */
};

static void take(struct fanout *f)
{
	size_t i;

	while ((i = atomic_fetch_add_explicit(&f->next, 1, memory_order_relaxed)) < f->count) {
		struct fanout_write *w = &f->writes[i];

		w->taken = stream_send_fd(w->fd, w->p, w->n);
	}
}

static void *fanout_thread(void *data)
{
	struct fanout *f = data;

	pthread_mutex_lock(&f->lock);
	for (;;) {
		while (!f->asked && !f->stop)
			pthread_cond_wait(&f->wake, &f->lock);
		if (f->stop)
			break;
		f->asked = false;
		f->helping = true;
		pthread_mutex_unlock(&f->lock);
		take(f);
		pthread_mutex_lock(&f->lock);
		f->helping = false;
		pthread_cond_signal(&f->rest);
	}
	pthread_mutex_unlock(&f->lock);
	return NULL;
}

/* Is there a thread to ask? */
static bool have_thread(struct fanout *f)
{
	if (f->state == THREAD_UNTRIED)
		f->state = uv_available_parallelism() > 1 &&
				   pthread_create(&f->thread, NULL, fanout_thread, f) == 0
			       ? THREAD_RUNS
			       : THREAD_NONE;
	return f->state == THREAD_RUNS;
}

struct fanout *fanout_new(void)
{
	struct fanout *f = mem_zalloc(1, sizeof *f);

	pthread_mutex_init(&f->lock, NULL);
	pthread_cond_init(&f->wake, NULL);
	pthread_cond_init(&f->rest, NULL);
	return f;
}

void fanout_free(struct fanout *f)
{
	if (!f)
		return;
	if (f->state == THREAD_RUNS) {
		pthread_mutex_lock(&f->lock);
		f->stop = true;
		pthread_mutex_unlock(&f->lock);
		pthread_cond_signal(&f->wake);
		pthread_join(f->thread, NULL);
	}
	pthread_mutex_destroy(&f->lock);
	pthread_cond_destroy(&f->wake);
	pthread_cond_destroy(&f->rest);
	free(f);
}

bool fanout_run(struct fanout *f, struct fanout_write *writes, size_t count)
{
	bool together = count >= FANOUT_TOGETHER && have_thread(f);

	f->writes = writes;
	f->count = count;
	atomic_store_explicit(&f->next, 0, memory_order_relaxed);
	if (together) {
		pthread_mutex_lock(&f->lock);
		f->asked = true;
		pthread_mutex_unlock(&f->lock);
		pthread_cond_signal(&f->wake);
	}
	take(f);
	if (!together)
		return false;
	pthread_mutex_lock(&f->lock);
	/* One that has not come by now is not to come late, into the writes of the next call. */
	f->asked = false;
	while (f->helping)
		pthread_cond_wait(&f->rest, &f->lock);
	pthread_mutex_unlock(&f->lock);
	return true;
}
