/* The last door before a terminal. */
#include "cli/door.h"

#include <assert.h>
#include <stdbool.h>
#include <string.h>

#include "base/buf.h"
#include "cli/term.h"

enum door_verdict { DOOR_PASS, DOOR_MORE, DOOR_REFUSE };

/* "ESC [ digits and ; m" passes; a beginning of it may still become one. */
static enum door_verdict judge_sequence(const char *p, size_t n)
{
	if (n >= 2 && p[1] != '[')
		return DOOR_REFUSE;
	for (size_t i = 2; i < n; i++) {
		if (p[i] == 'm')
			return i + 1 == n ? DOOR_PASS : DOOR_REFUSE;
		if ((p[i] < '0' || p[i] > '9') && p[i] != ';')
			return DOOR_REFUSE;
	}
	return n < DOOR_MAX_SEQUENCE ? DOOR_MORE : DOOR_REFUSE;
}

/* The length of the UTF-8 character that begins with c; 1 for a byte that begins none. */
static size_t character_length(unsigned char c)
{
	return c < 0xC2 ? 1 : c < 0xE0 ? 2 : c < 0xF0 ? 3 : c < 0xF5 ? 4 : 1;
}

static enum door_verdict judge_held(const struct door *g)
{
	if (g->held[0] == '\033')
		return judge_sequence(g->held, g->n);
	return g->n < character_length((unsigned char)g->held[0]) ? DOOR_MORE : DOOR_REFUSE;
}

/* The held bytes are no sequence of ours: shown. What follows its ESC may begin another one. */
static void refuse_held(struct door *g, struct buf *out)
{
	char rest[DOOR_MAX_SEQUENCE];
	size_t n = g->n, take = g->held[0] == '\033' ? 1 : n;

	/* A character that is cut short by another one's first byte ends before that. */
	for (size_t i = 1; i < take; i++)
		if (((unsigned char)g->held[i] & 0xC0) != 0x80)
			take = i;
	memcpy(rest, g->held + take, n - take);
	term_put_harmless(out, g->held, take);
	g->n = 0;
	door_put(g, rest, n - take, out);
}

void door_put(struct door *g, const char *p, size_t n, struct buf *out)
{
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)p[i];

		if (!g->n && ((c >= 0x20 && c < 0x7F) || c == '\n' || c == '\t')) {
			buf_addc(out, (char)c);
			continue;
		}
		assert(g->n < sizeof g->held);
		g->held[g->n++] = (char)c;
		switch (judge_held(g)) {
		case DOOR_PASS:
			buf_add(out, g->held, g->n);
			g->n = 0;
			break;
		case DOOR_REFUSE:
			refuse_held(g, out);
			break;
		case DOOR_MORE:
			/* A line end, or a byte that continues nothing, ends what was begun. */
			if (g->n > 1 && g->held[0] != '\033' && (c & 0xC0) != 0x80)
				refuse_held(g, out);
			break;
		}
	}
}

void door_end(struct door *g, struct buf *out)
{
	term_put_harmless(out, g->held, g->n);
	g->n = 0;
}
