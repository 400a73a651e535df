#ifndef DEMO_FORMAT_H
#define DEMO_FORMAT_H

/*
 * The three forms an answer travels in: WebSocket messages, server-sent events,
 * one JSON body. A format turns steps into bytes; it neither sends nor waits.
 * Pure; one thread at a time.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

struct demo_request;
struct demo_step;
struct demo_wire;
struct ws;

struct demo_format {
	const char *transport; /* as the log names it */
	/* Append what comes before the first step. */
	void (*begin)(struct demo_wire *w, struct buf *out);
	/* Append a step. DEMO_STEP_HANG and DEMO_STEP_DROP never come here. */
	void (*put)(struct demo_wire *w, const struct demo_step *step, struct buf *out);
};

extern const struct demo_format demo_format_ws, demo_format_sse, demo_format_json;

/* One answer on its way. Filled by whoever starts it; the rest is the format's. */
struct demo_wire {
	const struct demo_format *format;
	const struct demo_request *request; /* borrowed */
	const struct ws *ws;		    /* borrowed; NULL for HTTP */
	char *id;			    /* owned: of the request */
	char *model;			    /* owned: as the answer names it */
	uint64_t number;		    /* of the request, on this server */
	int64_t created;		    /* seconds since 1970 */
	uint64_t sent;			    /* deltas so far, for usage */
	bool chunked, keep_alive;	    /* of the HTTP answer */

	struct buf prefix;		     /* owned: what every delta begins with */
	struct buf line;		     /* owned: the message being composed */
	struct buf content, thinking, calls; /* owned: of the JSON body, so far */
	bool garbage, in_call;
};

/* Free what w owns; a zeroed one is allowed. */
void demo_wire_finish(struct demo_wire *w);

/* Append the value of "usage". */
void demo_wire_put_usage(const struct demo_wire *w, struct buf *out);

/* Append the id of a tool call: unique for every call of this server. */
void demo_wire_put_call_id(const struct demo_wire *w, unsigned index, struct buf *out);

/* Append {"error":{"message":sentence}}. */
void demo_put_error(const char *sentence, struct buf *out);

/* Append n times the letter x: the inside of a huge string. */
void demo_put_filler(size_t n, struct buf *out);

/* What stands where JSON should, and the sentence of an in-band error. */
#define DEMO_GARBAGE "this is not JSON {\"choices\":[{"
#define DEMO_ERROR "demo error"

#endif
