#ifndef TOOLS_REPOSITORY_H
#define TOOLS_REPOSITORY_H

/* The git repository a command works in, found as git finds it. For the supervisor, while it sees
 * the system as it is. Blocks. */

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum { REPOSITORY_MAX_PATH = 4096 };

struct repository {
	char git[REPOSITORY_MAX_PATH];	  /* of this worktree: index, HEAD; real path, "" none */
	char top[REPOSITORY_MAX_PATH];	  /* the directory it was found in */
	char common[REPOSITORY_MAX_PATH]; /* objects, refs, configuration; mostly the same */
	bool outside;			  /* one of them lies outside the workspace */
};

/*
 * Find the repository that git would find in workspace (a real path): in it or above it, through
 * links, `.git` files of linked worktrees and submodules. What only looks like one is none, and so
 * is one that a `.git` file in the workspace names but that does not name it back.
 */
void repository_find(const char *workspace, struct repository *ret);

/* --- parts of it --- */

/* Is there something of that kind (S_IFDIR, …) at path itself? */
bool repository_is_kind(const char *path, mode_t kind);
/* What a small file (or what a link there leads to) says behind `head`, into out. False: nothing
 * that git would take. */
bool repository_line(const char *path, const char *head, char *out, size_t size);
/* The real path of `to`, as it is written in a file of dir; out has REPOSITORY_MAX_PATH bytes.
 * False: there is none. */
bool repository_resolve(const char *dir, const char *to, char *out);
/* The directory with the configuration of the git directory `git`: another one for a linked
 * worktree, else itself. out as above. */
void repository_common(const char *git, char *out);
/* Is it a git directory, or what a command has left of one? */
bool repository_was(const char *path);

#endif
