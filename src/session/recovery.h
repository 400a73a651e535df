#ifndef SESSION_RECOVERY_H
#define SESSION_RECOVERY_H

/*
 * What the last daemon left open is ended here, before anybody can look: every accepted turn
 * without a stop event gets turn.error "interrupted", its open calls and requests get their ends,
 * and what is in its log becomes history, by the same fold as of a turn that ended (history.h).
 * Nothing is run again. Before the loop runs; blocks.
 */

struct open_turn;

/* An open_turn_cb for store_open. */
int recovery_end_turn(struct open_turn *t);

#endif
