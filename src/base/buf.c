/* A growable run of bytes. */
#include "base/buf.h"

#include <assert.h>

#include "base/mem.h"

/* The first allocation: one cache-friendly block, most texts fit. */
enum { BUF_FIRST = 256 };

void buf_finish(struct buf *b)
{
	free(b->p);
	*b = (struct buf){0};
}

void buf_clear(struct buf *b)
{
	b->len = 0;
}

void buf_grow(struct buf *b, size_t n)
{
	size_t want = b->len + n + 1, cap = b->cap ? b->cap : BUF_FIRST;

	assert(want > b->len);
	while (cap < want)
		cap += cap / 2;
	b->p = mem_realloc(b->p, cap);
	b->cap = cap;
}

void buf_addv(struct buf *b, const char *fmt, va_list ap)
{
	va_list again;
	int n;

	assert(fmt);
	va_copy(again, ap);
	n = vsnprintf(NULL, 0, fmt, again);
	va_end(again);
	assert(n >= 0);
	vsnprintf(buf_reserve(b, (size_t)n), (size_t)n + 1, fmt, ap);
	b->len += (size_t)n;
}

void buf_addf(struct buf *b, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	buf_addv(b, fmt, ap);
	va_end(ap);
}

void buf_add_digits(struct buf *b, uint64_t n)
{
	/* "00" to "99": a division gives two digits. */
	static const char pairs[] = "00010203040506070809101112131415161718192021222324252627282930"
				    "31323334353637383940414243444546474849505152535455565758596061"
				    "62636465666768697071727374757677787980818283848586878889909192"
				    "93949596979899";
	char digits[20];
	size_t i = sizeof digits;

	while (n >= 10) {
		i -= 2;
		memcpy(digits + i, pairs + n % 100 * 2, 2);
		n /= 100;
	}
	/* The first digit of an odd number of them; of an even number none is left. */
	if (n)
		digits[--i] = (char)('0' + n);
	buf_add(b, digits + i, sizeof digits - i);
}

void buf_consume(struct buf *b, size_t n)
{
	assert(n <= b->len);
	if (n && n < b->len)
		memmove(b->p, b->p + n, b->len - n);
	b->len -= n;
}

const char *buf_cstr(struct buf *b)
{
	*buf_reserve(b, 0) = '\0';
	return b->p;
}

char *buf_steal(struct buf *b)
{
	char *s;

	buf_cstr(b);
	s = b->p;
	*b = (struct buf){0};
	return s;
}
