#ifndef STORE_PERMISSIONS_H
#define STORE_PERMISSIONS_H

/*
 * Rows of permission requests and of remembered decisions: typed jobs for the
 * store's threads. Arguments are copied; a callback may be NULL. Loop thread only.
 */

#include <stdbool.h>
#include <stdint.h>

#include "store/sessions.h"

struct store;

struct permission_row {
	int64_t session;
	const char *id, *turn_id, *tool;
	int64_t created_ms;
};

/* A request is open. Durable. */
void store_permission_add(
    struct store *s, const struct permission_row *row, store_done_cb *done, void *data);

/* It was decided ("allow" or "deny"). Durable. */
void store_permission_resolve(struct store *s, int64_t session, const char *id,
    const char *decision, const char *decided_by, store_done_cb *done, void *data);

/* decision is NULL when there is no such request, "" while it is open; valid until return. */
typedef void store_permission_cb(void *data, int rc, const char *decision, const char *decided_by);
void store_permission_find(
    struct store *s, int64_t session, const char *id, store_permission_cb *done, void *data);

/*
 * Remember a decision for the tool in this session: for calls whose match is this text. Written
 * with the batch.
 */
void store_rule_put(
    struct store *s, int64_t session, const char *tool, const char *match, const char *decision);

#endif
