#ifndef CLI_FOLLOW_H
#define CLI_FOLLOW_H

/*
 * A cursor on a session's log, from the command line: one WebSocket that is
 * made again when it drops, at the place where it was, so that no event is lost
 * or seen twice. Commands go over the same socket. Embedded by value; loop thread only.
 */

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "base/str.h"
#include "protocol/envelope.h"

struct client;
struct ws_call;

struct follow {
	uv_loop_t *loop; /* borrowed; set before follow_start, as are the fields down to data */
	struct client *client; /* borrowed; updated when the daemon is found anew */
	const char *session;   /* its id; borrowed */
	uint64_t seq;	       /* of the last event seen */
	/* The next event: json is the whole envelope; valid until return. May call follow_stop. */
	void (*on_event)(void *data, struct str json, const struct envelope_view *e);
	/* A frame that is no event: an ack, an error, synced. NULL: of no interest. */
	void (*on_frame)(void *data, const json_t *frame);
	/* The connection is up (again). NULL: of no interest. */
	void (*on_up)(void *data);
	/* It dropped and is being made again: said once for each time. */
	void (*on_down)(void *data);
	/* It cannot be made again: why says so. The follow has stopped. */
	void (*on_lost)(void *data, const char *why);
	void *data;

	/* Its own: */
	char daemon_id[64];
	struct ws_call *ws;
	uv_timer_t timer;
	unsigned tries;
	bool stopped, up;
};

/* Begin. */
void follow_start(struct follow *f);

/* End; no callback fires any more. The loop must run on to close the timer. May be called twice. */
void follow_stop(struct follow *f);

/* Send a command. False when there is no connection now. */
bool follow_send(struct follow *f, const char *json, size_t n);

#endif
