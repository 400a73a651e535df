#ifndef DEMO_FORMAT_H
#define DEMO_FORMAT_H

/*
 * The forms an answer travels in: of the chat API WebSocket messages, server-sent events or one
 * JSON body; lines of Ollama; events of Messages and of Responses. A format turns steps into bytes;
 * it neither sends nor waits. Pure; one thread at a time.
 */

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "base/buf.h"
#include "base/str.h"

struct demo_request;
struct demo_step;
struct demo_wire;
struct json_writer;
struct ws;

struct demo_format {
	const char *transport; /* as the log names it */
	const char *path;      /* where it is asked for; NULL: not over HTTP */
	/* A request of its dialect in the words of the chat API, for the caller to free; NULL: it
	 * is one. */
	json_t *(*as_chat)(const json_t *request);
	/* The other way round, an answer in one body; NULL: it is that of the chat API. */
	json_t *(*as_own)(const json_t *answer);
	/* Append what comes before the first step. */
	void (*begin)(struct demo_wire *w, struct buf *out);
	/* Append a step. DEMO_STEP_HANG and DEMO_STEP_DROP never come here. */
	void (*put)(struct demo_wire *w, const struct demo_step *step, struct buf *out);
};

extern const struct demo_format demo_format_ws, demo_format_sse, demo_format_json,
    demo_format_ollama, demo_format_anthropic, demo_format_responses;

/* What a dialect's message is made of at the moment. */
enum demo_block { DEMO_BLOCK_NONE, DEMO_BLOCK_TEXT, DEMO_BLOCK_THINKING, DEMO_BLOCK_CALL };

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

	json_t *(*as_own)(const json_t *answer); /* of the JSON body */
	enum demo_block block;			 /* that is open */
	unsigned blocks, sequence;		 /* blocks and events so far */
	unsigned call;				 /* index of the open call */
	struct buf name, items;			 /* owned: of the open call; of finished blocks */
};

/* Free what w owns; a zeroed one is allowed. */
void demo_wire_finish(struct demo_wire *w);

/* --- over HTTP --- */

/* Append the head of an answer of that type whose body comes in pieces. */
void demo_wire_put_head(const struct demo_wire *w, const char *type, struct buf *out);

/* Append the line: as one event of that name (NULL: none), or as it is with a line end. */
void demo_wire_put_event(const struct demo_wire *w, const char *name, struct buf *out);
void demo_wire_put_line(const struct demo_wire *w, struct buf *out);

/* Append the body's end. */
void demo_wire_put_end(const struct demo_wire *w, struct buf *out);

/* Append the value of "usage". */
void demo_wire_put_usage(const struct demo_wire *w, struct buf *out);

/* Append the id of a tool call: unique for every call of this server. */
void demo_wire_put_call_id(const struct demo_wire *w, unsigned index, struct buf *out);

/* A text between quotes; raw: its bytes as they are, whether that is JSON or not. */
void demo_write_text(struct json_writer *w, const char *key, struct str text, bool raw);

/* Append {"error":{"message":sentence}}. */
void demo_put_error(const char *sentence, struct buf *out);

/* Append n times the letter x: the inside of a huge string. */
void demo_put_filler(size_t n, struct buf *out);

/* What stands where JSON should, and the sentence of an in-band error. */
#define DEMO_GARBAGE "this is not JSON {\"choices\":[{"
#define DEMO_ERROR "demo error"

#endif
