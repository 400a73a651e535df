#ifndef DAEMON_DAEMON_H
#define DAEMON_DAEMON_H

/*
 * The daemon as a process: start, signals, stop. One function, called by main.
 */

struct daemon_opts {
	int ready_fd; /* a pipe: "ready PID PORT\n" or "error …\n" or "busy PID …\n" is written to
			 it; -1: none */
	int foreground; /* log to standard error as well */
};

/* Run until told to stop. The exit status of the process. */
int daemon_run(const struct daemon_opts *opts);

#endif
