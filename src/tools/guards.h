#ifndef TOOLS_GUARDS_H
#define TOOLS_GUARDS_H

/*
 * What a call must leave as it is: control files (control.h), the directories of repositories, and
 * what leads to them. A list that survey.h fills before the call, mounts.h keeps in place while a
 * command runs, and aside.h compares with what is there afterwards. For the supervisor; blocks.
 *
 * A list that could not be made whole says why in `missing`: then nothing runs unasked.
 */

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <time.h>

#include "base/map.h"
#include "tools/mounts.h"

enum {
	GUARDS_MAX = 8192,	   /* mounts: 2,000 repositories; the kernel allows 100,000 */
	GUARDS_MAX_NAMED = 32768,  /* files that something names */
	GUARDS_MAX_LINKS = 131072, /* links on the way to any of it */
	GUARDS_MAX_ABSENT = 16384,
	GUARDS_MAX_REASON = 600,
};

/* A control file or a directory of a repository that was there before the call. */
struct guards_known {
	char *path; /* owned */
	dev_t dev;
	ino_t ino;
	char inode[48]; /* device and number, as text */
	size_t guard;	/* its place among the guards and 1; 0: it is only watched */
	bool surveyed;	/* a git directory all of whose parts were added */
};

/* A file in the workspace that git's configuration or a link names; it may not be there. */
struct guards_named {
	char *spelled; /* as it was named, absolute; owned */
	char *path;    /* without a link, as far as it is there; owned */
	bool there;
	dev_t dev;
	ino_t ino;
	bool whole; /* what lies in it counts too */
};

/* A symbolic link in the workspace; nothing can be mounted over one. */
struct guards_link {
	char *path, *target; /* owned */
};

struct guards {
	const char *workspace;	  /* its real path; borrowed */
	const char *home;	  /* borrowed, NULL: none */
	struct mounts_guard *all; /* owned; in the order they must be mounted */
	size_t count, cap;
	/* Files that would lead git to another configuration, which are not there. */
	char **absent; /* owned */
	size_t absent_count, absent_cap;
	struct map known;      /* of struct guards_known by path, owned; guarded ones too */
	struct map mounted;    /* those of them that are guards, by inode */
	struct map links;      /* of struct guards_link by path, owned */
	struct map named;      /* of struct guards_named by spelled, owned */
	struct timespec start; /* what was changed later was changed by the call */
	bool notes;	       /* nothing is made */
	int nested;	       /* how deep the links go that are followed now */
	char missing[GUARDS_MAX_REASON]; /* why not everything is guarded; "": everything is */
};

/* Begin an empty list; the strings are borrowed for its life. notes: nothing on the disk is to be
 * changed for it. */
void guards_init(struct guards *g, const char *workspace, const char *home, bool notes);
void guards_finish(struct guards *g);

/* Something could not be seen or guarded. The first sentence is kept. */
void guards_miss(struct guards *g, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* The real path stays where it is, and as it is when readonly. Nothing happens where nothing is;
 * of a link what it leads to is named. */
void guards_add(struct guards *g, const char *path, bool readonly);
void guards_add_below(struct guards *g, const char *dir, const char *name, bool readonly);
/* All directories from below the workspace down to dir stay where they are, so that nothing else
 * can take the place of what lies there. */
void guards_add_way(struct guards *g, const char *dir);
/* It is known, and may be removed. */
void guards_watch(struct guards *g, const char *path);
/* All parts of the git directory are added by the caller; false: they were before. */
bool guards_add_git(struct guards *g, const char *path);
/* dir/name is not there; when it appears it is put aside. */
void guards_add_absent(struct guards *g, const char *dir, const char *name);

/*
 * Something runs the file that `spelled` (absolute, through any links) leads to, now or once it is
 * there; with whole also what lies in it, and what links in it lead to. Outside the workspace
 * nothing is guarded but the links that lie in it.
 */
void guards_add_named(struct guards *g, const char *spelled, bool whole);
/* The links that path (absolute) goes through, itself included, stay as they are. */
void guards_add_links_of(struct guards *g, const char *path);
/* What the links in the directory at path (real) lead to, at any depth. */
void guards_add_links_in(struct guards *g, const char *path);

/* Is path (real) named, does it lie in what is, or is it a link on the way to it? */
bool guards_names(const struct guards *g, const char *path);
/* What was there before under that path, or NULL. */
const struct guards_known *guards_known(const struct guards *g, const char *path);
/* Is the file or directory one that is guarded, wherever it was moved to with what holds it? */
bool guards_holds(const struct guards *g, dev_t dev, ino_t ino);
/* It is the link that it was. */
bool guards_knows_link(const struct guards *g, const char *path, const char *target);

#endif
