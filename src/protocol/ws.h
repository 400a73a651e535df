#ifndef PROTOCOL_WS_H
#define PROTOCOL_WS_H

/*
 * WebSocket (RFC 6455), both sides: the handshake's key, and a session that
 * turns received bytes into messages and messages into bytes. Framing, masking,
 * UTF-8 and close rules are wslay's. No I/O: what is to be sent is appended to
 * a buf. A ws belongs to one thread. While nothing is half received it holds no
 * parser memory (ten thousand idle sockets are cheap).
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

struct buf;
struct ws;

/* Room for the accept key: 28 base64 characters and a 0. */
enum { WS_ACCEPT_SIZE = 29, WS_KEY_SIZE = 25, WS_NONCE = 16 };

/* Close codes we send (RFC 6455 7.4.1; 4000-4999 are ours). */
enum {
	WS_CLOSE_NORMAL = 1000,
	WS_CLOSE_GOING_AWAY = 1001,
	WS_CLOSE_PROTOCOL = 1002,
	WS_CLOSE_TOO_BIG = 1009,
	WS_CLOSE_INTERNAL = 1011,
	WS_CLOSE_TRY_AGAIN = 1013, /* IANA's registry, not the RFC */
	WS_CLOSE_UNAUTHORIZED = 4001,
	WS_CLOSE_NO_SESSION = 4004,
};

/* A whole text or binary message; valid until return. */
typedef void ws_message_cb(void *data, const char *p, size_t n);

/* Sec-WebSocket-Accept for the client's key of key_len bytes. */
void ws_accept(const char *key, size_t key_len, char ret_accept[WS_ACCEPT_SIZE]);

/* Is this the base64 of 16 bytes, as a Sec-WebSocket-Key must be (RFC 6455, 4.2.1)? */
bool ws_key_ok(struct str key);

/* A fresh Sec-WebSocket-Key. */
void ws_key(char ret_key[WS_KEY_SIZE]);

/* server: our side of the connection. max_message: larger ones are refused with 1009. */
struct ws *ws_new(bool server, size_t max_message, ws_message_cb *on_message, void *data);
void ws_free(struct ws *ws);

/*
 * Take n received bytes: calls on_message for each message, appends pongs and a
 * close reply to out. Returns 0, or when the connection is to be dropped once
 * out was sent ERR_LIMIT (a message was too large) or ERR_CLOSED (close
 * handshake, protocol error).
 */
int ws_feed(struct ws *ws, const char *p, size_t n, struct buf *out);

/* Bytes kept of a message that is half received. */
size_t ws_held(const struct ws *ws);

/* The code the peer closed with, 0 when it sent no close frame. 1005: a close frame without a code.
 */
uint16_t ws_close_code(const struct ws *ws);

/* Was a pong (or anything else) received since the last call? Clears the mark. */
bool ws_heard(struct ws *ws);

/* Append a text message, masked when we are the client. */
void ws_put_text(const struct ws *ws, struct buf *out, const char *p, size_t n);

/* Append a ping without payload. */
void ws_put_ping(const struct ws *ws, struct buf *out);

/* Append a close frame with code and reason (at most 100 bytes are sent). */
void ws_put_close(const struct ws *ws, struct buf *out, uint16_t code, const char *reason);

#endif
