/* Keys that answer a permission request. */
#include "cli/consent.h"

#include <string.h>

#include "base/buf.h"
#include "cli/view.h"

void consent_show(struct consent *c, uint64_t now_us)
{
	c->open = true;
	c->quiet_us = now_us;
	/* What is not carried out yet was said of another sight. */
	c->held = CONSENT_NONE;
}

static enum consent_answer answer_of(char key)
{
	switch (key) {
	case 'y':
	case 'a': /* until release 0.6, as are d and A: the keys of earlier builds */
		return CONSENT_ONCE;
	case 's':
		return CONSENT_SESSION;
	case 'n':
	case 'd':
		return CONSENT_NO;
	case 'r':
		return CONSENT_REASON;
	case 'v':
		return CONSENT_VIEW;
	default:
		return CONSENT_NONE;
	}
}

enum consent_answer consent_key(struct consent *c, char key, bool draft, uint64_t now_us)
{
	bool quiet = now_us - c->quiet_us >= CONSENT_QUIET_MS * 1000ULL;
	enum consent_answer answer = answer_of(key);

	c->quiet_us = now_us;
	if (c->held && key == '\r')
		return consent_settle(c);
	if (c->held) {
		c->text = c->held_key;
		c->held = CONSENT_NONE;
		return CONSENT_NONE;
	}
	if (!c->open || draft || !quiet || answer == CONSENT_NONE)
		return CONSENT_NONE;
	if ((answer == CONSENT_ONCE || answer == CONSENT_SESSION) && c->hidden && !c->viewed)
		return CONSENT_UNSEEN;
	c->held = answer;
	c->held_key = key;
	return CONSENT_HELD;
}

enum consent_answer consent_settle(struct consent *c)
{
	enum consent_answer answer = c->held;

	c->held = CONSENT_NONE;
	return answer;
}

/* A piece of the question; one that does not fit into the row begins the next. */
static void put_question_piece(struct buf *out, const char *piece, unsigned width, unsigned *column)
{
	unsigned columns = view_columns(piece, strlen(piece));
	size_t at = 0, n = strlen(piece);

	if (*column && *column + 2 + columns > width) {
		buf_addc(out, '\n');
		*column = 0;
	} else if (*column) {
		buf_adds(out, "  ");
		*column += 2;
	}
	while (at < n) {
		unsigned used;
		size_t fits = view_fit(piece + at, n - at, width ? width : 80, &used);

		buf_add(out, piece + at, fits ? fits : n - at);
		at += fits ? fits : n - at;
		*column += used;
		if (at < n) {
			buf_addc(out, '\n');
			*column = 0;
		}
	}
}

void consent_put_question(const struct consent *c, unsigned width, struct buf *out)
{
	unsigned column = 0;
	char text[80];

	if (c->hidden && !c->viewed) {
		snprintf(text, sizeof text, "%zu more lines: [v] shows them, then you can say yes;",
		    c->hidden);
		put_question_piece(out, text, width, &column);
	} else {
		put_question_piece(out, "[y] yes", width, &column);
		put_question_piece(out,
		    c->command ? "[s] yes, this exact command in this session"
			       : "[s] yes, this tool in this session",
		    width, &column);
	}
	put_question_piece(out, "[n] no", width, &column);
	put_question_piece(out, "[r] no, because …", width, &column);
	if (!c->hidden || c->viewed)
		put_question_piece(out, "[v] view", width, &column);
	buf_addc(out, '\n');
}
