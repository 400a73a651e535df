#ifndef BASE_JSON_H
#define BASE_JSON_H

/*
 * JSON in and out. Reading is jansson with our limits (no duplicate keys, no
 * NaN, valid UTF-8 only, bounded size and depth). The hot output path writes
 * into a buf directly with json_put_*. Any thread, one per value.
 */

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

struct buf;
struct err;

/* Nesting deeper than this is refused: nobody means it. */
enum { JSON_MAX_DEPTH = 128 };

/*
 * Parse the n bytes at p as one JSON text. Returns 0 and sets *ret (the caller
 * json_decrefs it), or ERR_SYNTAX with where and why; *ret is untouched then.
 */
int json_parse(const char *p, size_t n, json_t **ret, struct err *reterr);

/* A member of an object whose value is a string; both borrowed from the text. */
struct json_member {
	struct str key, value;
};

/*
 * Read the n bytes at p, in place, as one object of plain strings: every value
 * a string, nothing escaped, valid UTF-8, no key twice. Returns how many members
 * it has and puts them into ret; 0 when it is empty, has more than max, or is
 * anything else, good or bad: then json_parse tells. Takes a fraction of
 * json_parse's time and no memory; for texts of which there are very many.
 */
size_t json_flat(const char *p, size_t n, struct json_member *ret, size_t max);

/* The value of key among count members; p NULL: there is none. */
struct str json_flat_str(const struct json_member *members, size_t count, const char *key);

/* Append s as a JSON string with its quotes. Invalid UTF-8 becomes U+FFFD; "<" is not escaped. */
void json_put_str(struct buf *b, const char *p, size_t n);

/* The same for a 0-terminated string; NULL is written as null. */
void json_put_cstr(struct buf *b, const char *s);

/* Append value as compact JSON. */
void json_put(struct buf *b, const json_t *value);

/* The string under key as a str with p NULL when it is not there or no string. Borrowed from
 * object. */
struct str json_str(const json_t *object, const char *key);

/* The same as a C string (jansson refuses embedded NULs in what we parse), or fallback. */
const char *json_cstr(const json_t *object, const char *key, const char *fallback);

/* The whole number under key, or fallback when absent or no number or out of int64. */
int64_t json_int(const json_t *object, const char *key, int64_t fallback);

#endif
