#ifndef PROTOCOL_ENVELOPE_H
#define PROTOCOL_ENVELOPE_H

/*
 * The envelope of an event, encoded once as a ready-made WebSocket text frame
 * (RFC 6455 section 5.2, unmasked, FIN). A segment is a run of such frames;
 * everything a client gets is cut from these bytes. Pure; any thread.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "protocol/events.h"

struct buf;

struct envelope {
	enum event_kind kind;
	const char *daemon_id;
	const char *session_id;
	uint64_t seq;
	int64_t ts_ms;
	const char *payload; /* JSON text of the payload object */
	size_t payload_len;
};

/* Append what all envelopes of one kind, daemon and session begin with. */
void envelope_put_head(
    struct buf *head, enum event_kind kind, const char *daemon_id, const char *session_id);

/* Append one frame: an envelope with that head, and a payload that is n bytes of JSON text. */
void envelope_put(struct buf *segment, const struct buf *head, uint64_t seq, int64_t ts_ms,
    const char *payload, size_t n);

/* The same for one alone. */
void envelope_put_frame(struct buf *segment, const struct envelope *e);

/*
 * The frame at the start of p[0..n): *ret_json is its payload, borrowed from p.
 * Returns the frame's whole length, or 0 when there is no whole text frame.
 */
size_t envelope_frame(const char *p, size_t n, struct str *ret_json);

/*
 * Read what the daemon itself needs back from an envelope it wrote: kind, seq,
 * daemon id, session id, time and payload text. False when json is no such envelope.
 */
struct envelope_view {
	enum event_kind kind;
	uint64_t seq;
	struct str daemon_id, session_id;
	int64_t ts_ms;
	struct str payload; /* JSON text, borrowed */
};
bool envelope_view(struct str json, struct envelope_view *ret);

#endif
