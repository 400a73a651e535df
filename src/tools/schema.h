#ifndef TOOLS_SCHEMA_H
#define TOOLS_SCHEMA_H

/*
 * A model's arguments against a tool's JSON Schema: as much of it as our schemas
 * use (type, properties, required, additionalProperties false, items, enum, minimum,
 * maximum, minLength, maxLength, minItems, maxItems). Pure; any thread.
 */

#include <jansson.h>

struct err;

/* 0, or ERR_RANGE with a sentence a model can act on: which argument, what is expected. */
int schema_check(const char *schema, const json_t *args, struct err *reterr);

#endif
