#ifndef DAEMON_DOCTOR_H
#define DAEMON_DOCTOR_H

/*
 * The daemon's half of `opta doctor`, in a process of its own: what needs the
 * store, the model connection or the sandbox. Prints one JSON object to standard output:
 * {"checks":[{"name","ok","text","fix"?}],"done":[…]}. Never deletes a session.
 */

#include <stdbool.h>

/* fix: mend what can be mended safely first. The exit status of the process. */
int doctor_run(bool fix);

#endif
