#ifndef BASE_OS_H
#define BASE_OS_H

/*
 * What only this operating system can tell us. One implementation per system
 * (os_linux.c); nothing else in the tree reads /proc or makes a system-specific
 * call of this kind. Any thread unless said otherwise.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

struct err;

/*
 * When process pid was started, in the system's own ticks since boot: with the
 * pid it names a process for good, as pids are used again. 0 when there is no
 * such process or it is a zombie (proc_pid_stat(5), field 22).
 */
uint64_t os_process_start(pid_t pid);

/* Wait until pid is gone (or a zombie) or ms have passed. True when gone. Blocks. */
bool os_process_wait_gone(pid_t pid, int ms);

/* The absolute path of the running program. 0 or -errno. */
int os_self_path(char *ret_path, size_t size);

/* Is path on a network filesystem? *ret_name gets its static name ("NFS"). False when unknown. */
bool os_is_network_fs(const char *path, const char **ret_name);

/* Does its filesystem write elsewhere what is changed (copy on write), so that a full disk can
 * refuse even a change of bytes that are there? False when unknown. */
bool os_is_cow_fs(const char *path);

/*
 * Which process listens on TCP port `port` of this machine: fills pid and the
 * command's name. False when nobody does or we may not know.
 */
bool os_port_owner(int port, pid_t *ret_pid, char *ret_name, size_t size);

/*
 * Whose processes listen on TCP port `port` of this machine: fills *ret_uid, with another user than
 * uid when one of several listeners is not uid's. False when nobody listens, or it cannot be known
 * (a port that is forwarded into a container has no listener here).
 */
bool os_port_user(int port, uid_t uid, uid_t *ret_uid);

/*
 * A stdio stream whose bytes go to write(data, p, n), which returns n, or 0 when it takes nothing
 * any more. NULL with errno set when there is no memory. fclose ends it.
 */
FILE *os_stream(ssize_t (*write)(void *data, const char *p, size_t n), void *data);

/* Resident memory of this process in bytes; 0 when unknown. Reads a kernel file, never the disk. */
uint64_t os_memory_bytes(void);

/*
 * Keep our memory, and so the token, out of core dumps. Not by PR_SET_DUMPABLE: that would hide
 * from this user's own lsof who has the port, and who is this user may read state.json anyway.
 */
void os_forbid_dumps(void);

#endif
