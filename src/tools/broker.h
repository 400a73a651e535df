#ifndef TOOLS_BROKER_H
#define TOOLS_BROKER_H

/*
 * Which sockets the programs of a call may name: bind(2) and connect(2) are done for them, by a
 * small process of the call's own that has its Landlock domain but not its filter.
 *
 *   tool --connect--> kernel --listener--> supervisor --descriptor, address--> broker
 *                        ^                     |  ^                              |
 *                        +------ outcome ------+  +-----------outcome-----------+
 *
 * A filter cannot see an address, and one that is looked at and then left to the kernel can be
 * another by the time the kernel reads it (another thread changes the memory, or what the
 * descriptor is). So the supervisor takes the socket itself and a copy of the address, and the
 * broker uses just those: what was decided on is what is done.
 *
 * Unix sockets: one that a process of the call has bound, by its inode (kept open, so that the
 * number stays its own) or abstract name, or one that is named in the settings. All other
 * families: as the kernel and Landlock say. When the broker is gone every such call fails.
 */

#include <stdbool.h>

#include <jansson.h>

enum {
	BROKER_MAX_SOCKETS = 1024, /* bound by one call; more can be bound but not connected to */
	BROKER_MAX_NAMED = 16,	   /* in the settings */
	BROKER_MAX_BLOCKED = 128,  /* connects that wait at once; the next ones wait in line */
};

struct broker_opts {
	int socket; /* its end, owned by the new process */
	/* Paths of sockets the person named, may be NULL; those of them that are there. */
	const json_t *named;
	/* Abstract names are this call's own: of a network namespace, or Landlock's scope. */
	bool own_names;
};

/*
 * Start it, as a sibling of this process: confined as this process is now. Before the filter.
 * False: no process could be had.
 */
bool broker_start(const struct broker_opts *opts);

/* The supervisor's side. */
struct broker_link {
	int listener; /* of the filter; -1: none, or all calls fail from now on */
	int socket;   /* to the broker, -1: gone */
	int memory;   /* where files in memory are made (mounts.h), borrowed; -1: none are */
};

/* Can this system do it? Forks; with and without capabilities the answer is the same. */
bool broker_possible(void);

/* What poll(2) says of the listener: a call waits, which is handed on, or no process is left that
 * has the filter. Never blocks. */
void broker_on_call(struct broker_link *link, int revents);

/* The broker said something, or is gone. */
void broker_on_answer(struct broker_link *link);

void broker_finish(struct broker_link *link);

#endif
