#ifndef DEMO_ROUTES_H
#define DEMO_ROUTES_H

/*
 * The answers that do not depend on a request's body: probes, model lists,
 * refusals. Pure; any thread.
 */

#include "base/str.h"

struct buf;
struct demo_options;

/* Append the body for a method and path that is no chat. Returns the HTTP status. */
int demo_routes_answer(
    const struct demo_options *o, struct str method, struct str path, struct buf *body);

#endif
