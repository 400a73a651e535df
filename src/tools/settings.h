#ifndef TOOLS_SETTINGS_H
#define TOOLS_SETTINGS_H

/*
 * The files in the workspace that git would run, or read more settings from, because its
 * configuration names them (named.h): the repository's, the person's and the system's. For the
 * supervisor; blocks.
 */

#include <stdbool.h>

struct guards;

/*
 * Add those of the git directory `git` (real), and the worktree of a submodule that its
 * configuration gives. top: where a worktree of it is known to be, NULL: nowhere. The person's own
 * settings hold there too.
 */
void settings_guard(struct guards *g, const char *git, const char *top);

/* Where does core.worktree of the configuration of git lead? False: there is none, or nothing is
 * there. out has REPOSITORY_MAX_PATH bytes. */
bool settings_worktree(const char *git, char *out);

/*
 * Of a worktree at top that a call made, whose git directory is `git`: tell of each path that would
 * be run. False: nobody can say which those are.
 */
bool settings_name(const char *git, const char *top, const struct guards *g, void *data,
    void (*found)(void *data, const char *path, bool whole));

#endif
