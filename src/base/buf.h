#ifndef BASE_BUF_H
#define BASE_BUF_H

/*
 * A growable run of bytes. Embedded by value and zero-initialised; the holder
 * calls buf_finish. Growth never fails (base/mem aborts), so whoever fills one
 * from outside checks a limit first. Any thread, one at a time.
 */

#include <assert.h>
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

/* Get memory for n more bytes and the 0 that buf_cstr puts behind them. */
void buf_grow(struct buf *b, size_t n);

/*
 * Make room for n more bytes and return where they go; len is unchanged. This and what follows
 * is here, so that the compiler counts the letters of literals and copies them in place.
 */
static inline char *buf_reserve(struct buf *b, size_t n)
{
	if (b->len + n >= b->cap)
		buf_grow(b, n);
	return b->p + b->len;
}

/* Append n bytes from p. */
static inline void buf_add(struct buf *b, const void *p, size_t n)
{
	if (!n)
		return;
	assert(p);
	memcpy(buf_reserve(b, n), p, n);
	b->len += n;
}

/* Append the string s without its 0. */
static inline void buf_adds(struct buf *b, const char *s)
{
	buf_add(b, s, strlen(s));
}

/* Append one byte. */
static inline void buf_addc(struct buf *b, char c)
{
	if (b->len + 1 >= b->cap)
		buf_grow(b, 1);
	b->p[b->len++] = c;
}

/* Append formatted text. */
void buf_addf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void buf_addv(struct buf *b, const char *fmt, va_list ap) __attribute__((format(printf, 2, 0)));

/* Append a decimal number of two digits or more. */
void buf_add_digits(struct buf *b, uint64_t n);

/* Append a decimal number; faster than buf_addf. */
static inline void buf_addu(struct buf *b, uint64_t n)
{
	if (n < 10)
		buf_addc(b, (char)('0' + n));
	else
		buf_add_digits(b, n);
}

/* Drop n bytes from the front (n <= len); moves the rest. */
void buf_consume(struct buf *b, size_t n);

/* The content as a 0-terminated string; valid until the next call on b. */
const char *buf_cstr(struct buf *b);

/* Hand the memory over as a 0-terminated string to free(); b is empty after. */
char *buf_steal(struct buf *b);

#endif
