#ifndef TOOLS_SANDBOX_H
#define TOOLS_SANDBOX_H

/*
 * What a tool process may do, and which of it this kernel can enforce. Three
 * layers, each of which would do for most of it: namespaces with a read-only
 * view of the system (mounts.h), Landlock, seccomp. What is missing is
 * named, never silently skipped. In single-threaded processes of the tool host only.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct broker_opts;
struct err;

/* What the kernel gives us here and now, found by trying. */
struct sandbox_support {
	int landlock; /* its ABI version, 0: none */
	bool user_ns; /* namespaces must be made within a user namespace (we are not root) */
	bool pid_ns;  /* with mount and IPC namespaces */
	bool net_ns;
	bool proc; /* a fresh /proc can be mounted in the new namespaces */
	bool seccomp;
	bool control_group; /* a call's memory is bounded by one (control_group.h), not counted */
	bool broker;	    /* calls that name a socket can be done for a tool (broker.h) */
	bool keep_power;    /* capabilities are kept: never but in a test of the other layers */
};

#ifdef OPTA_LAYERS
/* What OPTA_SANDBOX_OFF may name, separated by commas; ended by NULL. In builds with -Dlayers=true,
 * so that a test can show what each layer holds by itself. */
extern const char *const sandbox_layers[];
#endif

struct sandbox_opts {
	const struct sandbox_support *support;
	const char *workspace;	   /* may be written; NULL: nothing may */
	const char *extra_write;   /* one more directory that may be written, or NULL */
	const char *repository[2]; /* and two of a git repository, or NULL */
	const char *temp;   /* and the call's own temporary directory, or NULL: /tmp is private */
	const char *hidden; /* must not be seen: opta's own directory */
	bool mounts;	    /* the mount namespace hides and protects already */
	bool own_code;	    /* a function of ours that opens with openat2(2): it reads the workspace
				   alone, a program reads everything */
	const char *outside; /* the one path outside the workspace it may read, or NULL */
	bool network;	     /* may use TCP and UDP */
	/* Its sockets are bound and connected for it; NULL: there are no Unix sockets but pairs. */
	const struct broker_opts *broker;
	int net_rules; /* a ruleset of landlock_net_rules to apply, -1: none */
};

void sandbox_probe(struct sandbox_support *ret);

/* Name what is missing, as one line each ended by "\n"; "" when nothing is. */
void sandbox_missing(const struct sandbox_support *s, char *out, size_t size);

/*
 * Confine this process and all it will start, for good. 0, or a negative code with the reason; the
 * process must not go on then. Where neither Landlock nor namespaces hide anything, only own code
 * within the workspace may go on. With opts->broker it has been started, and *ret_listener gets the
 * listener of the filter for the supervisor; -1 otherwise.
 */
int sandbox_enter(const struct sandbox_opts *opts, int *ret_listener, struct err *reterr);

/* Give up all capabilities, also for later. Part of sandbox_enter; the supervisor does it as well.
 * 0 or -errno. */
int sandbox_drop_capabilities(void);

#endif
