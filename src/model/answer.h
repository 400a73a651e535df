#ifndef MODEL_ANSWER_H
#define MODEL_ANSWER_H

/*
 * One answer as it comes: its texts told from its thoughts, its calls put together, its tokens
 * counted, within the limits of an answer. Pure; one thread.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "model/assembly.h"
#include "model/marks.h"

struct delta;
struct model_text;

enum {
	ANSWER_MAX_BYTES = 16 * 1024 * 1024, /* of text and calls */
	ANSWER_MAX_PARTS = 1000, /* told in their order; of more the order is lost, not the text */
	ANSWER_MAX_DELTAS = 4 * 1000 * 1000, /* messages: each is an event */
	/* An answer that goes on may repeat so many bytes of its end; fewer are chance. */
	ANSWER_MIN_OVERLAP = 16,
	ANSWER_MAX_OVERLAP = 200,
	ANSWER_JOIN_MS = 1000, /* what may be such a repetition is held back no longer */
};

enum answer_kind { ANSWER_TEXT, ANSWER_THINKING, ANSWER_CALL };

/* One of its parts, in the order they came. */
struct answer_part {
	enum answer_kind kind;
	const char *field; /* of a thought: the member it came under, static; NULL: not told */
	bool tagged;	   /* of a thought: it stood in the text */
	bool hidden;	   /* of a thought: it has no text */
	char *opaque;	   /* owned; of a thought: what goes back with it, or NULL */
};

struct answer {
	struct model_text *text; /* owned */
	struct marks marks;	 /* what the text passes next */
	struct assembly assembly;
	struct answer_part *parts; /* owned: up to ANSWER_MAX_PARTS; NULL: none yet */
	size_t part_count;
	const char *thinking_name;   /* the member thoughts come under; static */
	size_t bytes, deltas, texts; /* texts: bytes of text that was told */
	bool got_delta, got_finish, has_usage, refused, server_thinks;
	uint64_t prompt_tokens, completion_tokens;
	/* Of requests whose answers were cut and went on: tokens, and the text's end. */
	uint64_t cut_prompt_tokens, cut_completion_tokens;
	size_t try_deltas; /* of the request that goes on now */
	char tail[ANSWER_MAX_OVERLAP];
	size_t tail_len;
	struct buf joint; /* what came first since, and may repeat that end */
	uint64_t joint_us;
	bool joining;
	char finish_reason[32], request_id[128];
	void (*on_text)(void *data, bool thinking, const char *p, size_t n);
	void (*on_thought)(void *data);
	void *data;
};

/* A new one in a. on_text: a piece of it, valid UTF-8; on_thought: the text so far was thought.
 * answer_free ends it. */
void answer_init(struct answer *a,
    void (*on_text)(void *data, bool thinking, const char *p, size_t n),
    void (*on_thought)(void *data), void *data);
void answer_free(struct answer *a);

/* Take one message that is no error. ERR_LIMIT: the answer is too large; on_text may have ended
 * whoever owns a. */
int answer_take(struct answer *a, const struct delta *d);

/*
 * It is whole: what was held back goes out, the calls are what they should be. offered: was a tool
 * of that name offered, so that a call of it which is written as text can be one? asked with data.
 */
void answer_end(struct answer *a, bool (*offered)(void *data, const char *name));

/*
 * Its connection was lost and the model is asked to go on: what was half said (a call, a character)
 * is dropped, the rest stays. What repeats the text's end will be cut.
 */
void answer_cut(struct answer *a);

/* Tokens of all its requests together; of those that were not counted, its messages. */
uint64_t answer_prompt_tokens(const struct answer *a);
uint64_t answer_completion_tokens(const struct answer *a);

/* Append the order of its parts as a JSON array; nothing when it is text and then calls. */
void answer_put_parts(const struct answer *a, struct buf *out);

#endif
