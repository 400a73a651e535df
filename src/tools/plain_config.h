#ifndef TOOLS_PLAIN_CONFIG_H
#define TOOLS_PLAIN_CONFIG_H

/* Is the configuration of a new repository what git itself writes, which runs nothing? For the
 * supervisor; blocks. */

#include <stdbool.h>

/*
 * The file `name` in the git directory git, which is at path (real). A worktree that it gives must
 * lie in the workspace and name that directory back. What is not there is plain; a link, and what
 * cannot be read or is written in an odd way, is not.
 */
bool plain_config(int git, const char *path, const char *name, const char *workspace);

#endif
