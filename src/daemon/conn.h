#ifndef DAEMON_CONN_H
#define DAEMON_CONN_H

/*
 * One client connection: the gates at the head of each request, then a route's
 * handler, then its answer. A handler gets a struct call, which it answers once,
 * now or later; a client that leaves meanwhile only makes the answer go nowhere.
 * Loop thread only.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/list.h"
#include "daemon/route.h"
#include "protocol/errors.h"

struct call;
struct conn;
struct problems;
struct push;
struct server;

/* One request under way. */
struct call {
	struct conn *conn; /* NULL: the client left */
	struct server *server;
	const struct route *route;
	char id[ROUTE_ID_SIZE],
	    rid[ROUTE_ID_SIZE]; /* the path's :id and :rid, decoded; "" when it has none */
	struct buf body_text;	/* owned */
	json_t *body; /* owned: the parsed body, {} when empty; NULL for routes without one */
	struct list link;
	bool upgrade; /* a WebSocket handshake, which was looked at */
	size_t target_len;
	char target[]; /* path?query as sent */
};

/* Answer with a JSON text and free the call. */
void call_reply(struct call *call, int status, const char *json, size_t n);

/* The same with another type. */
void call_reply_as(struct call *call, int status, const char *type, const char *text, size_t n);

/* Answer with an error body and free the call. details: inside of the array, or NULL. */
void call_fail(struct call *call, enum api_error error, const char *sentence, const char *details);

/* INVALID_REQUEST from what was found; finishes p. */
void call_fail_problems(struct call *call, struct problems *p);

/* The value of a query parameter into out (cleared first); false when absent or badly encoded. */
bool call_query(struct call *call, const char *name, struct buf *out);

/* A whole number from the query: fallback when absent. False (and the call is answered) when it is
 * no number up to max. */
bool call_query_u64(
    struct call *call, const char *name, uint64_t fallback, uint64_t max, uint64_t *ret);

/*
 * The call becomes a stream: the connection is the push's from now on. Frees the
 * call. NULL when the client left.
 */
struct conn *call_stream(struct call *call);

/* The same for a WebSocket, whose 101 was sent. When the push is ready: http_conn_switch. */
struct conn *call_switch(struct call *call);

/* The value of header `name` of the request under way. */
struct str conn_header(const struct conn *c, const char *name);

struct server *conn_server(const struct conn *c);
struct http_conn *conn_http(const struct conn *c);
const char *conn_origin(const struct conn *c);

/* HTTP/1.1 or later: chunked answers are understood. */
bool conn_chunks(const struct conn *c);

/* What a streaming connection's events go to; set by the push that took it. */
struct conn_stream_ops {
	void (*on_raw)(void *data, const char *p, size_t n); /* after a switch; may be NULL */
	void (*on_writable)(void *data);
	void (*on_timer)(void *data);
	void (*on_gone)(void *data); /* the peer left: free yourself; the connection closes */
	void (*on_stop)(
	    void *data); /* the daemon stops: say goodbye and conn_close or conn_finish */
};
void conn_set_stream(struct conn *c, const struct conn_stream_ops *ops, void *data);

/* The stream's answer is complete: the connection serves the next request. */
void conn_stream_done(struct conn *c);

/* Close now / when all is sent. The connection is gone for the caller. */
void conn_close(struct conn *c);
void conn_finish(struct conn *c);

/* A new connection on fd. */
void conn_new(struct server *s, int fd);

/* The daemon stops. */
void conn_stop(struct conn *c);

/* The link in the server's list. */
struct conn *conn_of_link(struct list *l);

#endif
