#ifndef MODEL_DIALECT_H
#define MODEL_DIALECT_H

/*
 * How a kind of model server is spoken to: where it is asked, how a question is put, what its
 * messages say. One const row each; the rest of the house knows items and asks, not JSON. Pure: no
 * socket, no clock, no file. One thread.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;
struct delta;
struct item;
struct str;

/* How messages come: as server-sent events or lines of an HTTP answer, or over a WebSocket. */
enum framing { FRAMING_SSE, FRAMING_LINES, FRAMING_WS };

/* What a server refused, and is not sent again (model/negotiation.h). */
enum drop {
	DROP_TOOLS = 1 << 0,
	DROP_USAGE = 1 << 1,	  /* stream_options */
	DROP_MAX_TOKENS = 1 << 2, /* is called max_completion_tokens */
	DROP_TOOL_CHOICE = 1 << 3,
	DROP_SYSTEM = 1 << 4, /* the system's words stand before the first user's */
};

/* One try at a question. All borrowed. */
struct put {
	const char *model;
	const char *server; /* its name: what it sealed goes back to it and its model alone */
	const char *request_id;
	const char *system;
	const char *tools; /* JSON array text, or NULL */
	const struct item *const *items;
	size_t count;
	uint64_t max_tokens; /* 0: the server's limit */
	unsigned dropped;    /* enum drop */
	bool go_on; /* the last item is an answer that was cut: it is to go on where it stopped */
};

struct dialect {
	const char *name;
	const char *path; /* behind the server's base */
	enum framing framing;
	size_t max_message; /* bytes of one; longer ones end the answer */
	const struct dialect
	    *fallback; /* where it cannot be had, before the first delta; or NULL */
	void (*put_request)(struct buf *out, const struct put *put);
	/* What tells the server to stop, or NULL. */
	void (*put_cancel)(struct buf *out, const char *request_id);
	/*
	 * One message; event is the name of its server-sent event, empty for none. As delta_parse:
	 * 0, and the caller calls delta_finish, or ERR_SYNTAX.
	 */
	int (*take)(struct str event, const char *p, size_t n, struct delta *ret);
};

extern const struct dialect dialect_openai_chat, dialect_lmx_ws;

/* The members that the OpenAI chat API and LMX share, as the inside of an object. */
void openai_chat_put_members(struct buf *out, const struct put *put);

#endif
