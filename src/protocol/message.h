#ifndef PROTOCOL_MESSAGE_H
#define PROTOCOL_MESSAGE_H

/*
 * Messages of a conversation as the OpenAI chat API writes them, and as history
 * keeps them: role first. Pure; any thread. Each function appends to out.
 */

#include <stddef.h>

struct buf;
struct json_t;

/* One tool call of an assistant's message. Borrowed. */
struct message_call {
	const char *id, *name;
	const char *args; /* JSON text as the model sent it */
};

void message_put_text(struct buf *out, const char *role, const char *text, size_t n);

/* text may be empty: then content is null, as a message of calls alone has it. */
void message_put_calls(
    struct buf *out, const char *text, size_t n, const struct message_call *calls, size_t count);

/* A message of a client as history keeps it; message is an object with a role and loses it. */
void message_put(struct buf *out, struct json_t *message);

/* A tool's result. */
void message_put_result(struct buf *out, const char *call_id, const char *text, size_t n);

#endif
