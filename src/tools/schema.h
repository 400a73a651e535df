#ifndef TOOLS_SCHEMA_H
#define TOOLS_SCHEMA_H

/*
 * A model's arguments against a tool's JSON Schema: as much of it as our schemas
 * use (type, properties, required, additionalProperties false, items, enum, minimum,
 * maximum, minLength, maxLength, minItems, maxItems). Pure; any thread.
 */

#include <jansson.h>
#include <stdbool.h>

struct err;

/*
 * Some models send every value as text: what the schema wants as a number or a truth value and
 * is a text that says just that becomes one. True when anything was changed.
 */
bool schema_mend(const char *schema, json_t *args);

/* 0, or ERR_RANGE with a sentence a model can act on: which argument, what is expected. */
int schema_check(const char *schema, const json_t *args, struct err *reterr);

#endif
