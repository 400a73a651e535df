#ifndef BASE_STR_H
#define BASE_STR_H

/*
 * Text from outside: a pointer and a length, borrowed from whoever holds the
 * bytes. Also the strict number parsers and UTF-8 checks. Any thread.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct str {
	const char *p; /* borrowed; not 0-terminated; may be NULL when n is 0 */
	size_t n;
};

/* A literal as a constant str. */
#define STR(literal)                                                                               \
	{                                                                                          \
		literal, sizeof(literal) - 1                                                       \
	}

/* A literal or other 0-terminated string as a str. */
struct str str_of(const char *s);

/* Equal bytes. Inline, as b is mostly a literal, whose length is known then. */
static inline bool str_eq(struct str a, const char *b)
{
	size_t n = strlen(b);

	return a.n == n && (n == 0 || memcmp(a.p, b, n) == 0);
}

/* Equal but for ASCII case. */
bool str_ieq(struct str a, const char *b);

/* Does a begin with prefix? */
bool str_starts(struct str a, const char *prefix);

/* a without blanks, tabs and line ends at either end. */
struct str str_trim(struct str a);

/*
 * Cut a at the first sep: *head gets what is before it (all of a when there is
 * none), the return value is what follows it (empty when there is none).
 */
struct str str_cut(struct str a, char sep, struct str *head);

/* A whole decimal number 0 … max with nothing around it; false otherwise, *ret untouched. */
bool str_parse_u64(struct str a, uint64_t max, uint64_t *ret);

/* The value of a hexadecimal digit of either case, or -1. */
int str_hex_digit(char c);

/* Compare secrets in time that depends on n only. Lengths are not secret. */
bool str_secret_eq(struct str a, struct str b);

/*
 * How many bytes at the start of p[0..n) form whole, valid UTF-8 characters
 * (RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF).
 */
size_t str_utf8_valid(const char *p, size_t n);

/*
 * Is p[0..n), n < 4, the beginning of a valid character that needs more bytes?
 */
bool str_utf8_partial(const char *p, size_t n);

/* The number of edits (insert, delete, replace) between a and b, at most 64 bytes each; for "did
 * you mean". */
size_t str_distance(const char *a, const char *b);

#endif
