#ifndef DEMO_SERVER_H
#define DEMO_SERVER_H

/*
 * The demo server as a whole: its loop, listener and signals, and what its
 * connections share. Everything runs on the thread that called
 * demo_server_run, and ends with it.
 */

#include <jansson.h>
#include <stdint.h>

#include "base/list.h"

struct demo_failures;
struct demo_format;
struct demo_journal;
struct demo_options;
struct demo_request;
struct err;
struct uv_loop_s;

struct demo_server {
	const struct demo_options *options; /* borrowed */
	struct uv_loop_s *loop;
	struct demo_journal *journal;
	struct demo_failures *failures;
	struct list conns; /* struct demo_conn, each owned by itself */
	uint64_t requests; /* so far, for ids */
};

/*
 * Listen, say so on stdout, serve until SIGTERM or SIGINT. Returns 0, or a
 * negative code with a sentence when listening or the log failed.
 */
int demo_server_run(const struct demo_options *o, struct err *reterr);

/*
 * Take in a chat request of that form: read body (borrowed) into *ret, write it to the
 * journal, and forgive its failures when demo:times says so. Returns 0, or what
 * demo_request_parse returned; *ret is untouched then.
 */
int demo_server_take(struct demo_server *s, const struct demo_format *format, const json_t *body,
    struct demo_request *ret, struct err *reterr);

#endif
