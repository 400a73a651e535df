#ifndef NET_HTTP_CONN_H
#define NET_HTTP_CONN_H

/*
 * The server side of one HTTP/1.1 connection: requests one after another
 * (pipelined ones wait their turn), answers, and the switch to WebSocket.
 * Knows nothing of routes. Loop thread only.
 *
 *   on_head -> on_body* -> on_request -> (the owner answers) -> http_conn_next
 *      |                                     |                      |
 *      +--HTTP_SWITCH--> on_raw* <-- http_conn_switch     next request's on_head
 *
 * Silence is bounded: a head must arrive within HTTP_CONN_HEAD_MS, a body may
 * pause for HTTP_CONN_BODY_MS, an idle connection is kept HTTP_CONN_IDLE_MS, an
 * answer nobody reads is given up after HTTP_CONN_STALL_MS.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "protocol/http.h"

struct buf;
struct http_conn;
struct stream;
struct uv_loop_s;

enum {
	HTTP_CONN_HEAD_MS = 10000,
	HTTP_CONN_BODY_MS = 20000,
	HTTP_CONN_IDLE_MS = 60000,
	HTTP_CONN_STALL_MS = 60000,
	HTTP_CONN_LINGER_MS = 1000, /* after our last byte, for the peer to close first */
	/* Bytes of following requests (or raw input) kept while the owner is busy; then reading
	   stops. */
	HTTP_CONN_MAX_AHEAD = 64 * 1024,
};

struct http_conn_ops {
	/* A head is complete; look at it with http_conn_parser. */
	enum http_verdict (*on_head)(void *data, const struct http_head *head);
	/* A piece of body. False: stop; the owner has answered and closes. */
	bool (*on_body)(void *data, const char *p, size_t n);
	/* The request is whole: answer, then call http_conn_next (maybe later). */
	void (*on_request)(void *data);
	/* Not HTTP or over a limit: answer if you like, then close. */
	void (*on_bad)(void *data, const char *reason, bool too_large);
	/* Bytes after HTTP_SWITCH or http_conn_switch. */
	void (*on_raw)(void *data, const char *p, size_t n);
	/* The socket takes bytes (see stream_want_write), only in answers by stream. */
	void (*on_writable)(void *data);
	/* The timer set by http_conn_timer ran out. */
	void (*on_timer)(void *data);
	/* The peer is gone or timed out: call http_conn_close. Called at most once. */
	void (*on_gone)(void *data);
};

/* Own fd. ops is borrowed. NULL when the loop refuses the socket (fd is closed). */
struct http_conn *http_conn_new(
    struct uv_loop_s *loop, int fd, const struct http_conn_ops *ops, void *data);

/* Close now and free later; what was not sent is lost. No callbacks after. NULL is allowed. */
void http_conn_close(struct http_conn *c);

/* Close once everything queued was sent (bounded by HTTP_CONN_STALL_MS). No callbacks after. */
void http_conn_finish(struct http_conn *c);

/* The parser of the current request, for its headers. */
const struct http_parser *http_conn_parser(const struct http_conn *c);

/* Queue bytes to send. */
void http_conn_send(struct http_conn *c, const void *p, size_t n);

/* Queue a whole answer: head with Content-Length, body (none for HEAD). Keep-alive as the request
 * allows. */
void http_conn_reply(struct http_conn *c, struct http_reply *reply, const char *body, size_t n);

/*
 * The answer was sent or queued whole: go on with the next request, once the peer has taken what is
 * queued (within HTTP_CONN_STALL_MS), or finish when the request said so. It then is as after
 * http_conn_finish: no callback tells, so an owner with memory of its own asks http_conn_keep_alive
 * first and finishes itself.
 */
void http_conn_next(struct http_conn *c);

/*
 * The answer comes in pieces; timers are the owner's. finite: it has an end, which a peer that
 * closed its side after asking still reads. Else (SSE, WebSocket) such a peer, also one that closed
 * before, is gone (on_gone, never before this returns).
 */
void http_conn_streaming(struct http_conn *c, bool finite);

/*
 * The request was answered with a switch to another protocol (101): from now on all bytes are
 * on_raw's, and the timer is the owner's. Those that came already are given to it before this
 * returns, and it may close the connection.
 */
void http_conn_switch(struct http_conn *c);

/* May the connection serve another request after this one? */
bool http_conn_keep_alive(const struct http_conn *c);

/* Pause or resume on_raw (its bytes wait in the socket). */
void http_conn_read(struct http_conn *c, bool on);

/* (Re)start the owner's timer, once in ms; 0 stops it. */
void http_conn_timer(struct http_conn *c, uint64_t ms);

/* The socket, for writes from the owner's memory. */
struct stream *http_conn_stream(struct http_conn *c);

#endif
