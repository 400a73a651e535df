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

/*
 * When no setting names a model server: use the default host where it answers, else the first
 * server of this machine that does, which is written to the settings and said once on standard
 * error. False: none answers, which was said with what to do about it. The daemon of c runs.
 * OPTA_DISCOVER_PORTS ("1234,8080"; empty: look nowhere) replaces the ports. Blocks for at most
 * some seconds.
 */
bool discover_model_server(const struct client *c);

#endif
