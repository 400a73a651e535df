#ifndef TOOLS_FILTER_H
#define TOOLS_FILTER_H

/*
 * The layer of the sandbox that looks at system calls: seccomp. It refuses what no tool needs, and
 * what a tool needs but not with these arguments. A part of sandbox_enter.
 */

struct err;
struct sandbox_opts;

/*
 * Filter the calls of this process and all it will start, for good. 0, or a negative code with the
 * reason. With opts->broker *ret_listener gets the descriptor where bind(2) and connect(2) wait
 * for somebody to do them (broker.h), -1 otherwise.
 */
int filter_enter(const struct sandbox_opts *opts, int *ret_listener, struct err *reterr);

#endif
