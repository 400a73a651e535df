#ifndef BASE_FDS_H
#define BASE_FDS_H

/*
 * Descriptors that go with a message from process to process, over a Unix socket that keeps
 * messages apart (unix(7), SCM_RIGHTS). No memory is asked for, so a child of a fork may call
 * these. Any thread.
 */

#include <stddef.h>
#include <sys/types.h>

enum { FDS_MAX = 2 }; /* that go with one message */

/* Send the size > 0 bytes at p with n <= FDS_MAX descriptors, which stay open here. flags: send(2).
 * 0 or -errno. */
int fds_send(int socket, const void *p, size_t size, const int *fds, size_t n, int flags);

/*
 * Receive one message of at most size bytes at p with n <= FDS_MAX descriptors. flags: recv(2).
 * ret_fds gets them, closed on exec and the caller's to close; or -1 each when others than n
 * came (the kernel drops them when the process has no descriptor left), which are closed.
 * The message's length, 0 at the socket's end, or -errno.
 */
ssize_t fds_receive(int socket, void *p, size_t size, int *ret_fds, size_t n, int flags);

#endif
