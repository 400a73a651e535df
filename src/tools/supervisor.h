#ifndef TOOLS_SUPERVISOR_H
#define TOOLS_SUPERVISOR_H

/*
 * The process that stands between the daemon and one tool call. It is the init
 * of the call's namespaces, or where there are none a subreaper, so that nothing
 * the call started outlives it: not a grandchild that called setsid, not a fork bomb.
 *
 *   host --clone--> supervisor --fork--> tool (confined: sandbox.h)
 *                       |                  |
 *                       +<-- output, end --+
 *
 * The supervisor itself is trusted code that only moves bytes. It ends when the tool is done,
 * when time is up, or when the daemon closes its end of the socket.
 */

#include <signal.h>

#include "tools/sandbox.h"

enum {
	/* To one without a namespace: end at once, with all that descends from it. Where it is an
	   init SIGKILL does that. */
	SUPERVISOR_END_SIGNAL = SIGQUIT,
	SUPERVISOR_DRAIN_MS =
	    250, /* for output after the tool ended, when a grandchild holds the pipe */
	SUPERVISOR_TERM_MS = 1000,	/* between SIGTERM and the end of everything */
	SUPERVISOR_COMMAND_MS = 120000, /* a command without a timeout of its own */
	SUPERVISOR_TOOL_MS = 30000,	/* any other tool */
};

struct supervisor_opts {
	int socket; /* the call's end; owned */
	const struct sandbox_support *support;
	int net_rules;	   /* of landlock_net_rules, or -1 */
	unsigned uid, gid; /* who we were before a user namespace */
	int groups;	   /* where its control group is made (control_group.h), or -1 */
	const char *group; /* and its name */
};

/* The clone(2) flags of a supervisor for a call with or without network. 0: none can be had. */
unsigned long supervisor_namespaces(const struct sandbox_support *support, bool network);

/* Serve the one call and end the process. Called in the fresh process, single-threaded. */
void supervisor_run(const struct supervisor_opts *opts) __attribute__((noreturn));

#endif
