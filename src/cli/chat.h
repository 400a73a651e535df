#ifndef CLI_CHAT_H
#define CLI_CHAT_H

/*
 * `opta chat` on a terminal: one loop with the keyboard, the session's events and
 * a clock. Text that is done scrolls away for good; below it the open block of the
 * answer, what runs, the messages that wait, a status line and the line being typed are painted
 * anew whenever something changed. Nothing on the loop waits, for the terminal or for the daemon.
 * One thread; returns when the person leaves.
 */

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "base/buf.h"
#include "cli/client.h"
#include "cli/consent.h"
#include "cli/edit.h"
#include "cli/follow.h"
#include "cli/keys.h"
#include "cli/live.h"
#include "cli/page.h"
#include "cli/view.h"

struct client_call;
struct outbox;
struct pager;

enum {
	CHAT_MAX_RUNNING = 64, /* tool calls shown as running */
	CHAT_MAX_QUEUED = 32,  /* messages that wait and are known by their words */
	CHAT_FRAME_MS = 30,    /* between paintings */
	CHAT_SIGNALS = 5,
};

/* A tool call between its start and its end. */
struct chat_call {
	char *id, *name, *args; /* owned */
	uint64_t since_us;
};

/* A message whose turn has not started. */
struct chat_message {
	char *turn; /* its id, owned; NULL: the daemon has not said that it has it */
	char *key;  /* of our submit, owned; NULL: somebody else's */
	char *text; /* owned */
	char who[64];
};

struct chat;

/* What becomes of an answer of the daemon: root is its JSON (borrowed), NULL when it failed, which
 * was said. */
typedef void chat_then(struct chat *c, const json_t *root);

/* Fields are for the chat*.c files and slash.c. */
struct chat {
	struct client client;
	uv_loop_t loop;
	struct follow *follow; /* NULL: none yet */
	char session[72], client_id[40];
	char mode[16];
	bool allow_edits, allow_all;

	/* What the daemon is being asked; one thing at a time. */
	struct client_call *call; /* NULL: nothing */
	chat_then *then;
	char wanted[72];   /* the session we go to when it is found */
	bool show_history; /* and its last messages are shown */
	char path[4096];   /* the argument of what is asked: the file, the model's name */

	/* The keyboard and the screen. */
	uv_poll_t input;
	uv_timer_t settle; /* a lone ESC */
	uv_timer_t tick;   /* the spinner, while something goes on */
	uv_timer_t frame;  /* the next painting */
	uv_timer_t hold;   /* a key that answers, until it is sure that it is no word's beginning */
	uint64_t painted_us;
	uv_signal_t signals[CHAT_SIGNALS];
	unsigned signal_count;
	struct keys keys;
	struct edit edit;
	struct outbox *out;
	struct live live;
	struct view view;
	struct page page;
	struct pager *pager; /* has the terminal; NULL: we have */
	uint64_t resumed_us; /* of the last fg after Ctrl+Z */
	unsigned spin;

	/* The turn that runs. */
	char turn[64]; /* "" none */
	uint64_t turn_us, thinking_us;
	struct buf thinking;
	struct buf answer; /* the last answer, for /copy and /compact */
	struct chat_call calls[CHAT_MAX_RUNNING];
	size_t call_count;
	bool compacting; /* the answer becomes the summary a new session begins with */

	/* The messages that wait, in their order; the first ones of ours may be on their way still.
	 */
	struct chat_message queue[CHAT_MAX_QUEUED];
	size_t queue_count;
	char taking_back[64]; /* the turn whose words go back to be edited, "" none */

	/* What is shown again of turns that were open when we came. */
	uint64_t replay_until; /* the end of the log then */
	json_t *open_turns;    /* owned: those, or NULL */

	/* The request that is open. */
	char asked[64];	  /* "" none */
	json_t *request;  /* its payload, owned */
	bool question;	  /* a line answers it */
	bool reason;	  /* the words of a no are being typed */
	struct buf draft; /* what was being typed before them */
	struct consent consent;

	/* The status line. */
	char model[128];
	double speed;
	int64_t context_used, context_size; /* tokens; 0 unknown */
	bool down;
	uint64_t interrupted_us; /* of the last Ctrl+C */
	char hint[160];		 /* shown until the next key */
	bool leaving;
	int signum; /* that ends us; 0: none */
	int exit_code;
};

struct chat_opts {
	const char *model, *device;
	const char *session; /* NULL: a new one */
	const char *mode;
	bool allow_edits, allow_all;
};

/* Run it. An exit code of cli/cmd.h. */
int chat_run(const struct chat_opts *opts);

/* --- chat.c --- */

/* End the chat: what is painted goes, what was said stays. */
void chat_leave(struct chat *c, int exit_code);

/* Give the terminal to the shell until `fg`. */
void chat_suspend(struct chat *c);

/* Show all of the open request in a pager. */
void chat_view_request(struct chat *c);

/* --- chat_keys.c --- */

/* A keys_cb. */
void chat_on_key(void *data, enum key key, const char *text, size_t n, bool pasted);

/* --- chat_paint.c --- */

/* Paint what is below, after what is done. */
void chat_paint(struct chat *c);

/* Something changed: paint soon, at most every CHAT_FRAME_MS however much comes. */
void chat_touch(struct chat *c);

/* A line (or lines) of ours, dim, or in red; it never cuts an open block in two. */
void chat_note(struct chat *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void chat_warn(struct chat *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* What the person said, as it stays on the screen. */
void chat_put_words(struct chat *c, const char *who, const char *p, size_t n);

/* The request on the screen is a new sight, as of now: keys count from a while later on. */
void chat_show_request(struct chat *c);

/* --- chat_event.c --- */

void chat_on_event(void *data, struct str json, const struct envelope_view *e);
void chat_on_frame(void *data, const json_t *frame);

/* The answer so far is done: all of it goes above. */
void chat_end_text(struct chat *c);

/* Nothing runs and nothing is asked any more: the session is another one. */
void chat_forget_turn(struct chat *c);

/* --- chat_queue.c --- */

/* Say the words: queue them and send them as a turn, now or when there is a connection. False, with
 * a hint, when too many wait already. */
bool chat_submit(struct chat *c, const char *p, size_t n);

/* The connection is new: what the daemon has not said to have goes out again. */
void chat_resend(struct chat *c);

/* A turn.queued, a turn.start, the ids of a session.cancelled, a refusal. */
void chat_queue_add(struct chat *c, const json_t *payload);
void chat_queue_start(struct chat *c, const json_t *payload);
void chat_queue_cancelled(struct chat *c, const char *turn);
void chat_queue_refused(struct chat *c, const char *sentence);

/* The last message of ours that waits goes back to be edited. False: there is none. */
bool chat_take_back(struct chat *c);

void chat_queue_clear(struct chat *c);

/* --- chat_session.c --- */

/* Ask the daemon; then is called with its answer. Where it is asked something already a note says
 * so, and then is not called: false. */
bool chat_ask(struct chat *c, const char *method, const char *target, const char *body, int ms,
    chat_then *then);

/* The answer is waited for no longer. */
void chat_ask_no_more(struct chat *c);

/* Cancel the running turn; or everything that runs and waits. */
void chat_cancel(struct chat *c);
void chat_cancel_all(struct chat *c);

/* Answer the open request. */
void chat_answer(struct chat *c, bool allow, bool remember, const char *answer);

/* Go to the session whose id begins with `id`, or is it. show: its last messages. */
void chat_go_to(struct chat *c, const char *id, bool show);

/* Make a session like this one and go to it; messages: JSON array text or NULL. */
void chat_begin_session(
    struct chat *c, const char *model, const char *device, const char *messages);

/* --- slash.c --- */

/* A line that begins with "/". */
void slash_run(struct chat *c, const char *line);

/* Complete the name of a slash command being typed. */
void slash_complete(struct chat *c);

#endif
