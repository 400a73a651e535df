#ifndef BASE_LINGERING_H
#define BASE_LINGERING_H

/*
 * Work on libuv's threads that may hang for minutes (a silent name server, a
 * disk of a network that is gone) and that nobody needs once the process ends.
 * libuv's destructor would wait for it, and with it the lock of the sessions.
 * Loop thread only.
 */

#include <stdbool.h>

/* Around each piece of such work: begin when it is queued, end in its callback. */
void lingering_begin(void);
void lingering_end(void);

bool lingering_any(void);

/*
 * Instead of exit(rc), as the last thing: without waiting when there is such work. What
 * else libuv's threads are at (removing artifacts) is cut short then, too.
 */
_Noreturn void lingering_exit(int rc);

#endif
