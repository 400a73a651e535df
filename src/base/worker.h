#ifndef BASE_WORKER_H
#define BASE_WORKER_H

/*
 * One thread for what may block (disk reads, small files). The loop thread
 * hands over a struct work and gets it back by callback. Work runs in the order
 * it was submitted. All functions: loop thread only.
 */

#include <stdbool.h>

#include "base/list.h"

struct uv_loop_s;
struct worker;

struct work {
	struct list link;		 /* the worker's while submitted */
	void (*run)(struct work *work);	 /* on the worker's thread */
	void (*done)(struct work *work); /* on the loop thread, after run; owns work again. May be
					    NULL: nobody waits */
};

/* Start the thread. Aborts when the system cannot give one. */
struct worker *worker_new(struct uv_loop_s *loop);

/* Queue work; it is the worker's until done is called. */
void worker_submit(struct worker *w, struct work *work);

/*
 * Finish all queued work, join the thread, call the pending done callbacks,
 * close. w is freed by the loop later; run it once more before closing it.
 */
void worker_stop(struct worker *w);

#endif
