/* Borrowed text, strict numbers, UTF-8. */
#include "base/str.h"

#include <strings.h>

struct str str_of(const char *s)
{
	return (struct str){s, s ? strlen(s) : 0};
}

bool str_ieq(struct str a, const char *b)
{
	size_t n = strlen(b);

	return a.n == n && (n == 0 || strncasecmp(a.p, b, n) == 0);
}

bool str_starts(struct str a, const char *prefix)
{
	size_t n = strlen(prefix);

	return a.n >= n && (n == 0 || memcmp(a.p, prefix, n) == 0);
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

struct str str_trim(struct str a)
{
	while (a.n && is_blank(a.p[0])) {
		a.p++;
		a.n--;
	}
	while (a.n && is_blank(a.p[a.n - 1]))
		a.n--;
	return a;
}

struct str str_cut(struct str a, char sep, struct str *head)
{
	const char *at = a.n ? memchr(a.p, sep, a.n) : NULL;

	if (!at) {
		*head = a;
		return (struct str){NULL, 0};
	}
	*head = (struct str){a.p, (size_t)(at - a.p)};
	return (struct str){at + 1, a.n - head->n - 1};
}

bool str_parse_u64(struct str a, uint64_t max, uint64_t *ret)
{
	uint64_t v = 0;

	if (a.n == 0 || a.n > 20)
		return false;
	for (size_t i = 0; i < a.n; i++) {
		unsigned digit = (unsigned)(unsigned char)a.p[i] - '0';

		if (digit > 9 || v > (UINT64_MAX - digit) / 10)
			return false;
		v = v * 10 + digit;
	}
	if (v > max)
		return false;
	*ret = v;
	return true;
}

int str_hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

bool str_secret_eq(struct str a, struct str b)
{
	uint64_t diff = 0;
	size_t i = 0;

	if (a.n != b.n)
		return false;
	for (; i + sizeof(uint64_t) <= a.n; i += sizeof(uint64_t)) {
		uint64_t left, right;

		memcpy(&left, a.p + i, sizeof left);
		memcpy(&right, b.p + i, sizeof right);
		diff |= left ^ right;
		/* The compiler may know nothing of diff, else it could leave early. */
		__asm__("" : "+r"(diff));
	}
	for (; i < a.n; i++) {
		diff |= (uint64_t)((unsigned char)a.p[i] ^ (unsigned char)b.p[i]);
		__asm__("" : "+r"(diff));
	}
	return diff == 0;
}

/*
 * Length of the character at p, 0 when invalid; -1 when the n bytes are valid
 * so far but more are needed. Table 3-7 of the Unicode standard.
 */
static int utf8_char(const unsigned char *p, size_t n)
{
	unsigned char lo = 0x80, hi = 0xBF;
	int need;

	if (p[0] < 0x80)
		return 1;
	if (p[0] >= 0xC2 && p[0] <= 0xDF)
		need = 2;
	else if (p[0] >= 0xE0 && p[0] <= 0xEF)
		need = 3;
	else if (p[0] >= 0xF0 && p[0] <= 0xF4)
		need = 4;
	else
		return 0;
	if (p[0] == 0xE0)
		lo = 0xA0;
	else if (p[0] == 0xED)
		hi = 0x9F;
	else if (p[0] == 0xF0)
		lo = 0x90;
	else if (p[0] == 0xF4)
		hi = 0x8F;
	for (int i = 1; i < need; i++) {
		if ((size_t)i >= n)
			return -1;
		if (p[i] < lo || p[i] > hi)
			return 0;
		lo = 0x80;
		hi = 0xBF;
	}
	return need;
}

size_t str_utf8_valid(const char *p, size_t n)
{
	size_t i = 0;

	while (i < n) {
		int len = utf8_char((const unsigned char *)p + i, n - i);

		if (len <= 0)
			break;
		i += (size_t)len;
	}
	return i;
}

bool str_utf8_partial(const char *p, size_t n)
{
	return n > 0 && n < 4 && utf8_char((const unsigned char *)p, n) == -1;
}

size_t str_distance(const char *a, const char *b)
{
	enum { MAX = 64 };
	size_t row[MAX + 1], na = strlen(a), nb = strlen(b);

	if (na > MAX || nb > MAX)
		return MAX;
	for (size_t j = 0; j <= nb; j++)
		row[j] = j;
	for (size_t i = 1; i <= na; i++) {
		size_t diagonal = row[0];

		row[0] = i;
		for (size_t j = 1; j <= nb; j++) {
			size_t best = diagonal + (a[i - 1] != b[j - 1]);

			diagonal = row[j];
			if (row[j] + 1 < best)
				best = row[j] + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			row[j] = best;
		}
	}
	return row[nb];
}
