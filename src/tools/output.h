#ifndef TOOLS_OUTPUT_H
#define TOOLS_OUTPUT_H

/*
 * What a command wrote: its head and tail for the model, the middle counted,
 * and all of it in an artifact file once it is more than that. For the supervisor.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;
struct output;

enum {
	OUTPUT_HEAD = 16 * 1024, /* kept of the beginning, and as much of the end */
	OUTPUT_TAIL = 16 * 1024,
	OUTPUT_MAX_ARTIFACT = 256 * 1024 * 1024, /* of one call; more is counted and dropped */
};

/* dir: a descriptor of the sessions directory, borrowed (-1: no artifacts); session, call: names
 * there, borrowed. */
struct output *output_new(int dir, const char *session, const char *call);
void output_free(struct output *o);

/* Take n bytes. May block on the disk. */
void output_add(struct output *o, const char *p, size_t n);

/*
 * Append what the model is told: text as it is (bad UTF-8 as U+FFFD), of long output
 * head and tail with what is left out and where all of it is; binary output is only named.
 * *ret_dir_existed: the artifact directory was there already.
 */
void output_put(struct output *o, struct buf *out, bool *ret_truncated, bool *ret_dir_existed);

#endif
