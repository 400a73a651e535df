#ifndef STORE_PACK_H
#define STORE_PACK_H

/*
 * Frames of a segment as they rest on disk once their turn has ended: what is
 * the same in every envelope is stored once, what differs lies in columns, and
 * the whole is one zstd frame with a checksum (RFC 8878). A token of five
 * letters is some 300 bytes as a frame and about six packed.
 *
 * Before compression: the number of frames, daemon id, session id, the time of
 * the first, the names of the kinds of event; then one column each for kinds,
 * time steps, and of each payload how much begins and ends like the last one
 * of its kind and how long the rest is; then those rests. Numbers are varints
 * (LEB128), those with a sign zigzag; texts and columns follow their length.
 *
 * Pure; any thread.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;

enum {
	/* So many bytes of frames go into one row, if they are of more than one: what a reader
	 * unpacks, and a cursor holds, at a time. */
	PACK_BYTES = 128 * 1024,
	/* Frames larger than this together are never packed, and no packed bytes are believed
	 * that claim to be more. */
	PACK_MAX_BYTES = 32 * 1024 * 1024,
};

/*
 * Append to out the packed form of the frames first_seq … last_seq in p[0..n).
 * False, and out is as it was, when they could not be had back byte for byte:
 * envelopes of several daemons or sessions, too large, or not written by us.
 */
bool pack_frames(uint64_t first_seq, uint64_t last_seq, const char *p, size_t n, struct buf *out);

/* Append to out the frames first_seq … last_seq that p[0..n) holds. False when it is damaged; out
 * may have grown. */
bool pack_open(uint64_t first_seq, uint64_t last_seq, const char *p, size_t n, struct buf *out);

#endif
