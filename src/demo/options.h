#ifndef DEMO_OPTIONS_H
#define DEMO_OPTIONS_H

/*
 * The command line of the demo model server: one table of options, from which
 * parsing and the help text come. Texts are borrowed from argv. Any thread, but
 * getopt's own state is global.
 */

#include <stdbool.h>
#include <stdint.h>

struct buf;
struct err;

struct demo_options {
	const char *host;
	uint64_t port; /* 0: any free one */
	const char *model;
	uint64_t context;    /* tokens */
	const char *api_key; /* NULL: none is asked for */
	const char *log;     /* NULL: no log */
	bool no_ws;	     /* the WebSocket upgrade gets 404 */
	bool no_sse;	     /* POST /v1/chat/completions gets 404 */
	bool no_model;	     /* nothing is loaded */
	bool no_readyz;	     /* 404 there, as a plain OpenAI server */
	bool old_readyz;     /* the older form of its body */
	bool hang;	     /* accept, then silence */
	bool help;
};

/*
 * Fill *ret from argv. ERR_UNKNOWN for an option nobody knows, ERR_RANGE for a
 * value that is not allowed, each with a sentence; *ret is then undefined.
 */
int demo_options_parse(int argc, char **argv, struct demo_options *ret, struct err *reterr);

/* Append the help: options, then the prompt language. */
void demo_options_help(struct buf *out);

#endif
