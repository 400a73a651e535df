#ifndef CLI_CLIENT_CALL_H
#define CLI_CLIENT_CALL_H

/*
 * Asking the daemon, and finding it again, on the caller's loop: nothing waits, so
 * keys are read and text is painted meanwhile. client.h has the same for commands that have nothing
 * else to do. Loop thread only.
 */

#include <stdbool.h>
#include <stddef.h>

struct buf;
struct client;
struct client_call;
struct client_opening;
struct err;
struct uv_loop_s;

/* status: the HTTP status with the answer's body in out, or a negative code with its sentence in
 * err. The call is freed after. */
typedef void client_call_cb(void *data, int status, struct buf *out, const struct err *err);

struct client_call_opts {
	const struct client *client; /* read before this returns */
	const char *method, *target;
	const char *body; /* JSON, or NULL; copied, like the other two */
	int ms;		  /* for all of it */
	client_call_cb *on_done;
	void *data;
};

/* Ask. on_done is called once, never before this returns. */
struct client_call *client_call_start(struct uv_loop_s *loop, const struct client_call_opts *opts);

/* The answer is of no interest any more: on_done is not called. NULL is allowed. */
void client_call_cancel(struct client_call *call);

/* rc: 0 with where the daemon is, or a code with its sentence. The opening is freed after. */
typedef void client_opening_cb(
    void *data, int rc, const struct client *found, const struct err *err);

/*
 * client_open, which may start a daemon and wait for it, on a thread of libuv's pool. only_died:
 * one that somebody stopped is not started again; then rc is ERR_REFUSED and found->told_to_stop.
 */
struct client_opening *client_open_start(
    struct uv_loop_s *loop, bool only_died, client_opening_cb *on_done, void *data);

/* on_done is not called any more; what was begun comes to its end by itself. NULL is allowed. */
void client_open_cancel(struct client_opening *o);

#endif
