#ifndef CLI_OUTBOX_H
#define CLI_OUTBOX_H

/*
 * Bytes on their way to a descriptor that may be slow (a terminal over ssh, a
 * pipe nobody reads just now), written by a thread of their own, in order and all of them. So the
 * loop goes on reading keys and events meanwhile, and the descriptor's flags, which other programs
 * share, stay as they are. All functions: loop thread only.
 */

#include <stdbool.h>
#include <stddef.h>

struct outbox;
struct uv_loop_s;

/* Past this many bytes that wait outbox_put waits for the reader: a session of the largest size
 * fits below it. */
enum { OUTBOX_MAX_WAITING = 64 * 1024 * 1024 };

/* What was put is written (error 0), or nothing can be any more (a negative errno, once). */
typedef void outbox_cb(void *data, int error);

/* Start the thread for fd (borrowed). Aborts when the system gives none. on_idle may be NULL. */
struct outbox *outbox_new(struct uv_loop_s *loop, int fd, outbox_cb *on_idle, void *data);

/* Queue n bytes (copied). After a failure they are dropped. */
void outbox_put(struct outbox *o, const char *p, size_t n);

/* Is all written that was put? Also after a failure. */
bool outbox_is_idle(struct outbox *o);

/* Why nothing can be written any more (a negative errno); 0 while something can. */
int outbox_error(struct outbox *o);

/* Wait until it is, at most ms (negative: as long as it takes). True when all was written. */
bool outbox_flush(struct outbox *o, int ms);

/*
 * End. What is not written is given up: flush first. A thread that hangs in a write is left
 * behind, for the process is about to end. The memory goes when the loop runs on. NULL is allowed.
 */
void outbox_stop(struct outbox *o);

#endif
