#ifndef NET_HTTP_CLIENT_H
#define NET_HTTP_CLIENT_H

/*
 * One HTTP/1.1 request on a connection of its own: connect, send, stream the
 * answer, close. Serves the command line (to the daemon) and the daemon (to the
 * model server). The server is not trusted: the parser's limits hold, and the
 * callee of on_body bounds what it keeps. Loop thread only.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

struct err;
struct filter;
struct http_call;
struct http_parser;
struct uv_loop_s;

struct http_call_opts {
	const char *host;
	int port;
	const char *method;  /* "GET" */
	const char *target;  /* "/v1/models" */
	const char *headers; /* more header lines, each with CRLF, or NULL */
	const char *body;    /* NULL: none */
	size_t body_len;
	uint64_t connect_ms;   /* name resolution and connect together */
	struct filter *filter; /* owned by the call from now on, or NULL */
	/*
	 * The status line and headers came. Return true to go on; with 101, true
	 * means the connection now speaks the other protocol and on_body gets its
	 * raw bytes. May be NULL: go on, never switch.
	 */
	bool (*on_head)(void *data, int status, const struct http_parser *parser);
	/* A piece of the body; valid until return. May call http_call_cancel. */
	void (*on_body)(void *data, const char *p, size_t n);
	/*
	 * The last callback, once: err->code 0 when the answer was whole, else why
	 * not. sent: did the connection stand (the server may have seen the request)?
	 * The call is freed afterwards.
	 */
	void (*on_done)(void *data, const struct err *err, bool sent);
	void *data;
};

/* Start; strings are copied. No callback fires before this returns. */
struct http_call *http_call_start(struct uv_loop_s *loop, const struct http_call_opts *opts);

/* Drop it: the connection is closed at once, no callback fires any more. NULL is allowed. */
void http_call_cancel(struct http_call *call);

/* Send bytes after a switch. The caller bounds what it queues (http_call_queued). */
void http_call_send(struct http_call *call, const char *p, size_t n);

/* Bytes that were sent and that the peer has not taken. */
size_t http_call_queued(const struct http_call *call);

/* Stop or resume reading, so that a fast server waits for a slow reader. */
void http_call_read(struct http_call *call, bool on);

#endif
