#ifndef DEMO_FAILURES_H
#define DEMO_FAILURES_H

/*
 * How often requests with the same demo:key have failed, for demo:times. Holds
 * DEMO_FAILURES_MAX keys; the oldest is forgotten. One thread at a time.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

struct demo_failures;

enum { DEMO_FAILURES_MAX = 1024 };

/* No failures yet; the caller frees it with demo_failures_free. */
struct demo_failures *demo_failures_new(void);

/* Free f. NULL is allowed. */
void demo_failures_free(struct demo_failures *f);

/* Count a request under key (copied). True while it is one of the first `times`: it is to fail. */
bool demo_failures_take(struct demo_failures *f, struct str key, uint64_t times);

#endif
