#ifndef SESSION_PREVIEW_H
#define SESSION_PREVIEW_H

/*
 * What a person is shown of a call when no file may be opened yet: made from its arguments alone,
 * so that nothing can be learned of a path before somebody agreed to it. Pure.
 */

#include <jansson.h>

struct buf;
struct tool;

/* Append it. args are checked against the tool's schema; args_text is what the model sent. */
void preview_put(struct buf *out, const struct tool *tool, const json_t *args,
    const char *args_text, const char *workspace);

#endif
