#ifndef TOOLS_LOOK_H
#define TOOLS_LOOK_H

/*
 * A look at every directory of a tree for control files (control.h) and git directories: hidden
 * ones too, at any depth, as git goes into them all. Follows no link and holds no descriptor while
 * it is deeper, so that neither depth nor a swap meanwhile leads it astray. For the supervisor;
 * blocks, but not longer than it was told.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	LOOK_ENTRIES = 200000, /* of the tree; below a second when they are in memory */
	LOOK_OPENED = 256,     /* directories whose mode is changed for the time of a look */
	LOOK_WHY = 500,
	LOOK_US = 5 * 1000 * 1000, /* for one look, however slow the disk is */
	LOOK_SOON_US = 500 * 1000, /* for one while a command runs and its output waits */
};

struct look {
	const char *root; /* real path */
	size_t entries;	  /* how many are looked at, at most */
	uint64_t us;	  /* for how long, at most */
	void *data;
	/* A directory with the name of a control file: is what lies in it looked at? */
	bool (*enter)(void *data, const char *path);
	/* An entry with the name of a control file, once all below it was seen. */
	void (*entry)(void *data, int dir, const char *path, const char *name);
	/* The directory itself holds what makes git take it for a git directory. */
	void (*git)(void *data, int dir, const char *path);
	char why[LOOK_WHY]; /* why it did not get through */
};

/* False: a limit was reached, or something could not be opened that may hold more: look->why. */
bool look_through(struct look *look);

/*
 * Open a directory below dir, through no link; one of our own that may not be listed is made so,
 * until look_restore. A descriptor, or -1 with errno.
 */
int look_open(int dir, const char *path);

/* The same for an absolute path, which must be real. */
int look_open_at(const char *path);

/* Directories that look_open changed get back the mode they had. */
void look_restore(void);

/* Could nobody with our rights enter the directory dir/path, which cannot be opened? Then nothing
 * can have been put there. */
bool look_is_shut(int dir, const char *path);

#endif
