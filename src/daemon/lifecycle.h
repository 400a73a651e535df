#ifndef DAEMON_LIFECYCLE_H
#define DAEMON_LIFECYCLE_H

/*
 * Being the only daemon, and saying where it is: the two locks and state.json.
 * These touch the disk: at the start, and on a worker thread later.
 */

#include <stdbool.h>
#include <sys/types.h>

struct err;
struct paths;

struct lifecycle_locks {
	int sessions_fd; /* the one that counts: nobody else writes sessions/ */
	int daemon_fd;	 /* for people and scripts that look into daemon/ */
};

struct daemon_state {
	const char *daemon_id, *host, *token, *logs_path;
	int port;
	const char *started_at; /* ISO time */
};

/*
 * Take both locks and write pid and start time into them. ERR_BUSY when another
 * daemon holds one; *ret_owner is its pid then (0 unknown).
 */
int lifecycle_lock(
    const struct paths *paths, struct lifecycle_locks *ret, pid_t *ret_owner, struct err *reterr);

/* daemon/ may have been deleted: make it and its lock again. Best effort. */
void lifecycle_relock(const struct paths *paths, struct lifecycle_locks *locks);

/* Write state.json (0600, atomically). With stopped: without pid and token. */
int lifecycle_write_state(
    const struct paths *paths, const struct daemon_state *state, bool stopped, struct err *reterr);

#endif
