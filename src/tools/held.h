#ifndef TOOLS_HELD_H
#define TOOLS_HELD_H

/*
 * What sockets and pipes hold in the kernel, which no process's own figures show: what was sent
 * and is not read yet, and descriptors on their way from one process to another. A part of
 * usage.h, for the supervisor. Where the kernel does not say, it is the most that there can be.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* The most that one Unix socket holds of what was sent through it: the filter of the sandbox keeps
 * programs from raising it. */
uint64_t held_socket_most(void);

/* A process whose descriptors are looked at; all 0 but pid to begin with. */
struct held_process {
	pid_t pid;
	int pidfd; /* 0: not opened yet; -1: there is none */
};

/*
 * Of descriptor number fd, a socket or a pipe. *ret_listens is set (never cleared) when it is a
 * Unix socket that waits for connections: those are for held_by_waiting.
 */
uint64_t held_by_descriptor(struct held_process *p, int fd, bool *ret_listens);

/* Of connections that nobody accepted yet, in all of our network namespace. */
uint64_t held_by_waiting(void);

void held_finish(struct held_process *p);

#endif
