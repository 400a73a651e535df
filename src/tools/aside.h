#ifndef TOOLS_ASIDE_H
#define TOOLS_ASIDE_H

/*
 * Control files (control.h) that a command made where there were none: there was nothing to mount
 * over, so they are put aside once they are there, under a name that no program looks for. Of a new
 * repository only what makes git run something. For the supervisor; blocks.
 */

#include <stdbool.h>

struct buf;
struct repository_guards;

/* What stands behind the name of a file that was put aside. */
#define ASIDE_SUFFIX ".opta-unapproved"

/*
 * Look through the workspace, and through the new git directories within repository when it lies
 * outside and could be written (NULL: none), for what is not known to the guards. A line for each
 * file that was put aside is appended to told, and when the call has ended one that says that the
 * look did not get through, if it did not. Follows no link.
 */
void aside_put(const char *workspace, const char *repository, const struct repository_guards *known,
    bool ended, struct buf *told);

#endif
