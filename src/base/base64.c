/* RFC 4648 base64. */
#include "base/base64.h"

#include <stdint.h>

#include "base/buf.h"

static const char base64_digits[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void base64_put(struct buf *out, const void *p, size_t n)
{
	const unsigned char *u = p;
	char *to = buf_reserve(out, (n + 2) / 3 * 4);

	for (size_t i = 0; i < n; i += 3) {
		uint32_t v = (uint32_t)u[i] << 16 | (i + 1 < n ? (uint32_t)u[i + 1] << 8 : 0) |
			     (i + 2 < n ? u[i + 2] : 0);

		*to++ = base64_digits[v >> 18];
		*to++ = base64_digits[v >> 12 & 63];
		*to++ = i + 1 < n ? base64_digits[v >> 6 & 63] : '=';
		*to++ = i + 2 < n ? base64_digits[v & 63] : '=';
	}
	out->len += (n + 2) / 3 * 4;
}

/* The six bits a digit stands for, or -1. */
static int base64_value(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

bool base64_take(struct buf *out, struct str text)
{
	for (size_t at = 0; at < text.n; at += 4) {
		size_t digits = 4;
		uint32_t v = 0;

		if (text.n - at < 4)
			return false;
		/* Padding stands at the very end alone. */
		if (at + 4 == text.n && text.p[at + 3] == '=')
			digits = text.p[at + 2] == '=' ? 2 : 3;
		for (size_t i = 0; i < 4; i++) {
			int value = i < digits ? base64_value(text.p[at + i]) : 0;

			if (value < 0)
				return false;
			v = v << 6 | (uint32_t)value;
		}
		/* Bits that no byte has are 0: each text stands for other bytes. */
		if (digits < 4 && v & (digits == 3 ? 0xFFU : 0xFFFFU))
			return false;
		buf_addc(out, (char)(v >> 16));
		if (digits > 2)
			buf_addc(out, (char)(v >> 8));
		if (digits > 3)
			buf_addc(out, (char)v);
	}
	return true;
}
