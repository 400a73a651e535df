#ifndef TOOLS_TOOL_H
#define TOOLS_TOOL_H

/*
 * What a tool is: one const struct in a file of its own, and the table of them
 * all. The table is read by everyone (schema for the model, kind for the rules);
 * preview and run are called only in the sandboxed process of one call
 * (tools/supervisor.h), which is single-threaded and ends afterwards.
 *
 * To add a tool: its file tool_<name>.c, a row in tools (tool.c), its key
 * permissions.<name> in base/config.c, its line in docs/tools.md, its tests.
 */

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

struct guards;

enum tool_kind {
	TOOL_READ,	 /* looks only: may run beside others */
	TOOL_EDIT,	 /* changes files; allowed by --auto */
	TOOL_DELETE,	 /* removes files; never allowed by --auto */
	TOOL_COMMAND,	 /* runs a program */
	TOOL_BACKGROUND, /* starts, looks at or ends a process that outlives the call */
	TOOL_QUESTION,	 /* asks the person */
};

enum {
	TOOL_MAX_TEXT = 64 * 1024,	 /* bytes of a result, the rest is counted */
	TOOL_MAX_PREVIEW = 32 * 1024,	 /* bytes of a preview */
	TOOL_MAX_FILE = 8 * 1024 * 1024, /* a file larger than this is not edited */
	TOOL_MAX_PATH = 4000,
	TOOL_STATE_SIZE = 65, /* a SHA-256 as hex and its 0 */
};

/* One call in its sandboxed process. */
struct tool_call {
	const json_t *args;	     /* checked against the schema */
	int workspace;		     /* descriptor of the workspace directory */
	const char *root;	     /* its path */
	bool outside;		     /* the permission named a path outside the workspace */
	const char *expect;	     /* the file's state a person was shown; NULL: nobody was */
	const char *control;	     /* the control file (control.h) a person agreed to, or NULL */
	const char *home;	     /* the person's home directory, or NULL */
	const struct guards *guards; /* what is guarded in the workspace, or NULL */
	bool preview;		     /* nothing is written */

	/* What comes of it. */
	bool ok;
	bool truncated;		     /* text is not all there was */
	bool changed;		     /* the file is not what was shown: ask again */
	struct buf text;	     /* for the model; a preview: for the person */
	char control_found[4400];    /* the control file it writes or would write, "" none */
	char state[TOOL_STATE_SIZE]; /* preview: the state of the file it shows, "" none */
};

struct tool {
	const char *name;
	enum tool_kind kind;
	const char *description;
	const char *schema;   /* JSON Schema of the arguments, JSON text */
	const char *path_arg; /* the argument that names a file, or NULL */
	/* What a person is shown before it runs. NULL: the arguments say it all. */
	void (*preview)(struct tool_call *call);
	/* Do it. NULL: it does not run in a sandbox (background, questions). */
	void (*run)(struct tool_call *call);
};

/* All tools, ended by NULL. */
extern const struct tool *const tools[];

/* The tool of that name, or NULL. */
const struct tool *tool_find(const char *name);

/* Append the tools for which want says yes, as the array the OpenAI API takes. */
void tool_put_all(struct buf *out, bool (*want)(void *data, const struct tool *tool), void *data);

/* Set text and ok = false. */
void tool_fail(struct tool_call *call, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Append n bytes of a file or of output to text as valid UTF-8, up to TOOL_MAX_TEXT; past it
 * truncated is set and false is returned. */
bool tool_put_text(struct tool_call *call, const char *p, size_t n);

extern const struct tool tool_read_file, tool_write_file, tool_edit_file, tool_multi_edit,
    tool_delete_file, tool_list_dir, tool_find_files, tool_search_files, tool_run_command,
    tool_bg_start, tool_bg_status, tool_bg_output, tool_bg_kill, tool_ask_user;

#endif
