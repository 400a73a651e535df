#ifndef STORE_GAPS_H
#define STORE_GAPS_H

/*
 * What is missing of the sessions' logs in a database that was damaged: found, and
 * filled, so that numbers follow one another again. For `doctor`; blocks.
 */

#include <stdint.h>

struct db;
struct err;

/* Does each session's log begin at 1 and follow on, every event whole? 0; ERR_CORRUPT with the
 * first place where it does not; another code of the database. */
int gaps_check(struct db *db, struct err *reterr);

/*
 * Within the caller's transaction: sessions whose row is lost get one again, segments that are not
 * whole go, and each number that is missing gets a `session.lost` event. *ret_lost: how many. 0 or
 * a code of the database.
 */
int gaps_fill(struct db *db, const char *daemon_id, uint64_t *ret_lost);

#endif
