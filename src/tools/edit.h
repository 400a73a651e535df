#ifndef TOOLS_EDIT_H
#define TOOLS_EDIT_H

/* Replacing exact text in a file: what edit_file and multi_edit share. In the sandboxed process. */

#include <stdbool.h>

#include <jansson.h>

struct tool_call;

/*
 * Apply edits (an array of {old, new, all?}) to the file at path, each on what the one
 * before left, all or none. With write false only the diff is made, as a preview.
 */
void edit_apply(struct tool_call *call, const char *path, const json_t *edits, bool write);

#endif
