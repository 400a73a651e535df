#ifndef SESSION_ARTIFACTS_H
#define SESSION_ARTIFACTS_H

/*
 * The directory of a session's artifacts (whole outputs of tools), which
 * the tool host makes on first need. Loop thread only; the disk is another thread's.
 */

struct core;

/* The session is deleted: so are its artifacts, soon. Best effort. */
void artifacts_remove(struct core *core, const char *session_id);

#endif
