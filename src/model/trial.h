#ifndef MODEL_TRIAL_H
#define MODEL_TRIAL_H

/*
 * What works of a model server, found by trying: is it there, which models has it, how fast is a
 * first answer, does a model call a tool. Loop thread only.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct config;
struct model_server;
struct trial;

enum { TRIAL_MAX_TOKENS = 200 }; /* of each of its answers */

enum trial_tools {
	TRIAL_TOOLS_UNTRIED,
	TRIAL_TOOLS_CALLED,  /* as they should be */
	TRIAL_TOOLS_WRITTEN, /* written as text: the server lacks an option */
	TRIAL_TOOLS_REFUSED, /* the server takes none */
	TRIAL_TOOLS_NOT,     /* offered, and not called though it was asked to */
};

/* All strings are borrowed until the callback returns; "" where nothing is known. */
struct trial_report {
	const char *host, *dialect, *model;
	const char *why;    /* NULL: it answered; else a sentence */
	const char *models; /* inside of a JSON array, as GET /v3/models has it */
	uint64_t context_tokens, first_token_ms;
	double tokens_per_s; /* 0: too short to tell */
	bool reasons;	     /* it thinks, and says so */
	enum trial_tools tools;
};

typedef void trial_cb(void *data, const struct trial_report *report);

/* Try the server with model, or with "" what it has loaded. on_done: once, never before this
 * returns. config: limits of time; server must live as long. */
struct trial *trial_start(struct model_server *server, const struct config *config,
    const char *model, trial_cb *on_done, void *data);

/* on_done will not be called. NULL is allowed. */
void trial_cancel(struct trial *t);

#endif
