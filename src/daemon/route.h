#ifndef DAEMON_ROUTE_H
#define DAEMON_ROUTE_H

/*
 * The one table of routes: what conn dispatches on and what /v3/openapi.json is
 * made from.
 *
 * To add a route: a row in route.c, its handler in an api_*.c, a line in
 * docs/protocol.md, a wire test.
 */

#include <stdbool.h>

#include "base/str.h"
#include "protocol/errors.h"

struct buf;
struct call;

enum route_flags {
	ROUTE_OPEN = 1,	       /* answers without a token (a wrong one is still refused) */
	ROUTE_QUERY_TOKEN = 2, /* ?token= counts: a browser cannot set headers here */
	ROUTE_WEBSOCKET = 4,
	ROUTE_BODY = 8, /* has a JSON body */
};

struct route {
	const char *method, *path; /* "/v3/sessions/:id/turns" */
	unsigned flags;
	void (*handle)(struct call *call);
	const char *summary;
	int status; /* of success */
};

/* All routes, ended by a row whose method is NULL. */
extern const struct route routes[];

/*
 * Find the route for method and path; :rid goes into ret_rid, any other name into ret_id
 * (72 bytes each). NULL with *ret_error NOT_FOUND or METHOD_NOT_ALLOWED; for the latter
 * *ret_allow gets the methods ("GET, POST"), in a static buffer.
 */
const struct route *route_find(struct str method, struct str path, char *ret_id, char *ret_rid,
    enum api_error *ret_error, const char **ret_allow);

/* The OpenAPI 3.1 document. */
void route_put_openapi(struct buf *out);

#endif
