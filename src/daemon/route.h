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

struct buf;
struct call;

/* Room for an id of a path: 64 characters at most, and its 0. */
enum { ROUTE_ID_SIZE = 72 };

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
 * (ROUTE_ID_SIZE each). NULL: there is none, route_methods says whether the path has any.
 */
const struct route *route_find(struct str method, struct str path, char *ret_id, char *ret_rid);

/* Append the methods a path takes ("GET, POST"); false: it is no route's. */
bool route_methods(struct str path, struct buf *out);

/* The OpenAPI 3.1 document. */
void route_put_openapi(struct buf *out);

#endif
