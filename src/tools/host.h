#ifndef TOOLS_HOST_H
#define TOOLS_HOST_H

/*
 * The tool host: a small process of its own, exec'd by the daemon at the first
 * tool call, so that nothing of the daemon's memory, descriptors or environment is
 * in what it forks. It makes one supervisor a call, tells how each ended, and dies with the daemon.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "tools/sandbox.h"

enum host_op {
	HOST_HELLO = 1, /* host to daemon: support */
	HOST_START,   /* daemon to host: with the call's socket; network says whether it has one */
	HOST_STARTED, /* host to daemon: pid, or a negative code in it */
	HOST_SIGNAL,  /* daemon to host: send signum to the call; SIGKILL ends it and all it started
		       */
	HOST_ENDED,   /* host to daemon: its wait status */
};

/* One datagram on the control socket (SOCK_SEQPACKET); both ends are one program. */
struct host_message {
	uint32_t op; /* enum host_op */
	uint32_t network;
	uint64_t id;
	int32_t pid, signum, status;
	struct sandbox_support support;
};

/*
 * The message in n bytes that the other end sent: false when it is none, and nothing in it may be
 * looked at. Neither end trusts the other to be what it was: the host forks what models name.
 */
bool host_message_take(const void *bytes, size_t n, struct host_message *ret);

enum { HOST_CONTROL_FD = 3 };

/*
 * Be the tool host: serve the control socket at HOST_CONTROL_FD until the daemon is gone. port is
 * the daemon's own, which tools may not reach. The process's exit status.
 */
int host_run(int port);

#endif
