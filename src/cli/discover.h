#ifndef CLI_DISCOVER_H
#define CLI_DISCOVER_H

/*
 * The first run: nobody has said where the model server is. One on this machine is
 * looked for on the ports such servers use by themselves.
 */

#include <stdbool.h>

struct client;

enum {
	DISCOVER_MS = 700,	   /* for all ports of this machine together */
	DISCOVER_DEFAULT_MS = 500, /* for the default host, when one was found here */
	DISCOVER_AGAIN_MS = 20,	   /* between two questions whether it does */
	DISCOVER_APPLY_MS = 2000,  /* for the daemon to use what was found */
	DISCOVER_MAX_PORTS = 8,
};

/* What a new session is to be told. */
struct discovery {
	char device[32]; /* the model server of this session alone, "" the one of the settings */
};

/*
 * When no setting names a model server: use the default host where it answers, else one of this
 * machine that does. It is written to the settings and said once on standard error; the demo is
 * not written, but is in ret->device. One that another user runs is used when the person at the
 * terminal says so. False: there is none, which was said with what to do about it. The daemon of c
 * runs. OPTA_DISCOVER_PORTS ("1234,8080"; empty: look nowhere) replaces the ports. Blocks for at
 * most some seconds, and while a person is asked.
 */
bool discover_model_server(const struct client *c, struct discovery *ret);

#endif
