#ifndef PROTOCOL_SSE_H
#define PROTOCOL_SSE_H

/*
 * Server-sent events (WHATWG HTML, 9.2): an incremental parser. Lines may end
 * in LF, CRLF or CR and may be cut anywhere. No I/O; one thread.
 */

#include <stddef.h>

struct sse;
struct str;

/* One event: its data lines joined by LF, the last id seen ("" if none). Valid until return. Return
 * non-zero to stop. */
typedef int sse_event_cb(void *data, struct str text, struct str id);

/* max_line bounds a line and an event's data, in bytes. */
struct sse *sse_new(size_t max_line, sse_event_cb *on_event, void *data);
void sse_free(struct sse *s);

/* Take n bytes. 0, ERR_LIMIT when a line or event is too large, or what on_event returned. */
int sse_feed(struct sse *s, const char *p, size_t n);

#endif
