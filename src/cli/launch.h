#ifndef CLI_LAUNCH_H
#define CLI_LAUNCH_H

/* Starting the daemon's process: exactly once, however many try. Blocks. */

#include <stdbool.h>
#include <stddef.h>

struct err;
struct paths;

/*
 * Start optad in the background and wait until it says it is ready, over a
 * pipe. One that another starter made ready in the meantime counts as success
 * (*ret_started false). The sentence of a failure is the daemon's own.
 */
int launch_daemon(const struct paths *paths, bool *ret_started, struct err *reterr);

/* The path of optad: beside this program, or where `install` puts it. -ENOENT with a sentence. */
int launch_find_optad(char *ret_path, size_t size, struct err *reterr);

#endif
