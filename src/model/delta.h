#ifndef MODEL_DELTA_H
#define MODEL_DELTA_H

/*
 * One message of a model server's stream, in whichever dialect: OpenAI chunks
 * over SSE, LMX frames over WebSocket. Pure: text in, calls out. One thread.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

struct buf;
struct json_t;

enum {
	DELTA_MAX_MESSAGE =
	    1024 * 1024,	    /* a line or frame; longer ones end the turn with model-error */
	DELTA_MAX_TOOL_CALLS = 128, /* in one answer */
	DELTA_MAX_CALLS = 32,	    /* in one message */
};

/* A piece of a tool call: whatever of it this message has; p NULL: not this. */
struct delta_tool {
	bool has_index;
	uint64_t index;
	struct str id, name, arguments;
	struct str more; /* members nobody knows, the inside of an object */
};

struct delta {
	struct str text, thinking; /* p NULL: none; may hold bytes that are no UTF-8 */
	/* JSON text that goes back with a thought as it came (protocol/item.h, opaque). seal_alone:
	 * with one of its own that has no text, not with the last. */
	struct str seal;
	bool has_usage, done, refused, seal_alone;
	uint64_t prompt_tokens, completion_tokens; /* totals; 0: not told */
	bool context_overflow;			   /* the error says the prompt does not fit */
	const char *thinking_name; /* the member it came under, static; NULL: not told */
	void *memory;		   /* what strs may point into; delta_finish frees it */
	size_t owned_count, tool_count;
	/* From here on not cleared for each token, but for the first byte of each text. */
	char finish_reason[32]; /* "" when none */
	char request_id[128];	/* LMX: what a cancel names; "" when none */
	char error[512];	/* "" when none: the server's sentence */
	struct delta_tool tools[DELTA_MAX_CALLS];
	char *owned[4 + DELTA_MAX_CALLS * 2]; /* texts that had to be made, owned */
};

/*
 * Parse the n bytes at p, which must last as long as *ret: texts may point into them.
 * Returns 0 and fills *ret (call delta_finish), or
 * ERR_SYNTAX when it is nothing a model server says. Unknown message types are 0 with nothing set.
 */
int delta_parse(const char *p, size_t n, struct delta *ret);

/* The same of a server-sent event with that name: "error" says that whatever it holds is one. */
int delta_parse_event(struct str event, const char *p, size_t n, struct delta *ret);
void delta_finish(struct delta *d);

/* --- for dialects --- */

/*
 * As delta_parse_event with a reader of the dialect's own: root is an object and no error; it
 * returns 0 or ERR_SYNTAX.
 */
int delta_parse_as(struct str event, const char *p, size_t n,
    int (*take)(struct delta *d, const struct json_t *root), struct delta *ret);

/* A call as the chat API has it: {"index","id","function":{"name","arguments"},…}. ERR_SYNTAX:
 * there are too many. */
int delta_take_call(struct delta *d, const struct json_t *call);

/* A text that was made for *d lasts as long as it; text is empty then. At most four for a message,
 * and two for each of its calls. */
struct str delta_keep(struct delta *d, struct buf *text);

/*
 * The sentence in an error's body, into out: of JSON in whatever shape, of a page its title, else
 * its first line. *ret_context_overflow: it says the prompt does not fit.
 */
void delta_error_text(const char *p, size_t n, char *out, size_t size, bool *ret_context_overflow);

#endif
