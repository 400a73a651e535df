#ifndef TOOLS_CHILDREN_H
#define TOOLS_CHILDREN_H

/*
 * The children of this process, all of them however many there are: for those who must end what a
 * call left when no namespace does it. Any process; blocks on /proc.
 */

#include <stddef.h>
#include <sys/types.h>

/* Fill pids with up to size of them. How many there are in all. */
size_t children_list(pid_t *pids, size_t size);

#endif
