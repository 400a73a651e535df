#ifndef NET_FANOUT_H
#define NET_FANOUT_H

/*
 * The same moment's small writes to many sockets. A write through the loopback
 * costs microseconds, most of them the kernel's work for the receiver, so a
 * hundred one after the other are the better part of a millisecond: a second
 * thread takes its share of them. It sees descriptors and bytes, never whose
 * they are, and touches nothing once fanout_run has returned.
 *
 * Loop thread only.
 */

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct fanout;

enum {
	/* Fewer writes are done sooner than a thread wakes up. */
	FANOUT_TOGETHER = 16,
};

struct fanout_write {
	int fd;	       /* non-blocking */
	const void *p; /* borrowed until fanout_run returns */
	size_t n;
	ssize_t taken; /* the result: as stream_send_fd returns it */
};

/* The caller's until fanout_free; without a thread so far. */
struct fanout *fanout_new(void);

/* Ends the thread. NULL is allowed. */
void fanout_free(struct fanout *f);

/*
 * Do all the writes, no two to the same descriptor, in any order. The thread is
 * started by the first call that wants it; where there is one processor, or no
 * thread to be had, and for a few writes, the caller does them alone. True: it had
 * help. Waits for no socket; at the end for the one write the thread may be in,
 * even if something else has that thread's processor.
 */
bool fanout_run(struct fanout *f, struct fanout_write *writes, size_t count);

#endif
