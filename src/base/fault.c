/* Ending the process at a named place. */
#include "base/fault.h"

#ifdef OPTA_FAULTS

#include <assert.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <unistd.h>

#include "base/str.h"

const char *const fault_names[] = {
    "state-written",   /* state.json's successor is on disk, not yet in its place */
    "state-replaced",  /* it is in its place */
    "migrated",	       /* one migration ran, not yet committed */
    "recovery-turn",   /* one open turn was ended, not yet committed */
    "recovered",       /* all of them are, committed */
    "batch-begun",     /* the writer's transaction is open */
    "batch-job",       /* one of its jobs ran */
    "batch-commit",    /* all did; COMMIT is next */
    "batch-committed", /* committed; nobody knows yet */
    "batch-answered",  /* one of its callbacks ran */
    "packing",	       /* rows are deleted, what takes their place is not inserted */
    "checkpoint",      /* the log is about to be written back */
    "checkpointed",    /* it was */
    "tool-begun",      /* a tool was asked to run */
    "tool-ended",      /* its answer is there, not yet stored */
    NULL,
};

static pthread_once_t once = PTHREAD_ONCE_INIT;
static char wanted[64];
static atomic_uint left; /* 0: none is wanted */

static void read_environment(void)
{
	const char *text = getenv("OPTA_FAULT");
	struct str rest = str_of(text ? text : ""), name;
	uint64_t n = 0;

	rest = str_cut(rest, ':', &name);
	if (name.n >= sizeof wanted || !str_parse_u64(rest, 1000000, &n))
		return;
	memcpy(wanted, name.p, name.n);
	atomic_store(&left, (unsigned)n);
}

static bool is_known(const char *name)
{
	for (const char *const *known = fault_names; *known; known++)
		if (strcmp(*known, name) == 0)
			return true;
	return false;
}

void fault_pass(const char *name)
{
	assert(is_known(name));
	pthread_once(&once, read_environment);
	if (atomic_load(&left) && strcmp(name, wanted) == 0 && atomic_fetch_sub(&left, 1) == 1)
		kill(getpid(), SIGKILL);
}

#endif
