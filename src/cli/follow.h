#ifndef CLI_FOLLOW_H
#define CLI_FOLLOW_H

/*
 * A cursor on a session's log, from the command line: one WebSocket that is
 * made again when it drops, at the place where it was, so that no event is lost
 * or seen twice. Commands go over the same socket. Loop thread only.
 */

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "base/str.h"
#include "protocol/envelope.h"

struct client;

struct follow;

struct follow_opts {
	uv_loop_t *loop;       /* borrowed */
	struct client *client; /* borrowed; updated when the daemon is found anew */
	const char *session;   /* its id; copied */
	uint64_t seq;	       /* of the last event seen */
	/* The next event: json is the whole envelope; valid until return. May call follow_stop. */
	void (*on_event)(void *data, struct str json, const struct envelope_view *e);
	/* A frame that is no event: an ack, an error, synced. NULL: of no interest. */
	void (*on_frame)(void *data, const json_t *frame);
	/* The connection is up (again). NULL: of no interest. */
	void (*on_up)(void *data);
	/* It dropped and is being made again: said once for each time. */
	void (*on_down)(void *data);
	/* It cannot be made again: why says so. Call follow_stop. */
	void (*on_lost)(void *data, const char *why);
	void *data;
};

/* Begin. No callback fires before this returns. */
struct follow *follow_start(const struct follow_opts *opts);

/* End; no callback fires any more. The memory goes when the loop runs on. NULL is allowed. */
void follow_stop(struct follow *f);

/* Send a command. False when there is no connection now (or f is NULL). */
bool follow_send(struct follow *f, const char *json, size_t n);

#endif
