#ifndef TOOLS_MOUNTS_H
#define TOOLS_MOUNTS_H

/*
 * The view of the system a tool gets, in its own mount namespace: all of it
 * read-only but the workspace, a private /tmp, /run, /dev and /proc, and an empty
 * directory where opta's own one was. For the supervisor, which stands in the new namespaces
 * already.
 */

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

struct err;

enum { MOUNTS_MAX_SOCKETS = 16 };
enum { MOUNTS_TMP_MB = 512 }; /* of the private /tmp, in memory */

/* A path that stays where it is, as a mount over itself; and as it is, when it is read-only. */
struct mounts_guard {
	char *path; /* owned by whoever made the list */
	bool readonly;
};

struct mounts_opts {
	const char *workspace;	   /* stays writable */
	const char *extra;	   /* one more directory that is seen as it is, or NULL */
	bool extra_write;	   /* and is writable */
	const char *repository[2]; /* directories of a repository that stay writable, or NULL */
	const struct mounts_guard *guards; /* in what is writable by then, one after the other */
	size_t guard_count;
	const json_t *sockets; /* paths of sockets that are seen as they are; may be NULL */
	const char *hidden;    /* opta's own directory */
	bool proc;	       /* a fresh /proc can be had */
	/* Where the memfds of the call lie (broker.h): a filesystem in memory of memory_mb that
	   only this descriptor reaches. NULL: none is made. */
	int memory_mb, *ret_memory;
};

/* Blocks. 0, or a negative code with what could not be done: the tool must not run then. */
int mounts_make(const struct mounts_opts *opts, struct err *reterr);

/*
 * The kernel's own settings in the fresh /proc become read-only: root may write them without any
 * capability. Once our own are made there (limits_bound_pids). 0, or a negative code with a reason.
 */
int mounts_seal_proc(struct err *reterr);

/* Is path dir, or does it lie in it? Both absolute and plain. */
bool mounts_within(const char *path, const char *dir);

/* A descriptor of the directory at path that stays writable and visible after mounts_make; -1:
 * none. */
int mounts_keep(const char *path);

/* Within a user namespace just made: stay who we are. 0 or -errno. */
int mounts_map_user(unsigned uid, unsigned gid);

/* The network namespace's own loopback interface comes up. Best effort. */
void mounts_loopback_up(void);

#endif
