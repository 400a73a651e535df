#ifndef TOOLS_LIMITS_H
#define TOOLS_LIMITS_H

/*
 * What one call may use of the machine. Resource limits hold for each process
 * of the call; what only holds for all of them together (memory, the number of
 * processes: for root the kernel does not count those) the supervisor looks at (usage.h)
 * every LIMITS_LOOK_MS while a program runs.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum {
	LIMITS_LOOK_MS = 25,
	LIMITS_LOOK_SOON_MS = 5, /* once half of the memory is in use */
	LIMITS_NICE = 5,	 /* nicer than the daemon; setpriority(2) */
	LIMITS_PROCESSES = 512,	 /* and threads, of one call */
	/* A little above, so that the supervisor sees who goes past the limit and ends it all. */
	LIMITS_PROCESSES_MOST = LIMITS_PROCESSES + LIMITS_PROCESSES / 4,
	LIMITS_PIDS = 4096,	       /* of its namespace, where the kernel bounds those */
	LIMITS_FILES = 4096,	       /* descriptors of one process */
	LIMITS_FILE_MB = 4096,	       /* size of one file */
	LIMITS_CPU_SECONDS = 4 * 3600, /* of one process, when no timeout bounds it sooner */
};

/*
 * Set the limits of this process just before it becomes the tool. timeout_ms 0: none. in_user_ns:
 * the kernel counts processes for this call alone.
 */
void limits_set(uint64_t timeout_ms, bool in_user_ns);

/*
 * Have the kernel bound the processes of our pid namespace, for root too: by their ids, of which
 * there are enough that one is not soon used again. For its init, once /proc is its own and while
 * it has the power to. Does nothing before Linux 6.14, where the bound would be the whole system's.
 */
void limits_bound_pids(void);

/*
 * Memory, as the very last thing. own_code: the tool is a function of ours, which in a
 * sanitizer's build maps far more than it uses: none is set then.
 */
void limits_set_memory(int memory_mb, bool own_code);

#endif
