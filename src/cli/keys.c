/* Bytes as keys. */
#include "cli/keys.h"

#include <string.h>

#include "base/str.h"

static const struct {
	const char *sequence; /* after ESC */
	enum key key;
} sequences[] = {
    {"[A", KEY_UP},
    {"[B", KEY_DOWN},
    {"[C", KEY_RIGHT},
    {"[D", KEY_LEFT},
    {"OA", KEY_UP},
    {"OB", KEY_DOWN},
    {"OC", KEY_RIGHT},
    {"OD", KEY_LEFT},
    {"[H", KEY_HOME},
    {"[F", KEY_END},
    {"OH", KEY_HOME},
    {"OF", KEY_END},
    {"[1~", KEY_HOME},
    {"[7~", KEY_HOME},
    {"[4~", KEY_END},
    {"[8~", KEY_END},
    {"[3~", KEY_DELETE},
    {"[1;5D", KEY_WORD_LEFT},
    {"[1;3D", KEY_WORD_LEFT},
    {"[1;5C", KEY_WORD_RIGHT},
    {"[1;3C", KEY_WORD_RIGHT},
    {"[3;5~", KEY_WORD_DELETE},
    {"b", KEY_WORD_LEFT},
    {"f", KEY_WORD_RIGHT},
    {"d", KEY_WORD_DELETE},
    {"\x7f", KEY_WORD_BACKSPACE},
    {"\b", KEY_WORD_BACKSPACE},
    {"\r", KEY_NEWLINE},
    {"\n", KEY_NEWLINE},
    {"[13;2u", KEY_NEWLINE}, /* Shift+Enter, where the terminal tells */
    {"[27;2;13~", KEY_NEWLINE},
};

static const char paste_begin[] = "[200~", paste_end[] = "\033[201~";

/* The key of a control byte; false: it is none of ours. */
static bool control_key(unsigned char c, enum key *ret)
{
	static const struct {
		unsigned char c;
		enum key key;
	} keys[] = {
	    {0x01, KEY_HOME},
	    {0x02, KEY_LEFT},
	    {0x03, KEY_CANCEL},
	    {0x04, KEY_EOF},
	    {0x05, KEY_END},
	    {0x06, KEY_RIGHT},
	    {0x08, KEY_BACKSPACE},
	    {0x09, KEY_TAB},
	    {0x0A, KEY_NEWLINE},
	    {0x0B, KEY_KILL_END},
	    {0x0C, KEY_CLEAR},
	    {0x0D, KEY_ENTER},
	    {0x0E, KEY_DOWN},
	    {0x10, KEY_UP},
	    {0x12, KEY_SEARCH},
	    {0x14, KEY_TRANSPOSE},
	    {0x15, KEY_KILL_LINE},
	    {0x17, KEY_WORD_BACKSPACE},
	    {0x19, KEY_YANK},
	    {0x1A, KEY_SUSPEND},
	    {0x7F, KEY_BACKSPACE},
	};

	for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
		if (keys[i].c == c) {
			*ret = keys[i].key;
			return true;
		}
	return false;
}

/* The length of the escape sequence at p (p[0] is ESC); 0: it is not complete. */
static size_t sequence_length(const char *p, size_t n)
{
	size_t i = 1;

	if (n < 2)
		return 0;
	if (p[1] == 'O')
		return n < 3 ? 0 : 3;
	if (p[1] != '[')
		return 2;
	/* CSI: parameters, then one final byte (ECMA-48 5.4). Anything else ends it unfinished. */
	for (i = 2; i < n; i++) {
		unsigned char c = (unsigned char)p[i];

		if (c >= 0x40 && c <= 0x7E)
			return i + 1;
		if (c < 0x20 || c > 0x7E || i == KEYS_MAX_SEQUENCE)
			return i;
	}
	return 0;
}

static bool is_sequence(const char *p, size_t n, const char *want)
{
	return strlen(want) == n && memcmp(p, want, n) == 0;
}

/* A paste is text: its line ends are LF, its other control characters go. */
static void give_paste(struct buf *text, size_t n, keys_cb *on_key, void *data)
{
	struct buf clean = {0};

	for (size_t i = 0; i < n && clean.len < KEYS_MAX_PASTE;) {
		unsigned char c = (unsigned char)text->p[i];
		size_t whole;

		if (c == '\r') {
			buf_addc(&clean, '\n');
			i += i + 1 < n && text->p[i + 1] == '\n' ? 2 : 1;
		} else if (c == 0x7F || (c < 0x20 && c != '\n' && c != '\t')) {
			i++;
		} else if (c < 0x80) {
			buf_addc(&clean, text->p[i++]);
		} else {
			whole = str_utf8_valid(text->p + i, n - i < 4 ? n - i : 4);
			buf_add(&clean, text->p + i, whole);
			i += whole ? whole : 1;
		}
	}
	if (clean.len)
		on_key(data, KEY_TEXT, clean.p, clean.len, true);
	buf_finish(&clean);
}

/* Take what stands at the beginning of pending. Bytes used, 0: more is needed. */
static size_t take_one(struct keys *k, keys_cb *on_key, void *data)
{
	const char *p = k->pending.p;
	size_t n = k->pending.len, len = 1;
	unsigned char c = (unsigned char)p[0];
	enum key key;

	if (k->pasting) {
		const char *end = memmem(p, n, paste_end, sizeof paste_end - 1);

		if (!end)
			return 0;
		len = (size_t)(end - p);
		give_paste(&k->pending, len, on_key, data);
		k->pasting = false;
		return len + sizeof paste_end - 1;
	}
	if (c == 0x1B) {
		len = sequence_length(p, n);
		if (len && is_sequence(p + 1, len - 1, paste_begin))
			k->pasting = true;
		for (size_t i = 0; len && i < sizeof sequences / sizeof sequences[0]; i++)
			if (is_sequence(p + 1, len - 1, sequences[i].sequence))
				on_key(data, sequences[i].key, NULL, 0, false);
		return len;
	}
	if (c < 0x20 || c == 0x7F) {
		if (control_key(c, &key))
			on_key(data, key, NULL, 0, false);
		return 1;
	}
	if (c >= 0x80) {
		len = str_utf8_valid(p, n < 4 ? n : 4);
		if (!len)
			return str_utf8_partial(p, n < 4 ? n : 3) && n < 4 ? 0 : 1;
		/* One character: those that follow come by themselves. */
		len = c < 0xE0 ? 2 : c < 0xF0 ? 3 : 4;
	}
	on_key(data, KEY_TEXT, p, len, false);
	return len;
}

void keys_feed(struct keys *k, const char *p, size_t n, keys_cb *on_key, void *data)
{
	buf_add(&k->pending, p, n);
	while (k->pending.len) {
		size_t used = take_one(k, on_key, data);

		if (!used)
			break;
		buf_consume(&k->pending, used);
	}
	/* A paste without end is cut rather than kept for ever. */
	if (k->pasting && k->pending.len > KEYS_MAX_PASTE + sizeof paste_end) {
		give_paste(&k->pending, KEYS_MAX_PASTE, on_key, data);
		buf_clear(&k->pending);
		k->pasting = false;
	}
}

bool keys_settle(struct keys *k, keys_cb *on_key, void *data)
{
	if (k->pasting || !k->pending.len || k->pending.p[0] != 0x1B)
		return false;
	buf_clear(&k->pending);
	on_key(data, KEY_ESCAPE, NULL, 0, false);
	return true;
}

void keys_finish(struct keys *k)
{
	buf_finish(&k->pending);
}
