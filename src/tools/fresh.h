#ifndef TOOLS_FRESH_H
#define TOOLS_FRESH_H

/*
 * A git directory that a call made: what in it makes git run something is put aside (shelf.h). A
 * part of aside.h. For the supervisor; blocks.
 */

#include <stdbool.h>

struct shelf;

/* What stands in a worktree: where its git directory lies. */
struct fresh_worktree {
	int dir;	  /* the directory of the worktree */
	const char *path; /* where that is */
	const char *name; /* what in it makes it one: ".git", or "HEAD" of a bare one */
	const char *git;  /* the git directory */
};

/*
 * Look at the git directory `git`, open, which is at path, and at those within it. linked: it
 * stands where git has that of a linked worktree. In what was there before the call only new ones
 * within are looked at.
 */
void fresh_git(struct shelf *s, int git, const char *path, bool linked);

/* The same for the one at path, wherever it lies. */
void fresh_git_at(struct shelf *s, const char *path);

/*
 * The settings of a repository that is not new, and the person's own, name files of this new
 * worktree: those that the call made are put aside; where one is older, the worktree's own entry
 * is.
 */
void fresh_worktree(struct shelf *s, const struct fresh_worktree *w);

#endif
