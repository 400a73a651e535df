#ifndef TOOLS_SURVEY_H
#define TOOLS_SURVEY_H

/*
 * The look at a workspace before a call: what is there that the call must leave as it is. For the
 * supervisor, while it sees the system as it is. Blocks.
 */

#include <stdbool.h>

struct guards;
struct repository;

/*
 * What must stay as it is while a command may write the workspace, and the repository's directories
 * when writable is set: of each git directory its configuration, hooks and attributes (missing
 * directories of those are made, empty); other control files that lie in the workspace (in
 * node_modules, which package managers remove, they are only known); what links there lead to; the
 * home directory, when it lies in the workspace. A list for notes (guards_init) makes nothing: to
 * know what is there before a file tool writes. What did not get through is in g->missing.
 */
void survey(struct guards *g, const struct repository *r, bool writable);

/* Is an entry of this name one that is guarded, wherever it lies in the workspace? */
bool survey_name(const char *name);

#endif
