#ifndef MODEL_ASK_H
#define MODEL_ASK_H

/*
 * One question to the model server, from preflight to the last delta: which
 * transport, when to try again, when to give up. Loop thread only.
 *
 *   PREFLIGHT --ready--> STREAM --no WebSocket here--> STREAM, as the dialect falls back
 *    ^  |  |                | |
 *    |  |  | no             | +--whole, error, cut twice--> ENDED
 *    |  |  +--> ENDED       |
 *    |  | loading           | 5xx, cut, refused one thing, too long
 *    |  v                   v
 *   BACKOFF <---------------+
 *
 * Text goes out while it comes; everything else is told once, by on_end.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;
struct model_ask;
struct model_server;
struct put;
struct uv_loop_s;

enum { ASK_MAX_RETRIES = 3 };

struct model_tool_call {
	/* Owned by the ask. id: the server's, "" none; more: members of it nobody here knows, the
	 * inside of an object, or NULL. */
	const char *id, *name, *arguments, *more;
	bool
	    spoken; /* it was written as text (marks.h): a person decides, whatever is remembered */
};

struct model_result {
	const char *code;    /* NULL: good; else a TURN_ERROR_* */
	const char *message; /* sentence for code */
	const char *finish_reason;
	const char *dialect; /* what the server was spoken to in; static */
	unsigned dropped;    /* enum drop: what it refuses */
	bool has_usage;
	bool continued; /* it was cut and went on: the tokens are of two requests */
	uint64_t prompt_tokens, completion_tokens;
	const char *parts; /* JSON array: the order of its parts (protocol/payload.h), or NULL */
	const struct model_tool_call *calls; /* borrowed until on_end returns */
	size_t call_count;
};

struct model_ask_opts {
	struct model_server *server;
	const char *model;   /* "": what the server has loaded */
	const char *tools;   /* JSON array text, or NULL */
	uint64_t max_tokens; /* 0: the server's limit */
	/* What the settings want of a server that can be told (model/dialect.h). */
	uint64_t context_tokens;
	const char *keep_alive;
	uint64_t first_token_ms, idle_ms;
	bool no_ws;	  /* do not try the WebSocket */
	unsigned dropped; /* enum drop: what was refused before in what this asks about */
	/*
	 * The server is ready. model is the name that will be asked for, context_tokens the
	 * server's context (0 unknown). Once, before any text. False: what is asked does not fit,
	 * and the ask ends with TURN_ERROR_CONTEXT.
	 */
	bool (*on_ready)(void *data, const char *model, uint64_t context_tokens);
	/* A request is put: give system, items and count of what is asked, which must last until
	 * the next callback. At each try. */
	void (*on_prompt)(void *data, struct put *put);
	/* The server says that the prompt is too large. True: the next on_prompt gives a shorter
	 * one. */
	bool (*on_overflow)(void *data);
	void (*on_text)(void *data, bool thinking, const char *p, size_t n);
	void (*on_progress)(void *data, const char *phase, const char *message);
	/* The WebSocket cannot be had at this host: do not try it again. */
	void (*on_no_ws)(void *data);
	/* The preflight failed: a line for the log ("ECONNREFUSED host:1234"). */
	void (*on_preflight_failed)(void *data, const char *why);
	/* The last callback; the ask is freed afterwards. */
	void (*on_end)(void *data, const struct model_result *result);
	void *data;
};

/* Start; strings are copied. No callback fires before this returns. */
struct model_ask *model_ask_start(struct uv_loop_s *loop, const struct model_ask_opts *opts);

/* Tell the server to stop and drop the connection; no callback fires any more. NULL is allowed. */
void model_ask_cancel(struct model_ask *ask);

/* Pause or resume reading from the server (the log is behind). */
void model_ask_read(struct model_ask *ask, bool on);

#endif
