#ifndef MODEL_TARGET_H
#define MODEL_TARGET_H

/*
 * Where a model server is: "lmx-host.local", "10.0.0.2:8080", "[::1]:1234",
 * "https://models.example/api". Pure; any thread.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

struct err;
struct filter;

struct target {
	char host[256];
	int port;
	bool tls;
	char prefix[512];    /* put before each path, "" or "/api" */
	char query[256];     /* put behind it, "" or "?api-version=1" */
	bool bare;	     /* the prefix names the version itself: paths go without their "/v1" */
	const char *dialect; /* static: what the address itself says it speaks; NULL: it does not */
};

/* Room for any path of a target with its 0. */
enum { TARGET_MAX_PATH = 1024 };

/* Parse text; port is used where text names none (443 for https). -EINVAL with a sentence. */
int target_parse(const char *text, int port, struct target *ret, struct err *reterr);

/* The path of a request: "/v1/models" behind the prefix, with the query. Cut at size. */
void target_path(const struct target *t, const char *path, char *out, size_t size);

/* Is it this machine, by its name or address alone ("localhost", 127.0.0.0/8, ::1)? */
bool target_is_local(const struct target *t);

/* Is it the same server: host (any case) and port, and no TLS taken away? */
bool target_same(const struct target *t, const struct target *other);

/* A TLS filter for t, or NULL when t is plain; *reterr is set when TLS cannot be had. */
struct filter *target_filter(const struct target *t, struct err *reterr);

#endif
