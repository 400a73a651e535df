#ifndef DEMO_REQUEST_H
#define DEMO_REQUEST_H

/*
 * A chat request as the demo server needs it: the last user message with its
 * prompt language read, what a tool said last, and some numbers. Both transports
 * use it. Pure; one thread at a time.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/json.h"
#include "demo/prompt.h"

struct err;

/* A body or WebSocket message larger than this is refused. */
enum { DEMO_REQUEST_MAX = 64 * 1024 * 1024 };

struct demo_request {
	struct buf text;	   /* owned: the last user message; prompt borrows from it */
	struct demo_prompt prompt; /* owned */
	struct buf tool_said;	   /* owned: the content of the last message, when a tool's */
	bool after_tool;	   /* the last message is a tool's */
	size_t tool_results;	   /* since the last user message */
	size_t said; /* bytes of the answer that a cut left, when it is asked to go on */
	bool stream;
	char *id;    /* owned: request_id, or NULL */
	char *model; /* owned, or NULL: none was named */
	uint64_t prompt_tokens;
	size_t tools;
};

/*
 * Read a request from body (borrowed, may go afterwards). Returns 0, or
 * ERR_SYNTAX, ERR_RANGE or ERR_UNKNOWN with a sentence for the client; *ret is
 * untouched then.
 */
int demo_request_parse(const json_t *body, struct demo_request *ret, struct err *reterr);

/* Free what r owns; a zeroed one is allowed. */
void demo_request_finish(struct demo_request *r);

#endif
