#ifndef TOOLS_REQUEST_H
#define TOOLS_REQUEST_H

/*
 * What the daemon and the process of one call say to each other, over a socket
 * of their own: one request, then frames until the answer. A frame is a kind, a
 * length of four bytes (this machine's order: both ends are one program) and the
 * bytes. The daemon trusts no length it reads. Pure; any thread.
 */

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;

enum {
	REQUEST_MAX_FRAME = 8 * 1024 * 1024,
	REQUEST_FRAME_HEAD = 5,
};

enum request_frame {
	FRAME_REQUEST = 'Q', /* daemon to call: JSON of struct tool_request */
	FRAME_STDOUT = 'O',  /* call to daemon, background: a piece of output */
	FRAME_STDERR = 'E',
	FRAME_STARTED = 'S', /* background: the process runs; its pid as text */
	FRAME_ANSWER = 'A',  /* the last one: JSON of struct tool_answer */
};

enum tool_step {
	STEP_RUN,
	STEP_PREVIEW,	 /* only show what would be done */
	STEP_BACKGROUND, /* run_command that streams its output and has no end of its own */
};

struct tool_request {
	enum tool_step step;
	const char *tool, *workspace;
	const char *session, *call; /* ids: name the artifact */
	const char *hidden;	    /* opta's own directory */
	const char *artifacts;	    /* directory of the sessions' artifact directories */
	const char *outside; /* the path outside the workspace a permission named; NULL: none */
	bool outside_write;  /* it may be written too */
	const char *expect;  /* the state that was shown, NULL: none */
	const char *control; /* the control file (control.h) somebody agreed to, NULL: none */
	const json_t *repositories; /* git directories outside the workspace that commands may
				       write: array of paths; NULL: none */
	bool any_repository;	    /* or whichever is the workspace's */
	bool unguarded; /* somebody agreed that not everything can be guarded (guards.h) */
	bool network;
	const json_t *sockets; /* Unix sockets a person named: array of paths; NULL: none */
	int memory_mb;
	uint64_t timeout_ms; /* 0: none */
	const json_t *args;
};

/* What came of it. Strings are owned by `memory` when parsed. */
struct tool_answer {
	bool ok, truncated, changed, timed_out, cancelled;
	bool dir_existed; /* the artifact directory was there already */
	bool has_exit;
	int exit_code;	  /* 128 + signal when a signal ended it */
	const char *text; /* for the model */
	const char
	    *crash; /* how the call's process ended when it should not have; NULL: it did not */
	const char *state;   /* preview: of the file shown; "" none */
	const char *control; /* the control file that it would write or was stopped at; "" none */
	const char *repository; /* preview of a command: the git directory outside the workspace
				   that it would like to write; "" none */
	const char *unguarded;	/* why not everything can be guarded: the command did not run, or
				   what a file tool would write may be a control file; "" it can */
	const char *warning;	/* for the person as well: what could not be put aside; "" none */
	json_t *memory;
};

/* Append a frame. */
void request_put_frame(struct buf *out, enum request_frame kind, const void *p, size_t n);

/* The first frame in p[0..n): its length with head, 0 when it is not whole yet, negative when it is
 * no frame of ours. */
int64_t request_frame(
    const char *p, size_t n, char *ret_kind, const char **ret_bytes, size_t *ret_len);

/* JSON of a request, and back; strings of the latter are borrowed from json. False: damaged. */
void request_put(struct buf *out, const struct tool_request *r);
bool request_parse(const json_t *json, struct tool_request *ret);

/* The same for an answer. The caller calls answer_finish. */
void answer_put(struct buf *out, const struct tool_answer *a);
bool answer_parse(const char *p, size_t n, struct tool_answer *ret);
void answer_finish(struct tool_answer *a);

#endif
