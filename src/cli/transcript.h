#ifndef CLI_TRANSCRIPT_H
#define CLI_TRANSCRIPT_H

/* A stored session as text: what `sessions show`, `sessions export` and chat's /export write. Pure.
 */

#include <jansson.h>
#include <stdbool.h>

struct buf;
struct view;

/* Append the session (GET /v3/sessions/:id) as a Markdown document. */
void transcript_put_markdown(struct buf *out, const json_t *session);

/*
 * Append its messages as they look on a terminal; compact: a line or two each. last: only so many
 * of them, 0: all.
 */
void transcript_put_messages(
    struct buf *out, const struct view *v, const json_t *session, bool compact, size_t last);

/* The text of a message's content: a string, or the text parts of a list; appended to out. */
void transcript_put_content(struct buf *out, const json_t *message);

#endif
