#ifndef CLI_CHAT_H
#define CLI_CHAT_H

/*
 * `opta chat` on a terminal: one loop with the keyboard, the session's events and
 * a clock. Text that is done scrolls away for good; below it the open block of the
 * answer, what runs, a status line and the line being typed are painted anew
 * whenever something changed. One thread; blocks until the person leaves.
 */

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "base/buf.h"
#include "cli/client.h"
#include "cli/edit.h"
#include "cli/follow.h"
#include "cli/keys.h"
#include "cli/live.h"
#include "cli/view.h"

struct markdown_stream;

enum {
	CHAT_MAX_RUNNING = 64, /* tool calls shown as running */
	CHAT_FRAME_MS = 30,    /* between paintings */
};

/* A tool call between its start and its end. */
struct chat_call {
	char *id, *name, *args; /* owned */
	uint64_t since_us;
};

/* Fields are for chat.c, chat_paint.c, chat_event.c and slash.c. */
struct chat {
	struct client client;
	uv_loop_t loop;
	struct follow *follow; /* NULL: none yet */
	char session[72], client_id[40];
	char mode[16];
	bool allow_edits, allow_all;

	/* The keyboard and the screen. */
	uv_poll_t input;
	uv_timer_t settle; /* a lone ESC */
	uv_timer_t tick;   /* the spinner, while something goes on */
	uv_timer_t frame;  /* the next painting */
	uint64_t painted_us;
	uv_signal_t resize, terminate;
	struct keys keys;
	struct edit edit;
	struct live live;
	struct view view;
	struct buf done; /* what goes above at the next painting */
	unsigned spin;

	/* The turn that runs. */
	char turn[64]; /* "" none */
	uint64_t turn_us, thinking_us;
	struct buf thinking;
	struct markdown_stream *markdown;
	struct buf answer; /* the last answer, for /copy and /compact */
	struct chat_call calls[CHAT_MAX_RUNNING];
	size_t call_count;
	unsigned waiting; /* turns of ours that are queued */
	bool compacting;  /* the answer becomes the summary a new session begins with */

	/* The request that is open. */
	char asked[64]; /* "" none */
	bool question;

	/* The status line. */
	char model[128];
	double speed;
	int64_t context_used, context_size; /* tokens; 0 unknown */
	bool down;
	uint64_t interrupted_us; /* of the last Ctrl+C */
	char hint[160];		 /* shown until the next key */
	bool leaving;
};

struct chat_opts {
	const char *model, *device;
	const char *session; /* NULL: a new one */
	const char *mode;
	bool allow_edits, allow_all;
};

/* Run it. An exit code of cli/cmd.h. */
int chat_run(const struct chat_opts *opts);

/* --- chat_paint.c --- */

/* Paint what is below, after the text in c->done. */
void chat_paint(struct chat *c);

/* Something changed: paint soon, at most every CHAT_FRAME_MS however much comes. */
void chat_touch(struct chat *c);

/* Add a line (or lines) of ours, dim, or in red, to what goes above. */
void chat_note(struct chat *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void chat_warn(struct chat *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* What the person said, as it stays on the screen. */
void chat_put_words(struct chat *c, const char *who, const char *p, size_t n);

/* --- chat_event.c --- */

void chat_on_event(void *data, struct str json, const struct envelope_view *e);
void chat_on_frame(void *data, const json_t *frame);

/* The answer so far is done: all of it goes above. */
void chat_end_text(struct chat *c);

/* --- chat.c --- */

/* Send the words as a turn. False (with a hint) when there is no connection. */
bool chat_submit(struct chat *c, const char *p, size_t n);

/* Cancel the running turn and those of ours that wait. */
void chat_cancel(struct chat *c);

/* End the chat: what is painted goes, what was said stays. */
void chat_leave(struct chat *c);

/* Answer the open request. */
void chat_answer(struct chat *c, bool allow, bool remember, const char *answer);

/* Go over to another session (made or existing); its last messages are shown. False with a note. */
bool chat_switch(struct chat *c, const char *session, bool show);

/* The parsed answer of a request to the daemon, or NULL with a note. json_decref. */
json_t *chat_request(struct chat *c, const char *method, const char *target, const char *body);

/* Make a session like this one; messages: JSON array text or NULL. Its id (72 bytes). False with a
 * note. */
bool chat_new_session(
    struct chat *c, const char *model, const char *device, const char *messages, char *ret_id);

/* --- slash.c --- */

/* A line that begins with "/". */
void slash_run(struct chat *c, const char *line);

/* Complete the name of a slash command being typed. */
void slash_complete(struct chat *c);

#endif
