#ifndef DAEMON_AUTH_H
#define DAEMON_AUTH_H

/*
 * Who may talk: the Host gate (against DNS rebinding), the Origin gate (against
 * web pages), the token, and the throttle on guesses. Loop thread only.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

struct config;

enum {
	AUTH_TOKEN_SIZE = 8 + 64 + 1, /* "opta_dk_", 256 bits as hex, 0 */
	AUTH_FREE_GUESSES = 10,	      /* wrong tokens answered at once; one more each second */
	AUTH_DELAY_MS = 1000,	      /* what a further guess waits for its 401 */
	AUTH_MAX_DELAYED = 64,	      /* guesses waiting; more are cut off unanswered */
};

struct auth {
	char token[AUTH_TOKEN_SIZE];
	const struct config *config; /* borrowed; daemon.host, daemon.allowedOrigins */
	const char *host;	     /* borrowed: what the daemon listens on */
	double guesses;		     /* left before the throttle */
	uint64_t refilled_us;
	unsigned delayed; /* guesses waiting */
};

/* A fresh token. */
void auth_init(struct auth *a, const struct config *config, const char *host);

/* Does Host name a loopback address or the configured host (any port)? */
bool auth_host_ok(const struct auth *a, struct str host);

/* Is the Origin a loopback one, listed in daemon.allowedOrigins, or Tauri's with daemon.allowTauri?
 */
bool auth_origin_ok(const struct auth *a, struct str origin);

/* Is it the token? Constant time. */
bool auth_token_ok(const struct auth *a, struct str token);

/* A wrong token was sent: false when its answer must wait AUTH_DELAY_MS. */
bool auth_guess(struct auth *a);

#endif
