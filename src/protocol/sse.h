#ifndef PROTOCOL_SSE_H
#define PROTOCOL_SSE_H

/*
 * Server-sent events (WHATWG HTML, 9.2): an incremental parser. Lines may end
 * in LF, CRLF or CR and may be cut anywhere. No I/O; one thread.
 */

#include <stddef.h>

#include "base/str.h"

struct sse;

/* One event: its data lines joined by LF, its name and the last id seen ("" if none). Valid until
 * return. */
struct sse_event {
	struct str name, text, id;
};

/* Return non-zero to stop. */
typedef int sse_event_cb(void *data, const struct sse_event *event);

/* max_line bounds a line and an event's data, in bytes. */
struct sse *sse_new(size_t max_line, sse_event_cb *on_event, void *data);
void sse_free(struct sse *s);

/*
 * Take also what no standard allows and model servers send: events that one line end parts instead
 * of two, an "error:" field in place of an event, a last event without the
 * empty line behind it (sse_end).
 */
void sse_set_lenient(struct sse *s);

/* Take n bytes. 0, ERR_LIMIT when a line or event is too large, or what on_event returned. */
int sse_feed(struct sse *s, const char *p, size_t n);

/* No more comes: the event that was not ended is one. As sse_feed. */
int sse_end(struct sse *s);

#endif
