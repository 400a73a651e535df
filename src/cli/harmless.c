/* What others wrote, as text that a terminal only shows; declared in cli/term.h. */
#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"
#include "base/utf8.h"
#include "cli/term.h"

/* The character at p, 0 < n: its bytes, its code. A byte that begins no valid character: 1 and
 * UINT32_MAX. */
static size_t decode_character(const char *p, size_t n, uint32_t *ret_code)
{
	unsigned char c = (unsigned char)p[0];
	size_t len = c < 0x80 ? 1 : c < 0xE0 ? 2 : c < 0xF0 ? 3 : 4;

	*ret_code = c;
	if (len == 1)
		return 1;
	*ret_code = UINT32_MAX;
	if (len > n || str_utf8_valid(p, len) != len)
		return 1;
	*ret_code = c & (0xFFu >> (len + 1));
	for (size_t i = 1; i < len; i++)
		*ret_code = *ret_code << 6 | ((unsigned char)p[i] & 0x3F);
	return len;
}

static bool is_control(uint32_t code)
{
	return code < 0x20 || (code >= 0x7F && code < 0xA0) || code == UINT32_MAX;
}

/* A control character as its picture (U+2400 …), a C1 control or a stray byte as U+FFFD. */
static void put_picture(struct buf *out, uint32_t code)
{
	if (code < 0x20 || code == 0x7F) {
		buf_adds(out, "\xE2\x90");
		buf_addc(out, (char)(code == 0x7F ? 0xA1 : 0x80 + code));
	} else {
		buf_adds(out, UTF8_REPLACEMENT);
	}
}

void term_put_harmless(struct buf *out, const char *p, size_t n)
{
	uint32_t code;
	size_t len;

	for (size_t i = 0; i < n; i += len) {
		len = decode_character(p + i, n - i, &code);
		if (!is_control(code) || code == '\n' || code == '\t')
			buf_add(out, p + i, len);
		else if (code != '\r')
			put_picture(out, code);
	}
}

/* Controls of the order in which a line is read, and what takes no room at all; not the joiners,
 * which emoji and some scripts need (Unicode 15, UAX 9 and general category Cf). */
static bool is_misleading(uint32_t code)
{
	return code == 0x061C || code == 0x200B || code == 0x200E || code == 0x200F ||
	       (code >= 0x2028 && code <= 0x202E) || (code >= 0x2060 && code <= 0x206F) ||
	       code == 0xFEFF || (code >= 0xE0000 && code <= 0xE007F);
}

void term_put_flat(struct buf *out, const char *p, size_t n)
{
	uint32_t code;
	size_t len;

	for (size_t i = 0; i < n; i += len) {
		len = decode_character(p + i, n - i, &code);
		if (code == '\n' || code == '\t')
			buf_addc(out, ' ');
		else if (code != UINT32_MAX && is_misleading(code))
			buf_addf(out, "<U+%04X>", (unsigned)code);
		else
			term_put_harmless(out, p + i, len);
	}
}

/*
 * Characters that change what is read without being seen (Unicode 15: general categories Cf, Zl, Zp
 * and Zs but for the blank, the fillers, the variation selectors): first and last.
 */
static const struct {
	uint32_t first, last;
} unseen[] = {
    {0x00A0, 0x00A0},
    {0x00AD, 0x00AD},
    {0x034F, 0x034F},
    {0x0600, 0x0605},
    {0x061C, 0x061C},
    {0x06DD, 0x06DD},
    {0x070F, 0x070F},
    {0x0890, 0x0891},
    {0x08E2, 0x08E2},
    {0x115F, 0x1160},
    {0x1680, 0x1680},
    {0x17B4, 0x17B5},
    {0x180B, 0x180F},
    {0x2000, 0x200F},
    {0x2028, 0x202F},
    {0x205F, 0x206F},
    {0x2800, 0x2800},
    {0x3000, 0x3000},
    {0x3164, 0x3164},
    {0xFE00, 0xFE0F},
    {0xFEFF, 0xFEFF},
    {0xFFA0, 0xFFA0},
    {0xFFF0, 0xFFFB},
    {0x110BD, 0x110BD},
    {0x110CD, 0x110CD},
    {0x13430, 0x1343F},
    {0x1BCA0, 0x1BCA3},
    {0x1D173, 0x1D17A},
    {0xE0000, 0xE0FFF},
};

static bool is_unseen(uint32_t code)
{
	for (size_t i = 0; i < sizeof unseen / sizeof unseen[0]; i++)
		if (code >= unseen[i].first && code <= unseen[i].last)
			return true;
	return false;
}

void term_put_visible(struct buf *out, const char *p, size_t n)
{
	uint32_t code;
	size_t len;

	for (size_t i = 0; i < n; i += len) {
		len = decode_character(p + i, n - i, &code);
		if (is_control(code) && code != '\n' && code != '\t')
			put_picture(out, code);
		else if (code >= 0xA0 && is_unseen(code))
			buf_addf(out, "<U+%04X>", (unsigned)code);
		else
			buf_add(out, p + i, len);
	}
}

void term_put_json(struct buf *out, const char *p, size_t n)
{
	uint32_t code;
	size_t len;

	/* Outside of strings JSON has ASCII alone, so an escape is right wherever one is needed. */
	for (size_t i = 0; i < n; i += len) {
		len = decode_character(p + i, n - i, &code);
		if (code == UINT32_MAX)
			buf_adds(out, "\\ufffd");
		else if (code >= 0x7F && code < 0x10000 && (is_control(code) || is_unseen(code)))
			buf_addf(out, "\\u%04x", (unsigned)code);
		else if (code >= 0x10000 && is_unseen(code))
			buf_addf(out, "\\u%04x\\u%04x", 0xD800 + ((code - 0x10000) >> 10),
			    0xDC00 + ((code - 0x10000) & 0x3FF));
		else
			buf_add(out, p + i, len);
	}
}
