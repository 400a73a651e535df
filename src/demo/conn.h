#ifndef DEMO_CONN_H
#define DEMO_CONN_H

/*
 * One connection to the demo server: HTTP requests one after another, or a
 * WebSocket; at most one chat at a time. It frees itself when the peer left or
 * the answer asked for an end. Loop thread only.
 *
 * conn.c: life and dispatch. conn_http.c: HTTP requests. conn_ws.c: WebSocket.
 * A conn may die in any callback, so each entry from net is bracketed by
 * demo_conn_enter and demo_conn_leave, and whoever goes on after a call that
 * may end it asks conn->http, which is NULL then.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/list.h"
#include "demo/chat.h"
#include "protocol/http.h"

struct demo_server;
struct http_conn;
struct ws;

struct demo_conn {
	struct list link;	    /* in the server's conns */
	struct demo_server *server; /* borrowed */
	struct http_conn *http;	    /* owned; NULL once the connection ended */
	struct http_head head;	    /* of the current request; borrowed from http */
	struct buf body;	    /* owned: of the current request */
	struct demo_chat *chat;	    /* owned; NULL while nothing is answered */
	struct ws *ws;		    /* owned; NULL while it is HTTP */
	int depth;		    /* entries from net on the stack */
};

/* Serve the socket fd, which is the conn's now. */
void demo_conn_start(struct demo_server *server, int fd);

/* The server ends: cut the connection whose link this is. Not within one of its callbacks. */
void demo_conn_stop(struct list *link);

/* Code of the conn begins to run; it is not freed before demo_conn_leave. */
void demo_conn_enter(struct demo_conn *c);

/* It returns to net: free it when it has ended. */
void demo_conn_leave(struct demo_conn *c);

/* End the connection: cut it now, or close it once all was sent. Drops the chat. Harmless when it
 * has ended. */
void demo_conn_end(struct demo_conn *c, bool cut);

/* The HTTP request was answered: on to the next one, or end the connection where there is none. */
void demo_conn_next(struct demo_conn *c);

/* The peer left or cancelled: drop the chat, if there is one, and say so in the journal. */
void demo_conn_cancel(struct demo_conn *c);

/* Answer the request with wire's format (format and chunked are set; the rest is filled in). Takes
 * request over. */
void demo_conn_answer(struct demo_conn *c, struct demo_request *request, struct demo_wire *wire);

/* conn_http.c: the server side's on_head, on_body and on_request. */
enum http_verdict demo_conn_http_head(struct demo_conn *c, const struct http_head *head);
bool demo_conn_http_body(struct demo_conn *c, const char *p, size_t n);
void demo_conn_http_request(struct demo_conn *c);

/* conn_http.c: refuse the current request with {"error":{"message":sentence}}; the caller goes on
 * or ends. */
void demo_conn_http_refuse(struct demo_conn *c, int status, const char *sentence, bool close);

/* conn_ws.c: send the 101 and become a WebSocket. key is the client's. */
void demo_conn_ws_open(struct demo_conn *c, struct str key);

/* conn_ws.c: take received bytes. May end the connection. */
void demo_conn_ws_bytes(struct demo_conn *c, const char *p, size_t n);

#endif
