#ifndef SESSION_ROSTER_H
#define SESSION_ROSTER_H

/*
 * Finding and making sessions. A session is loaded when asked for, once however
 * many ask, and leaves memory when its last reference goes. Loop thread only.
 */

#include <stdint.h>

#include "protocol/errors.h"

struct buf;
struct core;
struct request_session;
struct session;

/*
 * s is valid until return (take a reference to keep it) and NULL when error is
 * not API_OK (API_SESSION_NOT_FOUND, API_STORAGE_FULL, API_INTERNAL_ERROR).
 */
typedef void roster_cb(void *data, enum api_error error, struct session *s);

/* Load the session `id`. May call back before it returns. */
void roster_get(struct core *core, const char *id, roster_cb *done, void *data);

/* Make a session; one that exists already under the asked id is given back as it is. Calls back
 * once it is durable. */
void roster_create(
    struct core *core, const struct request_session *request, roster_cb *done, void *data);

/* The list of sessions as a JSON array, newest first; valid until return. */
typedef void roster_list_cb(void *data, enum api_error error, struct buf *json);

/* limit 0: all; before, query: NULL or copied. */
void roster_list(struct core *core, unsigned long limit, const char *before, const char *query,
    roster_list_cb *done, void *data);

/* Full-text search in all sessions (store/search.h): the inside of a JSON array. query is copied.
 */
void roster_search(
    struct core *core, const char *query, uint64_t limit, roster_list_cb *done, void *data);

/* The session's messages as the inside of a JSON array; valid until return. */
void roster_messages(struct session *s, roster_list_cb *done, void *data);

#endif
