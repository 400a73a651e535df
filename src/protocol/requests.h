#ifndef PROTOCOL_REQUESTS_H
#define PROTOCOL_REQUESTS_H

/*
 * What clients ask for, checked: JSON bodies of the HTTP routes and WebSocket
 * frames to structs. Every field that is wrong is named, with the reason.
 * Pure; any thread. Strings are borrowed from the json_t the caller keeps.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/json.h"

/* Limits on what a client may send, in bytes. */
enum {
	REQUEST_MAX_BODY = 10 * 1024 * 1024,
	REQUEST_MAX_ID = 64,
	REQUEST_MAX_NAME = 200, /* client and writer ids, idempotency keys, model names */
	REQUEST_MAX_TITLE = 1000,
	REQUEST_MAX_METADATA = 64 * 1024,
	REQUEST_MAX_PATH = 4000,
	REQUEST_MAX_MESSAGES = 10000,
	REQUEST_MAX_COMMAND = 100000,
	REQUEST_MAX_POLL_MS = 10 * 60 * 1000,
};

/* What was wrong: the inside of the details array, and one sentence for the first. Zero-initialise;
 * problems_finish. */
struct problems {
	struct buf details;
	char first[256];
	size_t count;
};

/* Add {"field":field,"reason":reason}. */
void problems_add(struct problems *p, const char *field, const char *reason);
void problems_finish(struct problems *p);

struct request_session {
	const char *session_id; /* NULL: make one */
	const char *model;	/* NULL: not given */
	const char *title;	/* NULL: not given */
	const json_t *messages; /* NULL or an array of {role, content} */
	const json_t *metadata; /* NULL or an object */
	const char *workspace;	/* metadata.workspace, absolute; NULL: none, or a label */
};

/* What a turn may do beyond the settings. */
struct turn_overrides {
	bool allow_edits;	/* auto: edits without asking */
	bool allow_all;		/* dangerous: everything without asking */
	bool non_interactive;	/* nobody will answer: what must be asked is denied at once */
	int64_t max_tool_calls; /* 0: agent.maxToolCalls */
};

struct request_turn {
	const char *content;
	size_t content_len;
	const char *client_id, *writer_id, *mode;
	const char *idempotency_key; /* NULL: none */
	const json_t *metadata;	     /* NULL or an object */
	struct turn_overrides overrides;
	bool has_last_seen;
	uint64_t last_seen_seq;
};

struct request_cancel {
	const char *turn_id, *writer_id; /* NULL: any */
};

struct request_resolve {
	const char *request_id;
	bool allow, remember;
	const char *decided_by;
	const char *answer; /* for ask_user, or NULL */
};

struct request_background {
	const char *session_id, *command, *label /* NULL: none */, *cwd /* NULL: the workspace */;
	uint64_t timeout_ms; /* 0: the setting's */
	/* Not from the wire: which git directories outside the workspace it may write. */
	const json_t *repositories; /* array of paths, NULL: none */
	bool any_repository;
	bool unguarded; /* somebody agreed that not everything can be guarded */
	bool asked;	/* somebody agreed to its cwd, also outside the workspace */
};

/* Is id one a session may have: ^[a-zA-Z0-9_-]{1,64}$ */
bool request_id_ok(struct str id);

/* Check a body. True when it is good; else p names each problem and ret is undefined. */
bool request_session(const json_t *body, struct request_session *ret, struct problems *p);
bool request_turn(const json_t *body, struct request_turn *ret, struct problems *p);
bool request_resolve(const json_t *body, struct request_resolve *ret, struct problems *p);
bool request_background(const json_t *body, struct request_background *ret, struct problems *p);
bool request_cancel(const json_t *body, struct request_cancel *ret, struct problems *p);

#endif
