/* Envelopes as ready-made WebSocket frames. */
#include "protocol/envelope.h"

#include <assert.h>

#include "base/buf.h"
#include "base/clock.h"
#include "protocol/version.h"

enum {
	FRAME_TEXT = 0x81, /* FIN and opcode 1 */
	SEQ_DIGITS = 20,   /* of the largest number */
};

static const char before_time[] = ",\"ts\":\"", before_payload[] = "\",\"payload\":";

enum {
	/* What an envelope has beside its head, the digits of its seq and its payload. */
	REST = sizeof before_time - 1 + CLOCK_ISO_SIZE - 1 + sizeof before_payload - 1 + 1,
	FRAME_HEADER_MAX = 10,
};

/* Ids hold only [a-zA-Z0-9_-], so nothing here needs escaping. */
void envelope_put_head(
    struct buf *head, enum event_kind kind, const char *daemon_id, const char *session_id)
{
	buf_adds(head, "{\"v\":\"" OPTA_ENVELOPE_VERSION "\",\"event\":\"");
	buf_adds(head, event_name(kind));
	buf_adds(head, "\",\"daemonId\":\"");
	buf_adds(head, daemon_id);
	buf_adds(head, "\",\"sessionId\":\"");
	buf_adds(head, session_id);
	buf_adds(head, "\",\"seq\":");
}

static char *put(char *p, const void *from, size_t n)
{
	memcpy(p, from, n);
	return p + n;
}

/* RFC 6455, section 5.2: lengths of 7, 16 and 64 bits. */
static char *put_frame_header(char *p, size_t n)
{
	*p++ = (char)FRAME_TEXT;
	if (n < 126) {
		*p++ = (char)n;
	} else if (n <= 0xFFFF) {
		*p++ = 126;
		*p++ = (char)(n >> 8);
		*p++ = (char)n;
	} else {
		*p++ = 127;
		for (int i = 0; i < 8; i++)
			*p++ = (char)((uint64_t)n >> (56 - 8 * i));
	}
	return p;
}

void envelope_put(struct buf *segment, const struct buf *head, uint64_t seq, int64_t ts_ms,
    const char *payload, size_t n)
{
	char digits[SEQ_DIGITS];
	size_t first = SEQ_DIGITS;
	char *p;

	assert(seq > 0);
	for (uint64_t left = seq; left; left /= 10)
		digits[--first] = (char)('0' + left % 10);
	p = buf_reserve(segment, FRAME_HEADER_MAX + head->len + SEQ_DIGITS + REST + n);
	p = put_frame_header(p, head->len + (SEQ_DIGITS - first) + REST + n);
	p = put(p, head->p, head->len);
	p = put(p, digits + first, SEQ_DIGITS - first);
	p = put(p, before_time, sizeof before_time - 1);
	clock_iso(ts_ms, p);
	p = put(p + CLOCK_ISO_SIZE - 1, before_payload, sizeof before_payload - 1);
	p = n ? put(p, payload, n) : p;
	*p++ = '}';
	segment->len = (size_t)(p - segment->p);
}

void envelope_put_frame(struct buf *segment, const struct envelope *e)
{
	struct buf head = {0};

	envelope_put_head(&head, e->kind, e->daemon_id, e->session_id);
	envelope_put(segment, &head, e->seq, e->ts_ms, e->payload, e->payload_len);
	buf_finish(&head);
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
