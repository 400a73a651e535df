#ifndef STORE_RECOVERY_H
#define STORE_RECOVERY_H

/*
 * What the last daemon left open is ended here, before anybody can look: every
 * accepted turn without a stop event gets turn.error "interrupted", and the part
 * of its answer that is in the log becomes a message. Nothing is run again.
 */

#include <stddef.h>

struct db;
struct err;

/* Blocks; one durable transaction. *ret_turns gets how many turns were ended. Costs nothing when
 * none is open. */
int recovery_run(struct db *db, const char *daemon_id, size_t *ret_turns, struct err *reterr);

#endif
