#ifndef TOOLS_CONTROL_GROUP_H
#define TOOLS_CONTROL_GROUP_H

/*
 * A control group of the kernel (cgroup v2) for one tool call. It bounds the memory of all
 * processes of the call together and counts every kind of it. Control files (control.h) are
 * something else.
 *
 * The tool host looks once for a group in which it may make others, the parent. A supervisor makes
 * the group of its call there and forks the tool into it; it stays outside itself, so that it can
 * tell how the call ended. The host removes the group when the supervisor is gone. Each supervisor
 * holds a lock (flock) on its group: an unlocked one is a leftover, which the next host removes.
 *
 *   parent
 *    +-- opta-daemon            daemon, host, supervisors: only where systemd delegated the parent
 *    +-- opta-call-TOKEN-SLOT   the processes of one call
 *
 * Nothing here touches a group or a process that is not ours. Single-threaded processes of the tool
 * host only; all of it may block for a moment.
 */

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum {
	CONTROL_GROUP_MAX_NAME = 64,
	CONTROL_GROUP_MAX_PATH = 4096,
};

/*
 * In the host: a descriptor of the group in which groups of calls are made, for the caller to
 * close. -1: there is none, and memory has to be counted (usage.h).
 *
 * Where systemd delegated our own group (Delegate=) and nobody but the daemon and we are in it, it
 * is that one; the two then move into a group in it, as only leaves may have processes. Else it is
 * the nearest one above that divides its memory among groups already, if we may write there.
 * Leftovers in it are removed, and a group is made in it for trial.
 */
int control_group_open_parent(void);

/*
 * The search alone, in the hierarchy mounted at mount, by self, the text of /proc/self/cgroup; no
 * process is moved and nothing is made. On success ret_parent (CONTROL_GROUP_MAX_PATH bytes) is the
 * parent's path. False when there is none; ret_parent may have been written to.
 */
bool control_group_find_parent(const char *mount, const char *self, char *ret_parent);

/* End what is left in groups in parent that a killed host or supervisor of this user left, and
 * remove them. */
void control_group_sweep(int parent);

/* A name for the group of a call in that slot of this host. */
void control_group_name(char name[CONTROL_GROUP_MAX_NAME], size_t slot);

/* Remove that group. False when processes are left in it, which get SIGKILL: try again later. */
bool control_group_remove(int parent, const char *name);

/* The group of a call, for its supervisor. poll(2) for POLLPRI on the two files of events tells
 * that they changed. */
struct control_group {
	int dir;       /* the group, locked; -1: none */
	int memory;    /* its memory.events; -1: none */
	int processes; /* its pids.events; -1: their number is not bounded by the group */
};

enum control_group_limit { CONTROL_GROUP_NO_LIMIT, CONTROL_GROUP_MEMORY, CONTROL_GROUP_PROCESSES };

/*
 * Make a group with at most memory_mb of memory and processes (and threads). False when it cannot
 * be had; all descriptors are -1 then. control_group_close releases the descriptors.
 */
bool control_group_make(
    int parent, const char *name, int memory_mb, int processes, struct control_group *ret);

/* fork(2), with the child in the group from its first instruction on; -1 with errno set. */
pid_t control_group_fork(const struct control_group *g);

/*
 * Which limit of its own the group passed: the kernel ended something in it because of its memory,
 * or refused a fork. Reads the events, so that poll waits for new ones.
 */
enum control_group_limit control_group_passed(const struct control_group *g);

/* Let go of it. Whoever holds no other descriptor of it loses the lock. Twice is allowed. */
void control_group_close(struct control_group *g);

#endif
