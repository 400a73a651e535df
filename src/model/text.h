#ifndef MODEL_TEXT_H
#define MODEL_TEXT_H

/*
 * The text of an answer on its way from deltas to events: characters cut over
 * two deltas are joined, bytes that are no UTF-8 become U+FFFD, and a leading
 * <think> … </think> is told from the answer. Nothing else is changed: no
 * trimming, no merging, no splitting. One thread.
 */

#include <stdbool.h>
#include <stddef.h>

struct model_text;

/* A piece of answer or of thinking: valid UTF-8, not empty, valid until return. */
typedef void model_text_cb(void *data, bool thinking, const char *p, size_t n);

struct model_text *model_text_new(model_text_cb *on_text, void *data);
void model_text_free(struct model_text *t);

/* One delta. thinking: the server itself calls it thinking (then tags are not looked for). */
void model_text_feed(struct model_text *t, bool thinking, const char *p, size_t n);

/* The answer ended: what was held back goes out. */
void model_text_end(struct model_text *t);

#endif
