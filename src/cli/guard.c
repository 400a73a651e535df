/* The last door before a terminal. */
#include "cli/guard.h"

#include <assert.h>
#include <stdbool.h>
#include <string.h>

#include "base/buf.h"
#include "cli/term.h"

enum guard_verdict { GUARD_PASS, GUARD_MORE, GUARD_REFUSE };

/* "ESC [ digits and ; m" passes; a beginning of it may still become one. */
static enum guard_verdict judge_sequence(const char *p, size_t n)
{
	if (n >= 2 && p[1] != '[')
		return GUARD_REFUSE;
	for (size_t i = 2; i < n; i++) {
		if (p[i] == 'm')
			return i + 1 == n ? GUARD_PASS : GUARD_REFUSE;
		if ((p[i] < '0' || p[i] > '9') && p[i] != ';')
			return GUARD_REFUSE;
	}
	return n < GUARD_MAX_SEQUENCE ? GUARD_MORE : GUARD_REFUSE;
}

/* The length of the UTF-8 character that begins with c; 1 for a byte that begins none. */
static size_t character_length(unsigned char c)
{
	return c < 0xC2 ? 1 : c < 0xE0 ? 2 : c < 0xF0 ? 3 : c < 0xF5 ? 4 : 1;
}

static enum guard_verdict judge(const struct guard *g)
{
	if (g->held[0] == '\033')
		return judge_sequence(g->held, g->n);
	return g->n < character_length((unsigned char)g->held[0]) ? GUARD_MORE : GUARD_REFUSE;
}

/* The held bytes are no sequence of ours: shown. What follows its ESC may begin another one. */
static void refuse(struct guard *g, struct buf *out)
{
	char rest[GUARD_MAX_SEQUENCE];
	size_t n = g->n, take = g->held[0] == '\033' ? 1 : n;

	/* A character that is cut short by another one's first byte ends before that. */
	for (size_t i = 1; i < take; i++)
		if (((unsigned char)g->held[i] & 0xC0) != 0x80)
			take = i;
	memcpy(rest, g->held + take, n - take);
	term_put_harmless(out, g->held, take);
	g->n = 0;
	guard_put(g, rest, n - take, out);
}

void guard_put(struct guard *g, const char *p, size_t n, struct buf *out)
{
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)p[i];

		if (!g->n && ((c >= 0x20 && c < 0x7F) || c == '\n' || c == '\t')) {
			buf_addc(out, (char)c);
			continue;
		}
		assert(g->n < sizeof g->held);
		g->held[g->n++] = (char)c;
		switch (judge(g)) {
		case GUARD_PASS:
			buf_add(out, g->held, g->n);
			g->n = 0;
			break;
		case GUARD_REFUSE:
			refuse(g, out);
			break;
		case GUARD_MORE:
			/* A line end, or a byte that continues nothing, ends what was begun. */
			if (g->n > 1 && g->held[0] != '\033' && (c & 0xC0) != 0x80)
				refuse(g, out);
			break;
		}
	}
}

void guard_end(struct guard *g, struct buf *out)
{
	term_put_harmless(out, g->held, g->n);
	g->n = 0;
}
