#ifndef BASE_FAULT_H
#define BASE_FAULT_H

/*
 * Named places where a test ends the process as kill -9 would: only in builds with
 * -Dfaults=true. OPTA_FAULT=NAME:N in the environment ends it when NAME is passed for the N-th
 * time. Any thread.
 *
 * To add a place: FAULT("name") where it is, a row in fault_names (fault.c).
 */

#ifdef OPTA_FAULTS

/* Ended by NULL. */
extern const char *const fault_names[];

void fault_pass(const char *name);

#define FAULT(name) fault_pass(name)

#else

#define FAULT(name) ((void)0)

#endif
#endif
