#ifndef MODEL_NEGOTIATION_H
#define MODEL_NEGOTIATION_H

/*
 * A server that refuses one thing of a question is asked without it: what a refusal names, and
 * what is left out or called otherwise then. Pure; any thread.
 */

#include <stdbool.h>

#include "model/dialect.h"

struct negotiation {
	enum drop drop;
	const char *refused, *instead; /* for a person: "<refused>: asked again <instead>" */
};

/*
 * Does the server's sentence name one thing that was sent and can be left out? dropped: what is
 * left out already; tools, max_tokens: were they sent? False: none.
 */
bool negotiation_find(
    const char *said, unsigned dropped, bool tools, bool max_tokens, struct negotiation *ret);

/* Does it name any at all, whatever was sent? */
bool negotiation_names(const char *said);

#endif
