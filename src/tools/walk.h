#ifndef TOOLS_WALK_H
#define TOOLS_WALK_H

/*
 * A walk over the files of a directory beneath the workspace, in order of names,
 * leaving out what .gitignore files name, never through a link. In the sandboxed process of a call.
 */

#include <stdbool.h>
#include <stddef.h>

struct tool_call;

enum {
	WALK_MAX_DEPTH = 64,
	WALK_MAX_FILES = 200000, /* looked at in one walk; then it stops and says so */
};

struct walk_opts {
	bool all;	  /* .gitignore files do not count */
	bool directories; /* call for directories as well, with a "/" at the end of path */
	/* path is from the workspace; dir and name open it. False: stop. */
	bool (*on_file)(void *data, int dir, const char *name, const char *path);
	void *data;
};

/* Walk path. False (and the call failed with a sentence) when it is no directory that can be read.
 * *ret_cut: a limit ended the walk. */
bool walk(struct tool_call *call, const char *path, const struct walk_opts *opts, bool *ret_cut);

#endif
