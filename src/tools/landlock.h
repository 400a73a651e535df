#ifndef TOOLS_LANDLOCK_H
#define TOOLS_LANDLOCK_H

/*
 * The layer of the sandbox that holds for files by where they lie, whatever is mounted how, and for
 * TCP ports: Landlock. A part of sandbox_enter; single-threaded processes of the tool host only.
 */

struct err;
struct sandbox_opts;
struct sandbox_support;

/* The ABI version of this kernel's Landlock, 0: none. */
int landlock_version(void);

/* Confine this process for good. 0, or a negative code with the reason. */
int landlock_enter(const struct sandbox_opts *opts, struct err *reterr);

/*
 * A ruleset that lets TCP connect to every port but `port`: 65,535 rules, about 100 ms. A
 * descriptor, or -1 where the kernel cannot.
 */
int landlock_net_rules(const struct sandbox_support *s, int port);

#endif
