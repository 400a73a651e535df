#ifndef BASE_JSON_WRITER_H
#define BASE_JSON_WRITER_H

/*
 * JSON written from its beginning to its end: braces and commas come by
 * themselves. Each function that writes a value takes the key it stands under,
 * NULL in an array or for the whole text. Keys are our own: plain text without
 * anything to escape. Any thread, one per writer.
 *
 *	struct json_writer w = {.out = out};
 *
 *	json_write_object(&w, NULL);
 *	json_write_cstr(&w, "role", "user");
 *	json_write_end(&w);
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;
struct json_t;

enum { JSON_WRITER_DEPTH = 64 };

struct json_writer {
	struct buf *out; /* borrowed; what stands in it already is left alone */
	uint64_t arrays; /* a bit for each open level: it is an array */
	unsigned depth;
	bool comma; /* something stands before in the open level */
};

/* Open an object or an array; the next json_write_end closes it. */
void json_write_object(struct json_writer *w, const char *key);
void json_write_array(struct json_writer *w, const char *key);
void json_write_end(struct json_writer *w);

/* Text: what is no UTF-8 becomes U+FFFD. A NULL string is null. */
void json_write_str(struct json_writer *w, const char *key, const char *p, size_t n);
void json_write_cstr(struct json_writer *w, const char *key, const char *s);

void json_write_uint(struct json_writer *w, const char *key, uint64_t n);
void json_write_int(struct json_writer *w, const char *key, int64_t n);
void json_write_bool(struct json_writer *w, const char *key, bool value);
void json_write_null(struct json_writer *w, const char *key);

/* n bytes of JSON that is one value already; nothing looks at them. */
void json_write_raw(struct json_writer *w, const char *key, const char *p, size_t n);

/* A value of jansson's, compact. */
void json_write_value(struct json_writer *w, const char *key, const struct json_t *value);

/* Members (`"a":1,"b":2`, no braces) into the open object; n may be 0. */
void json_write_members(struct json_writer *w, const char *p, size_t n);

#endif
