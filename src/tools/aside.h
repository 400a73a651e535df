#ifndef TOOLS_ASIDE_H
#define TOOLS_ASIDE_H

/*
 * Control files (control.h) that a command made where there were none: there was nothing to mount
 * over, so they are put aside once they are there, under a name that no program looks for. Of a new
 * repository only what makes git run something. What was there before the call is never changed.
 * For the supervisor; blocks.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

struct guards;

/* What stands behind the name of a file that was put aside. */
#define ASIDE_SUFFIX ".opta-unapproved"

/* What there is to say of it, over all looks of a call. */
struct aside_told {
	struct buf put;	 /* a line for each file that was put aside */
	struct buf left; /* what could not be, or was not looked at: the call has failed */
	struct buf note; /* what a person knew before the call */
	size_t put_more, left_more;
};

/*
 * Look through the workspace, and through the new git directories within repository when it lies
 * outside and could be written (NULL: none), for what is not known to the guards. What could not be
 * done is told when the call has ended. Follows no link.
 */
void aside_put(
    const char *repository, const struct guards *known, bool ended, struct aside_told *told);

/* Only what would lead git to another configuration: quick, for as often as somebody looks. */
void aside_put_absent(const struct guards *known, bool ended, struct aside_told *told);

/* All of it as text, the worst first. */
void aside_told_put(const struct aside_told *told, struct buf *out);
void aside_told_finish(struct aside_told *told);

#endif
