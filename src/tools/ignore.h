#ifndef TOOLS_IGNORE_H
#define TOOLS_IGNORE_H

/*
 * What .gitignore files say (gitignore(5)): a stack of them, one for each
 * directory between the workspace and where a walk stands. One thread.
 */

#include <stdbool.h>
#include <stddef.h>

struct ignore;

/* The rules of one directory; below is the rules of its parent (NULL: none), borrowed. text is a
 * .gitignore's content, n 0 for none; at is the directory's path from the workspace, "" for it
 * itself. */
struct ignore *ignore_new(const struct ignore *below, const char *at, const char *text, size_t n);
void ignore_free(struct ignore *i);

/* Is the path (from the workspace) ignored? .git always is. */
bool ignore_has(const struct ignore *i, const char *path, bool directory);

/*
 * Does path fit the glob? "*" and "?" stay within a part, "**" spans parts, and a
 * pattern without "/" fits the last part of any path.
 */
bool ignore_glob(const char *pattern, const char *path);

#endif
