#ifndef CLI_ASK_TURN_H
#define CLI_ASK_TURN_H

/*
 * The turn of `opta do` while it runs: shared by ask.c (the turn and its end),
 * ask_screen.c (what is printed) and ask_event.c (events and requests). Lives in ask_run. Loop
 * thread only.
 */

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/map.h"
#include "cli/ask.h"
#include "cli/live.h"
#include "cli/page.h"
#include "cli/view.h"
#include "protocol/envelope.h"

struct client_call;
struct client_opening;
struct follow;
struct outbox;
struct pager;
struct prompt;

enum { ASK_SIGNALS = 14 };

/* A tool call that runs. */
struct started {
	char *id, *args; /* owned */
};

struct ask {
	struct client *client;
	const struct ask_opts *opts;
	uv_loop_t loop;
	uv_signal_t signals[ASK_SIGNALS];
	unsigned signal_count;
	uv_timer_t timer; /* the end of a cancel */
	uv_timer_t frame; /* the next painting */
	uv_poll_t reader; /* is standard output still read? */
	bool watches_reader;
	struct client_call *call;	/* what the daemon is being asked; NULL: nothing */
	struct client_opening *opening; /* it is being found again; NULL: it is not */
	struct follow *follow;		/* NULL: not yet */
	uint64_t seq;			/* where the log stood before our turn */
	char key[40];			/* of the submit: asked for twice it is the same turn */
	bool submitted_again;

	struct outbox *out;    /* standard output */
	struct outbox *screen; /* the terminal: out, or standard error's; NULL: there is none */
	bool painting;	       /* the answer is rendered on standard output */
	struct page page;
	struct live live;
	uint64_t painted_us;
	bool line_open;	    /* unrendered text: its last line is not ended */
	struct buf waiting; /* notices that wait for the end of that line */

	struct prompt *prompt; /* the terminal's answer to a request, or NULL */
	struct pager *pager;   /* shows the request */
	json_t *request;       /* the payload of the open one, owned, or NULL */
	char asked[64];	       /* its id, "" none */
	struct map started;    /* call id -> struct started */
	char turn_id[64];
	int exit_code; /* -1: the turn goes on */
	int signum;    /* that ends us; 0: none */
	bool cancelling, lost_reader;
	int write_error;  /* why standard output takes nothing more; 0: it does */
	struct err error; /* said at the very end; code 0: nothing */
	char error_code[64];
};

/* --- ask_screen.c --- */

/* Paint what came; soon, at most so often, however much comes. */
void ask_paint(struct ask *a);
void ask_touch(struct ask *a);

/* Text of the answer that is not rendered; a line of JSON. */
void ask_put_plain(struct ask *a, const char *p, size_t n);
void ask_put_json(struct ask *a, struct str json);

/* The answer so far ends: its open block and its open line, too. */
void ask_end_text(struct ask *a);

/* Whole styled lines of ours, on standard error; a notice waits where it would cut a text in two,
 * another thing ends the text. */
void ask_put_lines(struct ask *a, const char *p, size_t n, bool notice);

/* A dim line, as a notice. */
void ask_note(struct ask *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* How lines of ours look. */
struct view ask_view_of(const struct ask *a);

/* --- ask_event.c --- */

void ask_on_event(void *data, struct str json, const struct envelope_view *e);

/* No request is open any more. */
void ask_end_prompt(struct ask *a);

void ask_free_started(struct started *s);

/* --- ask.c --- */

/* End; nothing more is shown. The first call counts. */
void ask_finish(struct ask *a, int code);

/* End with a sentence; code: the machine's word for it, or NULL. */
void ask_fail(struct ask *a, int exit_code, const char *text, const char *code);

/* Cancel the turn and end; a second time: end at once. */
void ask_cancel(struct ask *a);

/* The exit code of a turn that was cancelled. */
int ask_cancelled_code(const struct ask *a);

#endif
