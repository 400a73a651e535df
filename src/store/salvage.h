#ifndef STORE_SALVAGE_H
#define STORE_SALVAGE_H

/*
 * Looking at a database that may be damaged, and saving what can be read of it.
 * For `doctor`, in a process of its own while no daemon runs. Blocks.
 */

#include <stddef.h>
#include <stdint.h>

struct err;

/* Is the database sound, and is each session's log whole? 0; ERR_CORRUPT with the first thing that
 * is wrong; -ENOENT: there is none; ERR_BUSY: another process has it for itself.
 */
int salvage_check(const char *path, struct err *reterr);

struct salvage_report {
	uint64_t rows;	  /* saved */
	uint64_t gaps;	  /* places where rows could not be read */
	uint64_t lost;	  /* events that are gone: session.lost stands in their place */
	char aside[1200]; /* where the damaged file is now */
};

/*
 * Copy what can be read of dir/opta.db into a fresh database, put the damaged files
 * aside beside it (never deleted), and the fresh one in their place. 0, or a code with a sentence;
 * the old files are untouched then.
 */
int salvage_run(const char *dir, struct salvage_report *ret, struct err *reterr);

#endif
