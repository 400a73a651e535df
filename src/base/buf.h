#ifndef BASE_BUF_H
#define BASE_BUF_H

/*
 * A growable run of bytes. Embedded by value and zero-initialised; the holder
 * calls buf_finish. Growth never fails (base/mem aborts), so whoever fills one
 * from outside checks a limit first. Any thread, one at a time.
 */

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct buf {
	char *p;    /* owned; NULL while nothing was added */
	size_t len; /* bytes in use */
	size_t cap; /* bytes allocated */
};

/* Free the memory; the buf is empty and usable again. */
void buf_finish(struct buf *b);

/* Forget the content, keep the memory. */
void buf_clear(struct buf *b);

/* Make room for n more bytes and return where they go; len is unchanged. */
char *buf_reserve(struct buf *b, size_t n);

/* Append n bytes from p. */
void buf_add(struct buf *b, const void *p, size_t n);

/* Append the string s without its 0. Here, so that the compiler counts the letters of literals and
 * copies them in place. */
static inline void buf_adds(struct buf *b, const char *s)
{
	size_t n = strlen(s);

	if (n >= b->cap - b->len) {
		buf_add(b, s, n);
		return;
	}
	memcpy(b->p + b->len, s, n);
	b->len += n;
}

/* Append one byte. */
static inline void buf_addc(struct buf *b, char c)
{
	if (b->len + 1 >= b->cap)
		buf_reserve(b, 1);
	b->p[b->len++] = c;
}

/* Append formatted text. */
void buf_addf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void buf_addv(struct buf *b, const char *fmt, va_list ap) __attribute__((format(printf, 2, 0)));

/* Append a decimal number; faster than buf_addf. */
void buf_addu(struct buf *b, uint64_t n);

/* Append n / 10^decimals with that many digits after the point: 1234 and 3 are 1.234. */
void buf_add_fixed(struct buf *b, uint64_t n, unsigned decimals);

/* Drop n bytes from the front (n <= len); moves the rest. */
void buf_consume(struct buf *b, size_t n);

/* The content as a 0-terminated string; valid until the next call on b. */
const char *buf_cstr(struct buf *b);

/* Hand the memory over as a 0-terminated string to free(); b is empty after. */
char *buf_steal(struct buf *b);

#endif
