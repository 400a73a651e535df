#ifndef CLI_LAUNCH_H
#define CLI_LAUNCH_H

/* Starting the daemon's process: exactly once, however many try. Blocks. */

#include <stdbool.h>
#include <stddef.h>

struct err;
struct paths;

/* So many automatic starts that failed within LAUNCH_LOOP_S are a crash loop: no further one is
 * tried. */
enum { LAUNCH_LOOP = 3, LAUNCH_LOOP_S = 60 };

/*
 * Start optad in the background and wait until it says it is ready, over a
 * pipe. One that another starter made ready in the meantime counts as success
 * (*ret_started false). The sentence of a failure is the daemon's own. automatic: nobody
 * asked for it by name; after LAUNCH_LOOP failures within LAUNCH_LOOP_S it is refused with the
 * reason of the last one, and the end of the log is printed. Failures are kept in
 * OPTA_HOME/start.failures; a success or an explicit start forgets them.
 */
int launch_daemon(const struct paths *paths, bool automatic, bool *ret_started, struct err *reterr);

/* The path of optad: beside this program, or where `install` puts it. -ENOENT with a sentence. */
int launch_find_optad(char *ret_path, size_t size, struct err *reterr);

#endif
