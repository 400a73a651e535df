/*
 * WebSocket over wslay. Received frames go through a wslay event context that
 * exists only while something is half received; but a server's plain text
 * frames are read where they lie. Sent frames are written directly, as their
 * layout is ten lines and must not be queued twice.
 */
#include "protocol/ws.h"

#include <assert.h>
#include <sha1.h>
#include <wslay/wslay.h>

#include "base/base64.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/ids.h"
#include "base/mem.h"

struct ws {
	wslay_event_context_ptr ctx; /* owned; NULL while nothing is half received */
	ws_message_cb *on_message;
	void *data;
	size_t max_message;
	struct buf *out; /* borrowed during ws_feed */
	const char *in;	 /* borrowed during ws_feed */
	size_t in_len;
	uint64_t fed;	 /* bytes given to ctx */
	uint64_t framed; /* bytes of the frames ctx has begun */
	size_t held;	 /* bytes of the data message that is half received */
	bool server, in_frame, in_control, in_message, heard, closed;
	bool bad_close; /* a close frame whose payload is half a code */
	uint16_t close_code;
};

/* The base64 of n bytes, 0-terminated, where there is room for it. */
static void put_key(char *out, size_t size, const unsigned char *p, size_t n)
{
	struct buf text = {0};

	base64_put(&text, p, n);
	assert(text.len < size);
	memcpy(out, buf_cstr(&text), text.len + 1);
	buf_finish(&text);
}

void ws_accept(const char *key, size_t key_len, char ret_accept[WS_ACCEPT_SIZE])
{
	/* The GUID of RFC 6455 section 1.3. */
	static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
	unsigned char digest[SHA1_DIGEST_LENGTH];
	SHA1_CTX sha;

	SHA1Init(&sha);
	SHA1Update(&sha, (const unsigned char *)key, key_len);
	SHA1Update(&sha, (const unsigned char *)guid, sizeof guid - 1);
	SHA1Final(digest, &sha);
	put_key(ret_accept, WS_ACCEPT_SIZE, digest, sizeof digest);
}

bool ws_key_ok(struct str key)
{
	struct buf nonce = {0};
	bool ok = key.n == WS_KEY_SIZE - 1 && base64_take(&nonce, key) && nonce.len == WS_NONCE;

	buf_finish(&nonce);
	return ok;
}

void ws_key(char ret_key[WS_KEY_SIZE])
{
	unsigned char nonce[WS_NONCE];

	ids_random(nonce, sizeof nonce);
	put_key(ret_key, WS_KEY_SIZE, nonce, sizeof nonce);
}

static ssize_t on_recv(wslay_event_context_ptr ctx, uint8_t *to, size_t n, int flags, void *data)
{
	struct ws *ws = data;

	if (!ws->in_len) {
		wslay_event_set_error(ctx, WSLAY_ERR_WOULDBLOCK);
		return -1;
	}
	if (n > ws->in_len)
		n = ws->in_len;
	memcpy(to, ws->in, n);
	ws->in += n;
	ws->in_len -= n;
	ws->fed += n;
	return (ssize_t)n;
}

static void on_frame_start(
    wslay_event_context_ptr ctx, const struct wslay_event_on_frame_recv_start_arg *arg, void *data)
{
	struct ws *ws = data;
	uint64_t extended = arg->payload_length < 126 ? 0 : arg->payload_length < 65536 ? 2 : 8;

	ws->framed += 2 + extended + (ws->server ? 4 : 0) + arg->payload_length;
	ws->in_frame = true;
	/* RFC 6455 5.5.1: a code has two bytes. wslay takes one for none. */
	if (arg->opcode == WSLAY_CONNECTION_CLOSE && arg->payload_length == 1)
		ws->bad_close = true;
	ws->in_control = wslay_is_ctrl_frame(arg->opcode);
	if (!ws->in_control)
		ws->in_message = !arg->fin;
}

static void on_frame_chunk(
    wslay_event_context_ptr ctx, const struct wslay_event_on_frame_recv_chunk_arg *arg, void *data)
{
	struct ws *ws = data;

	if (!ws->in_control)
		ws->held += arg->data_length;
}

static void on_frame_end(wslay_event_context_ptr ctx, void *data)
{
	struct ws *ws = data;

	ws->in_frame = false;
}

static void on_msg(
    wslay_event_context_ptr ctx, const struct wslay_event_on_msg_recv_arg *arg, void *data)
{
	struct ws *ws = data;

	ws->heard = true;
	if (arg->opcode == WSLAY_CONNECTION_CLOSE) {
		ws->closed = true;
		ws->close_code = arg->status_code ? arg->status_code : WSLAY_CODE_NO_STATUS_RCVD;
	} else if (arg->opcode == WSLAY_PING) {
		/* The pong wslay has queued goes before the answer to any later message. */
		wslay_event_send(ctx);
	} else if (!wslay_is_ctrl_frame(arg->opcode)) {
		ws->held = 0;
		ws->on_message(ws->data, (const char *)arg->msg, arg->msg_length);
	}
}

static ssize_t on_send(
    wslay_event_context_ptr ctx, const uint8_t *p, size_t n, int flags, void *data)
{
	struct ws *ws = data;

	buf_add(ws->out, p, n);
	return (ssize_t)n;
}

static int on_mask(wslay_event_context_ptr ctx, uint8_t *to, size_t n, void *data)
{
	ids_random(to, n);
	return 0;
}

static void open_context(struct ws *ws)
{
	static const struct wslay_event_callbacks callbacks = {
	    .recv_callback = on_recv,
	    .send_callback = on_send,
	    .genmask_callback = on_mask,
	    .on_frame_recv_start_callback = on_frame_start,
	    .on_frame_recv_chunk_callback = on_frame_chunk,
	    .on_frame_recv_end_callback = on_frame_end,
	    .on_msg_recv_callback = on_msg,
	};
	int rc = ws->server ? wslay_event_context_server_init(&ws->ctx, &callbacks, ws)
			    : wslay_event_context_client_init(&ws->ctx, &callbacks, ws);

	assert(rc == 0);
	wslay_event_config_set_max_recv_msg_length(ws->ctx, ws->max_message);
	ws->fed = ws->framed = 0;
}

struct ws *ws_new(bool server, size_t max_message, ws_message_cb *on_message, void *data)
{
	struct ws *ws = mem_zalloc(1, sizeof *ws);

	ws->server = server;
	ws->max_message = max_message;
	ws->on_message = on_message;
	ws->data = data;
	return ws;
}

void ws_free(struct ws *ws)
{
	if (!ws)
		return;
	if (ws->ctx)
		wslay_event_context_free(ws->ctx);
	free(ws);
}

/*
 * A text frame that is whole, unmasked and a message by itself, as a model server sends a token
 * each: its bytes and, in *ret, its text. 0: not that, or not as it should be; wslay will say.
 */
static size_t plain_frame(const struct ws *ws, const char *p, size_t n, struct str *ret)
{
	const unsigned char *u = (const unsigned char *)p;
	size_t head = 2, len;

	if (n < head || u[0] != (0x80 | WSLAY_TEXT_FRAME) || u[1] > 126)
		return 0;
	len = u[1];
	if (len == 126) {
		head = 4;
		if (n < head)
			return 0;
		len = (size_t)u[2] << 8 | u[3];
		if (len < 126)
			return 0;
	}
	if (n - head < len || len > ws->max_message || str_utf8_valid(p + head, len) != len)
		return 0;
	*ret = (struct str){p + head, len};
	return head + len;
}

/* How many of n bytes wslay gets, so that it ends with a frame: what comes next may be plain. */
static size_t share(const struct ws *ws, size_t n)
{
	uint64_t left = ws->in_frame ? ws->framed - ws->fed : 1;

	/* None left within a frame cannot be; were it so, it must not go round for ever. */
	return ws->server || n < left || !left ? n : (size_t)left;
}

static int feed_wslay(struct ws *ws, const char *p, size_t n, struct buf *out)
{
	int rc;

	if (!ws->ctx)
		open_context(ws);
	ws->in = p;
	ws->in_len = n;
	ws->out = out;
	rc = wslay_event_recv(ws->ctx);
	/* Pongs and close replies that wslay queued; its close after a broken frame has no code,
	 * ours has. */
	if (rc != 0 || ws->bad_close)
		ws_put_close(ws, out, WS_CLOSE_PROTOCOL, "");
	else if (wslay_event_want_write(ws->ctx))
		wslay_event_send(ws->ctx);
	if (rc == 0 && !ws->closed && wslay_event_get_status_code_sent(ws->ctx) == WS_CLOSE_TOO_BIG)
		return ERR_LIMIT;
	if (rc != 0 || ws->bad_close || ws->closed || !wslay_event_get_read_enabled(ws->ctx))
		return ERR_CLOSED;
	if (!ws->in_frame && !ws->in_message && ws->fed == ws->framed) {
		wslay_event_context_free(ws->ctx);
		ws->ctx = NULL;
	}
	return 0;
}

int ws_feed(struct ws *ws, const char *p, size_t n, struct buf *out)
{
	while (n) {
		struct str text;
		size_t used = ws->server || ws->ctx ? 0 : plain_frame(ws, p, n, &text);
		int rc = 0;

		if (used) {
			ws->heard = true;
			ws->on_message(ws->data, text.p, text.n);
		} else {
			used = share(ws, n);
			rc = feed_wslay(ws, p, used, out);
		}
		if (rc != 0)
			return rc;
		p += used;
		n -= used;
	}
	return 0;
}

size_t ws_held(const struct ws *ws)
{
	return ws->held;
}

uint16_t ws_close_code(const struct ws *ws)
{
	return ws->close_code;
}

bool ws_heard(struct ws *ws)
{
	bool heard = ws->heard;

	ws->heard = false;
	return heard;
}

/* One whole frame; a client's are masked (RFC 6455 5.3). */
static void put_frame(
    const struct ws *ws, struct buf *out, unsigned char opcode, const char *p, size_t n)
{
	unsigned char mask_bit = ws->server ? 0 : 0x80, mask[4];
	char *to;

	buf_addc(out, (char)(0x80 | opcode));
	if (n < 126) {
		buf_addc(out, (char)(mask_bit | n));
	} else if (n <= 0xFFFF) {
		buf_addc(out, (char)(mask_bit | 126));
		buf_addc(out, (char)(n >> 8));
		buf_addc(out, (char)n);
	} else {
		buf_addc(out, (char)(mask_bit | 127));
		for (int shift = 56; shift >= 0; shift -= 8)
			buf_addc(out, (char)((uint64_t)n >> shift));
	}
	if (ws->server) {
		buf_add(out, p, n);
		return;
	}
	ids_random(mask, sizeof mask);
	buf_add(out, mask, sizeof mask);
	to = buf_reserve(out, n);
	for (size_t i = 0; i < n; i++)
		to[i] = (char)(p[i] ^ mask[i & 3]);
	out->len += n;
}

void ws_put_text(const struct ws *ws, struct buf *out, const char *p, size_t n)
{
	put_frame(ws, out, WSLAY_TEXT_FRAME, p, n);
}

void ws_put_ping(const struct ws *ws, struct buf *out)
{
	put_frame(ws, out, WSLAY_PING, NULL, 0);
}

void ws_put_close(const struct ws *ws, struct buf *out, uint16_t code, const char *reason)
{
	char payload[2 + 100];
	size_t n = strlen(reason);

	if (n > sizeof payload - 2)
		n = sizeof payload - 2;
	payload[0] = (char)(code >> 8);
	payload[1] = (char)code;
	memcpy(payload + 2, reason, n);
	put_frame(ws, out, WSLAY_CONNECTION_CLOSE, payload, n + 2);
}
