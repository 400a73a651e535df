#ifndef TOOLS_USAGE_H
#define TOOLS_USAGE_H

/*
 * What the processes of one call use together: how many there are, and memory of each kind. Where
 * the kernel does not count memory (control_group.h) it is added up here: pages of their own, files
 * in memory (the private /tmp and /dev/shm, memfds, System V segments) once each, what sockets and
 * pipes hold (held.h), and what is shared without a file by the share each process has in it. For
 * the supervisor.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum {
	USAGE_MAX_FILES = 4096,	       /* files in memory, sockets and pipes told apart */
	USAGE_MAX_DESCRIPTORS = 16384, /* looked at; each of the others counts as a full socket */
};

struct usage {
	unsigned processes; /* threads included; past LIMITS_PROCESSES not counted to the end */
	uint64_t memory_bytes;
};

enum usage_wanted {
	USAGE_PROCESSES, /* memory_bytes stays 0 */
	USAGE_PROCESSES_AND_MEMORY,
};

/* Look at all below `self`; of a pid namespace, and what is mounted in it, when init. memory: where
 * memfds lie (mounts.h), or -1. */
void usage_look(pid_t self, bool init, enum usage_wanted wanted, int memory, struct usage *ret);

#endif
