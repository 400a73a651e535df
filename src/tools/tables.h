#ifndef TOOLS_TABLES_H
#define TOOLS_TABLES_H

/*
 * What the kernel keeps in tables of its own for the processes of a call, which no process's own
 * figures show: a part of usage.h, for the supervisor. Estimated by the number of things, as the
 * kernel tells of no bytes. What is not seen: file locks (to list them takes the kernel the longer
 * the more there are, for all of the system), queues of netlink sockets and terminals, timers, and
 * names that were looked up and not found, which it gives back when memory is short.
 */

#include <stdint.h>
#include <sys/types.h>

/* System V semaphores and queues of our namespace. */
uint64_t tables_of_namespace(void);

/* Files and directories of a filesystem in memory: `used` of them. */
uint64_t tables_of_files(uint64_t used);

/* The mappings of a process; reading them takes the kernel a microsecond each. */
uint64_t tables_of_mappings(pid_t pid);

#endif
