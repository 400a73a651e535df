#ifndef CLI_FORMAT_H
#define CLI_FORMAT_H

/* Numbers as people read them, and as scripts do. Pure. */

#include <stddef.h>
#include <stdint.h>

/* "3s", "14m", "2h5m", "3d4h" */
void format_uptime(int64_t seconds, char *out, size_t size);

/* "812 B", "3.1 MB", "80 GB" (powers of 1024) */
void format_bytes(int64_t bytes, char *out, size_t size);

struct json_t;

/* A copy of value whose numbers have at most three decimals; json_decref. */
struct json_t *format_rounded(const struct json_t *value);

#endif
