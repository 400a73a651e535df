#ifndef STORE_SEGMENT_H
#define STORE_SEGMENT_H

/*
 * A run of consecutive events of one session as ready-made WebSocket frames
 * (protocol/envelope.h), immutable and counted by reference. Loop thread, but
 * for segment_new and reading an owned one, which any thread may do.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;

struct segment {
	unsigned refs;
	uint64_t first_seq, last_seq;
	size_t len;
	char bytes[]; /* len bytes of frames */
};

/* Room at the beginning of a buf for what becomes a segment; frames are appended then. */
void segment_begin(struct buf *b);

/* The frames first_seq … last_seq appended to b since segment_begin as a segment with one
 * reference, in the memory of b, which is empty afterwards. */
struct segment *segment_end(struct buf *b, uint64_t first_seq, uint64_t last_seq);

/* A segment with one reference, its bytes copied from p. */
struct segment *segment_new(uint64_t first_seq, uint64_t last_seq, const char *p, size_t len);

struct segment *segment_ref(struct segment *s);

/* Drop a reference; the last one frees. NULL is allowed. */
void segment_unref(struct segment *s);

/* Are these n bytes exactly the frames of first_seq..last_seq, as far as their lengths tell? */
bool segment_is_whole(uint64_t first_seq, uint64_t last_seq, const char *p, size_t n);

/* Where the frame of seq begins (first_seq <= seq <= last_seq); len when the bytes are damaged. */
size_t segment_find(const struct segment *s, uint64_t seq);

#endif
