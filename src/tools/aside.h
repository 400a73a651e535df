#ifndef TOOLS_ASIDE_H
#define TOOLS_ASIDE_H

/*
 * Control files (control.h) that a command made where there were none: there was nothing to mount
 * over, so they are put aside once they are there, under a name that no program looks for. Of a new
 * repository only what makes git run something. For the supervisor; blocks.
 */

struct buf;
struct repository_guards;

/* What stands behind the name of a file that was put aside. */
#define ASIDE_SUFFIX ".opta-unapproved"

/*
 * Look through the workspace, as far as the guards' own look goes, for what is not known to them. A
 * line for each file that was put aside is appended to told. Follows no link.
 */
void aside_put(const char *workspace, const struct repository_guards *known, struct buf *told);

#endif
