#ifndef PROTOCOL_HTTP_SCAN_H
#define PROTOCOL_HTTP_SCAN_H

/*
 * A look at each byte of a request before llhttp sees it: llhttp forgives much for
 * the sake of old peers, and what a proxy before us may read otherwise than we do
 * is refused here. No I/O; a scan belongs to its parser (protocol/http.c).
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Where the scan of a request stands: a head (RFC 9112 2 to 5), then, when the
 * body comes in chunks, their sizes (7.1) and the trailer.
 *
 *   START -> METHOD -> BLANK -> TARGET -> VERSION -> LINE_LF -> LINE -> END_LF -> HEAD
 *                                                      ^         v
 *                                                      VALUE <- NAME
 *   HEAD -> BODY (by length)
 *   HEAD -> SIZE (-> EXT_*) -> SIZE_LF -> DATA -> DATA_CR -> DATA_LF -> SIZE
 *                                 size 0: -> LINE … END_LF -> END
 */
enum scan_state {
	SCAN_START,    /* before the request line; one empty line may come first (2.2) */
	SCAN_START_LF, /* within that empty line */
	SCAN_METHOD,
	SCAN_BLANK, /* the blank after the method was seen */
	SCAN_TARGET,
	SCAN_VERSION,
	SCAN_LINE_LF, /* a line's CR was seen */
	SCAN_LINE,    /* at the begin of a header or of the empty line after the last */
	SCAN_NAME,
	SCAN_VALUE,
	SCAN_END_LF, /* the empty line's CR was seen */
	SCAN_HEAD,   /* the head is whole: http_scan_body says how the body comes */
	SCAN_BODY,   /* nothing to look at */
	SCAN_SIZE,
	SCAN_EXT_NAME,
	SCAN_EXT_VALUE,
	SCAN_SIZE_LF,
	SCAN_DATA,
	SCAN_DATA_CR,
	SCAN_DATA_LF,
	SCAN_END, /* the chunked message is whole */
};

/* Zeroed at the begin of each message. */
struct http_scan {
	enum scan_state at;
	const char *reason; /* static: what is wrong, or NULL */
	uint64_t chunk;	    /* bytes of the chunk still to come */
	size_t bytes;	    /* of the head or trailer so far */
	size_t extensions;  /* bytes of chunk extensions so far */
	unsigned count;	    /* characters of the current part */
	bool empty_line, trailer, too_large;
};

/* Once in the process, before the first scan. */
void http_scan_setup(void);

/*
 * How many of n bytes at p are fine and may go on: up to a fault (s->reason says
 * which, s->too_large whether it was a limit), or to the end of the head, where
 * http_scan_body is to be called.
 */
size_t http_scan(struct http_scan *s, const char *p, size_t n);

/* The head is whole, and its body comes in chunks, or by length (or not at all). */
void http_scan_body(struct http_scan *s, bool chunked);

/* May c be within a header's value (RFC 9110 5.5)? */
bool http_scan_is_text(unsigned char c);

#endif
