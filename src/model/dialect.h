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
	DROP_CACHE = 1 << 5,  /* marks up to where the server may keep what it read */
	DROP_SEALS = 1 << 6,  /* reasoning that is sealed */
	DROP_ALL = (1 << 7) - 1,
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
	uint64_t max_tokens;	 /* 0: the server's limit */
	uint64_t context_tokens; /* the context the settings want, 0: the server's own */
	const char
	    *keep_alive;  /* how long the model stays loaded; NULL or "": as the server likes */
	unsigned dropped; /* enum drop */
	bool go_on; /* the last item is an answer that was cut: it is to go on where it stopped */
};

struct dialect {
	const char *name;
	const char *path;  /* behind the server's base */
	const char *list;  /* likewise: which models there are */
	unsigned can_drop; /* enum drop: what it has that may be left out */
	enum framing framing;
	size_t max_message; /* bytes of one; longer ones end the answer */
	const struct dialect
	    *fallback; /* where it cannot be had, before the first delta; or NULL */
	/* Header lines; key may be "". */
	void (*put_headers)(struct buf *out, const char *key);
	void (*put_request)(struct buf *out, const struct put *put);
	/* What tells the server to stop, or NULL. */
	void (*put_cancel)(struct buf *out, const char *request_id);
	/*
	 * One message; event is the name of its server-sent event, empty for none. As delta_parse:
	 * 0, and the caller calls delta_finish, or ERR_SYNTAX.
	 */
	int (*take)(struct str event, const char *p, size_t n, struct delta *ret);
};

extern const struct dialect dialect_openai_chat, dialect_lmx_ws, dialect_ollama, dialect_anthropic,
    dialect_responses;

/* The row of that name, or NULL. */
const struct dialect *dialect_find(const char *name);

/* A bearer token, or nothing. */
void dialect_put_bearer(struct buf *out, const char *key);

/*
 * Call back for each function in tools (as the chat API has them): its name, its description (""
 * for none) and the JSON text of its parameters. Borrowed until return.
 */
void dialect_each_tool(const char *tools,
    void (*on_tool)(void *data, const char *name, const char *description, struct str parameters),
    void *data);

/* The members that the OpenAI chat API and LMX share, as the inside of an object. */
void openai_chat_put_members(struct buf *out, const struct put *put);

#endif
