#ifndef PROTOCOL_PAYLOAD_H
#define PROTOCOL_PAYLOAD_H

/*
 * The payloads of events and the session snapshot, as JSON text, fields in the
 * contract's order. Pure; any thread. Each function appends to out.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;

/* A session as clients see it. Strings are borrowed. */
struct snapshot {
	const char *id, *model, *title;
	const char *metadata; /* JSON text of an object */
	int64_t created_ms, updated_ms;
	const char *status;	 /* idle, running, queued, waiting_permission */
	const char *active_turn; /* NULL: none */
	uint64_t queued_turns, turn_count, message_count, tool_calls, writer_count, last_seq;
};

/* Who asked for a turn; borrowed. */
struct turn_names {
	const char *turn_id, *writer_id, *client_id, *mode;
};

struct turn_stats {
	uint64_t tokens, prompt_tokens, completion_tokens, tool_calls;
	uint64_t elapsed_ms, first_token_ms;
	uint64_t context_tokens; /* of the context in use after the last answer; 0 unknown */
};

/* {"id":…,"sessionId":…,…} */
void payload_put_snapshot(struct buf *out, const struct snapshot *s);

/* The same without the closing brace, for routes that add fields. */
void payload_put_snapshot_open(struct buf *out, const struct snapshot *s);

void payload_put_updated(struct buf *out, const struct snapshot *s);
void payload_put_queued(struct buf *out, const struct turn_names *t, uint64_t queue_size,
    uint64_t position, const char *content, size_t content_len);
/* context_tokens: of the model, 0 unknown. */
void payload_put_start(
    struct buf *out, const struct turn_names *t, const char *model, uint64_t context_tokens);
void payload_put_text(struct buf *out, const char *turn_id, const char *text, size_t n);
void payload_put_progress(
    struct buf *out, const char *turn_id, const char *phase, const char *message);
/* One call of an answer. args: JSON text of an object, as it is shown and run. raw: as the model
 * sent it, where that differs; server_id: the model server's own id; more: members of the call that
 * nobody here knows, the inside of an object. NULL: none. */
struct payload_call {
	const char *id, *name, *args, *raw, *server_id, *more;
};

/* An answer of the model that calls tools: where it ends, who gave it, all its calls. */
struct payload_answer {
	const char *turn_id;
	unsigned number; /* of the turn's answers, from 1 */
	const char *server, *dialect, *model;
	const struct payload_call *calls;
	size_t count, dropped; /* dropped: calls past a limit, which are not in the list */
	/* JSON array: the order of the answer's parts (protocol/item.h); NULL: text, then calls. */
	const char *parts;
};
void payload_put_answer(struct buf *out, const struct payload_answer *a);

/* answer: the number of the answer it is of. */
void payload_put_tool_start(
    struct buf *out, const char *turn_id, unsigned answer, const struct payload_call *call);

struct tool_end {
	const char *name, *call_id, *result;
	bool ok, truncated, has_exit;
	int exit_code;
	uint64_t elapsed_ms;
};
void payload_put_tool_end(struct buf *out, const char *turn_id, const struct tool_end *e);

struct permission_request {
	const char *turn_id, *request_id, *call_id, *tool, *args /* JSON text */, *preview;
	int64_t expires_ms;
};
void payload_put_permission_request(struct buf *out, const struct permission_request *r);

struct permission_resolved {
	const char *turn_id, *request_id, *decision, *decided_by;
	const char *reason;  /* client, remembered, timeout, cancelled or restart */
	const char *call_id; /* NULL: not known */
	const char *answer;  /* a person's words with it, NULL: none */
};
void payload_put_permission_resolved(struct buf *out, const struct permission_resolved *r);

void payload_put_done(struct buf *out, const struct turn_names *t, const char *finish_reason,
    const struct turn_stats *stats);
void payload_put_error(
    struct buf *out, const struct turn_names *t, const char *message, const char *code);

#endif
