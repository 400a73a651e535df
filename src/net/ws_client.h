#ifndef NET_WS_CLIENT_H
#define NET_WS_CLIENT_H

/*
 * One WebSocket to a server, over http_client. Loop thread only.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;
struct filter;
struct uv_loop_s;
struct ws_call;

enum {
	WS_CALL_MAX_QUEUED = 64 * 1024
}; /* past it pings of a peer that does not read stay unanswered */

struct ws_call_opts {
	const char *host;
	int port;
	const char *target;
	const char *headers; /* more header lines, each with CRLF, or NULL */
	uint64_t connect_ms;
	size_t max_message;    /* larger messages end the connection with ERR_LIMIT */
	struct filter *filter; /* owned by the call, or NULL */
	void (*on_open)(void *data);
	/* One text message; valid until return. */
	void (*on_message)(void *data, const char *p, size_t n);
	/*
	 * The last callback, once. opened: was on_open called? code: the close code the
	 * peer sent, 0 without one. status: the HTTP status that refused the upgrade, 0
	 * without one. err says it in words. The call is freed afterwards.
	 */
	void (*on_closed)(
	    void *data, bool opened, uint16_t code, int status, const struct err *err);
	void *data;
};

/* Start; strings are copied. No callback fires before this returns. */
struct ws_call *ws_call_start(struct uv_loop_s *loop, const struct ws_call_opts *opts);

/* Send a text message (after on_open; before it nothing is sent). */
void ws_call_send(struct ws_call *w, const char *p, size_t n);

/* Send a close frame and drop the connection; no callback fires any more. NULL is allowed. */
void ws_call_close(struct ws_call *w, uint16_t code);

/* Stop or resume reading. */
void ws_call_read(struct ws_call *w, bool on);

#endif
