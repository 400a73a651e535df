#ifndef TOOLS_REPOSITORY_H
#define TOOLS_REPOSITORY_H

/*
 * The git repository a command works in, and what of it a command must not change: git runs
 * programs that its configuration, hooks and attributes name, for the person as well. For the
 * supervisor, while it sees the system as it is. Blocks.
 */

#include <stdbool.h>
#include <stddef.h>

#include <sys/types.h>
#include <time.h>

#include "base/map.h"
#include "tools/mounts.h"

enum {
	REPOSITORY_MAX_PATH = 4096,
	REPOSITORY_MAX_GUARDS = 2048, /* what is found past that is only watched */
	REPOSITORY_MAX_ABSENT = 128,
	REPOSITORY_MAX_LINKS = 64,
	REPOSITORY_MAX_NAMED = 1024,
};

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

/* A control file or a directory of a repository that was there before the call. */
struct repository_known {
	char *path; /* owned */
	dev_t dev;
	ino_t ino;
	size_t guard; /* its place among the guards and 1; 0: it is only watched */
};

/* A file in the workspace that the configuration of git names; it may not be there. */
struct repository_named {
	char *spelled; /* as it was named, absolute; owned */
	char *path;    /* without a link but the last; owned */
	char *real;    /* what it leads to, NULL: nothing is there; owned */
	dev_t dev;
	ino_t ino;
	bool whole; /* what lies in it counts too */
};

/* Paths to guard (struct mounts_guard), in the order they must be mounted. */
struct repository_guards {
	struct mounts_guard all[REPOSITORY_MAX_GUARDS];
	size_t count;
	/* Files that would lead git to another configuration. They are not there, so there is
	   nothing to mount over: whoever watches the call removes them when they appear. */
	char *absent[REPOSITORY_MAX_ABSENT];
	size_t absent_count;
	/* Links in the place of control files: nothing is mounted over a link. */
	struct {
		char *path, *target;
	} links[REPOSITORY_MAX_LINKS];
	size_t link_count;
	struct repository_named named[REPOSITORY_MAX_NAMED];
	size_t named_count;
	struct map known;      /* of struct repository_known by path, owned; guarded ones too */
	struct timespec start; /* what was changed later was changed by the call */
	const char *home;      /* borrowed, NULL: none */
	bool notes;	       /* nothing is made */
	bool incomplete;       /* not everything was seen: what is not known may have been there */
};

/*
 * What must stay as it is while a command may write the workspace, and the repository's directories
 * when writable is set: of each git directory its configuration, hooks and attributes (missing
 * directories of those are made, empty); other control files that lie in the workspace, as far as
 * the limits of look.h go (in node_modules, which package managers remove, they are only known, not
 * guarded); home, when it lies in the workspace. Free with
 * repository_guards_finish.
 */
void repository_guard(const char *workspace, const struct repository *r, bool writable,
    const char *home, struct repository_guards *ret);
/* The same without making anything: to know what is there before a file tool writes. */
void repository_note(const char *workspace, const struct repository *r, const char *home,
    struct repository_guards *ret);
/* Is path (real) one that the configuration names, or does it lie in one? */
bool repository_names(const struct repository_guards *g, const char *path);
/* Is an entry of this name one that is guarded, wherever it lies in the workspace? */
bool repository_guards_name(const char *name);

/*
 * Does the new `.git` file in dir lead to a git directory outside the workspace, or to one that is
 * guarded, or to one where git puts a submodule's and a worktree's? That one, whose real path is
 * then in at (REPOSITORY_MAX_PATH bytes), may be new: its own files are still to be looked at.
 */
bool repository_file_is_sound(
    const char *dir, const char *workspace, const struct repository_guards *known, char *at);

void repository_guards_finish(struct repository_guards *g);

#endif
