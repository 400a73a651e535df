#ifndef DEMO_CHAT_H
#define DEMO_CHAT_H

/*
 * One answer being sent: takes the steps of an answer, forms them, waits where
 * the prompt says so and never queues more than the socket takes. Its owner is
 * a connection, which hands on the http_conn's on_timer and on_writable and
 * leaves both to the chat while there is one. Loop thread only.
 */

#include <stdbool.h>
#include <stddef.h>

#include "demo/format.h"
#include "demo/request.h"

struct demo_chat;
struct http_conn;

/* How a chat ended. */
enum demo_end {
	DEMO_END_DONE,	/* all is said; the connection may serve another request */
	DEMO_END_CLOSE, /* the connection is to end cleanly */
	DEMO_END_CUT,	/* the connection is to be cut */
};

/* The chat's last act, once: what it composed was sent. The callee frees it. */
typedef void demo_chat_end_cb(void *data, enum demo_end how);

/*
 * Make a chat that answers *request on http (borrowed), which has switched or is
 * streaming. *wire needs format, ws, id, number, model, created, chunked and keep_alive.
 * What both own is taken over and both are zeroed. No callback fires.
 */
struct demo_chat *demo_chat_new(struct http_conn *http, struct demo_request *request,
    struct demo_wire *wire, demo_chat_end_cb *on_end, void *data);

/* Begin. on_end may be called before this returns. */
void demo_chat_start(struct demo_chat *c);

/* The http_conn's timer ran out. on_end may be called before this returns. */
void demo_chat_on_timer(struct demo_chat *c);

/* The http_conn's socket takes bytes. on_end may be called before this returns. */
void demo_chat_on_writable(struct demo_chat *c);

/* Send n bytes of the connection's own after what the chat has composed so far, so that no frame is
 * torn. */
void demo_chat_append(struct demo_chat *c, const void *p, size_t n);

/* Send what was composed and not yet sent, so that the connection stays usable without the chat. */
void demo_chat_flush(struct demo_chat *c);

/* The transport as the log names it. Static text. */
const char *demo_chat_transport(const struct demo_chat *c);

/* Free, at any time; nothing is sent or called. NULL is allowed. */
void demo_chat_free(struct demo_chat *c);

#endif
