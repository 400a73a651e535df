#ifndef TOOLS_VIEW_H
#define TOOLS_VIEW_H

/*
 * What the processes of one call see of the system and may write of it: the workspace, a path
 * outside that somebody agreed to, the repository, temporary files. Made by the supervisor in its
 * new namespaces, or where there are none as far as that goes; for its lifetime.
 */

#include <stdbool.h>
#include <sys/types.h>

#include "tools/aside.h"
#include "tools/guards.h"
#include "tools/repository.h"
#include "tools/request.h"
#include "tools/tool.h"

struct err;
struct sandbox_support;

struct view_opts {
	const struct tool_request *request; /* borrowed */
	const struct sandbox_support *support;
	unsigned uid, gid; /* who we were before a user namespace */
	bool init;	   /* of namespaces of our own */
	bool command;	   /* a program will run in it, not a function of ours */
};

struct view {
	struct view_opts opts;
	int artifacts;		       /* descriptor of the sessions directory, -1: none */
	int memory;		       /* where memfds lie (mounts.h), -1: nowhere */
	char extra[TOOL_MAX_PATH + 1]; /* the directory outside that must be seen, "" none */
	char temp[64]; /* the call's own temporary directory where /tmp is shared, "" none */
	struct repository repository;	     /* of a command */
	bool repository_write;		     /* it lies outside the workspace, and may be written */
	struct guards guards;		     /* empty where there is no workspace to look at */
	char workspace[REPOSITORY_MAX_PATH]; /* its real path, "" when it is not known */
	uint64_t aside_us;		     /* not looked for new control files before */
};

/* Make it. 0, or a negative code with a sentence for whoever called the tool: nothing may run. */
int view_make(struct view *v, const struct view_opts *opts, struct err *reterr);

/* The paths outside the workspace that the call may write besides v->extra; NULL: none. */
const char *view_repository(const struct view *v, int i);

/* From time to time while a command runs: put right at once what cannot be kept from happening. */
void view_look(struct view *v, struct aside_told *told);

/*
 * Put control files that the command made aside, and say so in told. Where nothing but its own
 * processes can write through what was swapped meanwhile, also while it runs: then not more often
 * than its cost allows.
 */
void view_put_aside(struct view *v, bool ended, struct aside_told *told);

/* Remove what was made for it, with all that the call left in it. Blocks. */
void view_finish(struct view *v);

/*
 * Remove the temporary directories that a view without namespaces left when its supervisor, of this
 * pid, was killed; with 0 those of all that are long gone. Blocks.
 */
void view_remove_left(pid_t supervisor);

/* The real path of the person's home directory in real (PATH_MAX bytes); NULL: none. */
const char *view_home(char *real);

#endif
