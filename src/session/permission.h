#ifndef SESSION_PERMISSION_H
#define SESSION_PERMISSION_H

/*
 * Asking a person whether a tool call may run. A request is an event and a row,
 * durable before anybody sees it; any client may answer; the first answer is
 * durable before the call hears of it; nobody's answer in time is a no. Loop thread only.
 *
 *   ASKED --durable--> OPEN --answer, timeout--> DECIDING --durable--> told
 *     |                 |                           |
 *     +-----------------+------- permission_drop ---+--> (told to nobody)
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "protocol/errors.h"

struct buf;
struct core;
struct permission;
struct request_resolve;
struct session;

/* The decision is in the log. answer: for a question, "" otherwise. Once; the permission is freed
 * after. */
typedef void permission_cb(
    void *data, bool allow, const char *decided_by, const char *reason, const char *answer);

struct permission_opts {
	struct session *session; /* borrowed; the permission takes a reference */
	const char *turn_id, *call_id, *tool;
	const char *args;    /* JSON text of the arguments as they will be used */
	const char *preview; /* for a person */
	const char *match; /* what a remembered decision holds for; NULL: it cannot be remembered */
	const char *repository; /* one that the request names and a remembered yes holds for as
				   well, or NULL */
	permission_cb *on_decided;
	void *data;
};

/* Ask. Strings are copied. on_decided is never called before this returns. */
struct permission *permission_ask(const struct permission_opts *opts);

/*
 * The call no longer wants to know (its turn ends). When the decision is not on its way to
 * the log yet, its permission.resolved ("cancelled") and row are the caller's to write: true, and
 * the id is in ret_id (32 bytes). on_decided is not called any more.
 */
bool permission_drop(struct permission *p, char *ret_id);

/* What is not durable was lost: a decision on its way is none. For all of the session's. */
void permission_lost(struct session *s);

struct resolve_result {
	enum api_error error; /* API_OK, API_NOT_FOUND, API_CONFLICT, API_STORAGE_FULL, … */
	const char *decision, *decided_by; /* for API_CONFLICT; valid until return */
};
typedef void resolve_cb(void *data, const struct resolve_result *result);

/* A client's answer to the request named rid. Calls back once it is durable, or refused (perhaps at
 * once). */
void permission_resolve(struct session *s, const char *rid, const struct request_resolve *request,
    resolve_cb *done, void *data);

/* Append the answer a client gets, {"ok":…,"conflict":…}; error: API_OK, API_CONFLICT or
 * API_NOT_FOUND. */
void resolve_result_put(struct buf *out, const struct resolve_result *r);

/* Append what is open in the session as items of a JSON array; first: none stands before. */
void permission_put_pending(const struct session *s, struct buf *out, bool *first);

/* The same for all sessions. */
void permission_put_all_pending(const struct core *core, struct buf *out);

#endif
