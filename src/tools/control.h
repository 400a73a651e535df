#ifndef TOOLS_CONTROL_H
#define TOOLS_CONTROL_H

/*
 * Control files: what the person's own git, shell or editor runs things from, without being asked.
 * A tool that may write them may do anything, later and outside of its sandbox, so they are never
 * written before a person agreed to that very file. By the real path, whatever link led there.
 */

#include <stdbool.h>

/*
 * Is the file or directory at path (absolute, through no link) one, or does it lie in one?
 * workspace is the real path of the workspace, home that of the person's home directory or NULL.
 * Looks at the directories on the way: a git directory is one by what it holds, not by its name,
 * and also the entry that would complete it counts.
 */
bool control_is(const char *path, const char *workspace, const char *home);

/* Is a file of this name one, wherever it lies? n bytes. */
bool control_name(const char *name, unsigned long n);

/* Does the directory hold what makes git take it for a git directory? */
bool control_git_directory(const char *path);

/* Is path (real) a home directory: home, or one where they usually are? */
bool control_home(const char *path, const char *home);

#endif
