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

char *buf_reserve(struct buf *b, size_t n)
{
	size_t want = b->len + n + 1;

	assert(want > b->len);
	if (want > b->cap) {
		size_t cap = b->cap ? b->cap : BUF_FIRST;

		while (cap < want)
			cap += cap / 2;
		b->p = mem_realloc(b->p, cap);
		b->cap = cap;
	}
	return b->p + b->len;
}

void buf_add(struct buf *b, const void *p, size_t n)
{
	if (!n)
		return;
	memcpy(buf_reserve(b, n), p, n);
	b->len += n;
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

void buf_addu(struct buf *b, uint64_t n)
{
	char digits[20];
	size_t i = sizeof digits;

	do {
		digits[--i] = (char)('0' + n % 10);
		n /= 10;
	} while (n);
	buf_add(b, digits + i, sizeof digits - i);
}

void buf_add_fixed(struct buf *b, uint64_t n, unsigned decimals)
{
	uint64_t unit = 1;

	for (unsigned i = 0; i < decimals; i++)
		unit *= 10;
	buf_addu(b, n / unit);
	if (!decimals)
		return;
	buf_addc(b, '.');
	/* The zeros after the point that the rest does not have. */
	for (uint64_t rest = n % unit; unit > 10 && rest < unit / 10; unit /= 10)
		buf_addc(b, '0');
	buf_addu(b, n % unit);
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
