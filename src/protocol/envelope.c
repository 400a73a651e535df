/* Envelopes as ready-made WebSocket frames. */
#include "protocol/envelope.h"

#include <assert.h>

#include "base/buf.h"
#include "base/clock.h"
#include "protocol/version.h"

enum {
	FRAME_TEXT = 0x81, /* FIN and opcode 1 */
	HEADER_USUAL = 4,  /* 126 and a 16-bit length: nearly every envelope */
	HEADER_LARGE = 10, /* 127 and a 64-bit length */
};

/*
 * The header before n payload bytes was assumed to take HEADER_USUAL bytes;
 * write it, moving the payload when it does not.
 */
static void finish_header(struct buf *b, size_t start)
{
	size_t n = b->len - start - HEADER_USUAL;
	unsigned char *h;

	if (n > 0xFFFF) {
		buf_reserve(b, HEADER_LARGE - HEADER_USUAL);
		memmove(b->p + start + HEADER_LARGE, b->p + start + HEADER_USUAL, n);
		b->len += HEADER_LARGE - HEADER_USUAL;
		h = (unsigned char *)b->p + start;
		h[1] = 127;
		for (int i = 0; i < 8; i++)
			h[2 + i] = (unsigned char)((uint64_t)n >> (56 - 8 * i));
	} else if (n < 126) {
		memmove(b->p + start + 2, b->p + start + HEADER_USUAL, n);
		b->len -= HEADER_USUAL - 2;
		h = (unsigned char *)b->p + start;
		h[1] = (unsigned char)n;
	} else {
		h = (unsigned char *)b->p + start;
		h[1] = 126;
		h[2] = (unsigned char)(n >> 8);
		h[3] = (unsigned char)n;
	}
	h[0] = FRAME_TEXT;
}

void envelope_put_frame(struct buf *segment, const struct envelope *e)
{
	size_t start = segment->len;
	char iso[CLOCK_ISO_SIZE];

	assert(e->seq > 0);
	clock_iso(e->ts_ms, iso);
	buf_reserve(segment, HEADER_LARGE + 256 + e->payload_len);
	segment->len += HEADER_USUAL;
	/* Ids hold only [a-zA-Z0-9_-], so nothing here needs escaping. */
	buf_adds(segment, "{\"v\":\"" OPTA_ENVELOPE_VERSION "\",\"event\":\"");
	buf_adds(segment, event_name(e->kind));
	buf_adds(segment, "\",\"daemonId\":\"");
	buf_adds(segment, e->daemon_id);
	buf_adds(segment, "\",\"sessionId\":\"");
	buf_adds(segment, e->session_id);
	buf_adds(segment, "\",\"seq\":");
	buf_addu(segment, e->seq);
	buf_adds(segment, ",\"ts\":\"");
	buf_add(segment, iso, CLOCK_ISO_SIZE - 1);
	buf_adds(segment, "\",\"payload\":");
	buf_add(segment, e->payload, e->payload_len);
	buf_addc(segment, '}');
	finish_header(segment, start);
}

size_t envelope_frame(const char *p, size_t n, struct str *ret_json)
{
	const unsigned char *h = (const unsigned char *)p;
	uint64_t len;
	size_t head;

	if (n < 2 || h[0] != FRAME_TEXT || h[1] & 0x80)
		return 0;
	if (h[1] < 126) {
		head = 2;
		len = h[1];
	} else if (h[1] == 126) {
		if (n < 4)
			return 0;
		head = 4;
		len = (uint64_t)h[2] << 8 | h[3];
	} else {
		if (n < 10)
			return 0;
		head = 10;
		len = 0;
		for (int i = 0; i < 8; i++)
			len = len << 8 | h[2 + i];
	}
	if (len > n - head)
		return 0;
	*ret_json = (struct str){p + head, (size_t)len};
	return head + (size_t)len;
}

/* Step over `text` at *at; false when something else stands there. */
static bool expect(struct str *at, const char *text)
{
	size_t n = strlen(text);

	if (!str_starts(*at, text))
		return false;
	at->p += n;
	at->n -= n;
	return true;
}

static bool until_quote(struct str *at, struct str *ret)
{
	const char *q = at->n ? memchr(at->p, '"', at->n) : NULL;

	if (!q)
		return false;
	*ret = (struct str){at->p, (size_t)(q - at->p)};
	at->n -= ret->n;
	at->p = q;
	return true;
}

bool envelope_view(struct str json, struct envelope_view *ret)
{
	struct str at = json, name, time, digits;

	if (!expect(&at, "{\"v\":\"" OPTA_ENVELOPE_VERSION "\",\"event\":\"") ||
	    !until_quote(&at, &name) || !expect(&at, "\",\"daemonId\":\"") ||
	    !until_quote(&at, &ret->daemon_id) || !expect(&at, "\",\"sessionId\":\"") ||
	    !until_quote(&at, &ret->session_id) || !expect(&at, "\",\"seq\":"))
		return false;
	at = str_cut(at, ',', &digits);
	if (!str_parse_u64(digits, UINT64_MAX, &ret->seq) || !expect(&at, "\"ts\":\"") ||
	    !until_quote(&at, &time) || time.n != CLOCK_ISO_SIZE - 1 ||
	    !expect(&at, "\",\"payload\":") || at.n < 3)
		return false;
	ret->ts_ms = clock_from_iso(time.p);
	ret->kind = event_of(name);
	ret->payload = (struct str){at.p, at.n - 1};
	return ret->kind != EVENT_KINDS;
}
