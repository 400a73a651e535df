#ifndef TOOLS_GUARD_H
#define TOOLS_GUARD_H

/* Stops a file tool before a control file (control.h) that nobody agreed to. In the process of a
 * call. */

#include <stdbool.h>

struct tool_call;

/*
 * May the call write `rest` (a path, "" for the directory itself) below the directory dir? The real
 * path decides, so this is asked of the very descriptor that is written through. False and the call
 * has failed with a sentence, and control_found names the file, when it is a control file that was
 * not agreed to; a preview only notes it. Leaves the working directory as it was.
 */
bool guard_allows(struct tool_call *call, int dir, const char *rest);

#endif
