/*
 * The scan of a request, byte by byte where its state may change and in runs
 * where it stays. The functions for one byte return what is wrong, or NULL.
 */
#include "protocol/http_scan.h"

#include <string.h>

#include "base/str.h"
#include "protocol/http.h"

/* What a byte may be part of. */
enum {
	IN_TOKEN = 1,  /* RFC 9110 5.6.2 */
	IN_TEXT = 2,   /* a header's value: RFC 9110 5.5 */
	IN_TARGET = 4, /* no blank, no fragment: RFC 9112 3.2 */
};

/* Every byte's parts, as each byte of each request is asked for them. */
static unsigned char parts[256];

void http_scan_setup(void)
{
	for (unsigned c = 0; c < 256; c++) {
		bool letter = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
			      (c >= 'A' && c <= 'Z') ||
			      (c && c < 0x80 && strchr("!#$%&'*+-.^_`|~", (int)c));

		parts[c] = (unsigned char)((letter ? IN_TOKEN : 0) |
					   (c == '\t' || (c >= ' ' && c != 0x7F) ? IN_TEXT : 0) |
					   (c > ' ' && c < 0x7F && c != '#' ? IN_TARGET : 0));
	}
}

static bool is_token(unsigned char c)
{
	return parts[c] & IN_TOKEN;
}

static const char *scan_to(struct http_scan *s, enum scan_state next)
{
	s->at = next;
	s->count = 0;
	return NULL;
}

static const char *scan_line_feed(struct http_scan *s, unsigned char c, enum scan_state next)
{
	return c == '\n' ? scan_to(s, next) : "a carriage return stands alone";
}

static const char version[] = "HTTP/1.";
enum { SCAN_MINOR = sizeof version - 1 /* the place of the digit after it */ };

static const char *scan_version(struct http_scan *s, unsigned char c)
{
	if (s->count == SCAN_MINOR + 1 && c == '\r')
		return scan_to(s, SCAN_LINE_LF);
	if (s->count++ == SCAN_MINOR && (c == '0' || c == '1'))
		return NULL;
	return "the request line does not end in HTTP/1.0 or HTTP/1.1";
}

static const char bad_target[] = "the request target has a character it may not have";

static const char *scan_head(struct http_scan *s, unsigned char c)
{
	switch (s->at) {
	case SCAN_START:
		if (c == '\r' && !s->empty_line) {
			s->empty_line = true;
			return scan_to(s, SCAN_START_LF);
		}
		return is_token(c) ? scan_to(s, SCAN_METHOD) : "the request has no method";
	case SCAN_START_LF:
		return scan_line_feed(s, c, SCAN_START);
	case SCAN_METHOD:
		return c == ' ' ? scan_to(s, SCAN_BLANK)
				: "the method has a character it may not have";
	case SCAN_TARGET:
		return c == ' ' ? scan_to(s, SCAN_VERSION) : bad_target;
	case SCAN_BLANK:
		return parts[c] & IN_TARGET ? scan_to(s, SCAN_TARGET) : bad_target;
	case SCAN_VERSION:
		return scan_version(s, c);
	case SCAN_LINE_LF:
		return scan_line_feed(s, c, SCAN_LINE);
	case SCAN_LINE:
		if (c == '\r')
			return scan_to(s, SCAN_END_LF);
		if (c == ' ' || c == '\t')
			return "a header is folded over two lines";
		return is_token(c) ? scan_to(s, SCAN_NAME) : "a header has no name";
	case SCAN_NAME:
		return c == ':' ? scan_to(s, SCAN_VALUE)
				: "a header's name has a character it may not have";
	case SCAN_VALUE:
		return c == '\r' ? scan_to(s, SCAN_LINE_LF)
				 : "a header's value has a control character";
	default: /* SCAN_END_LF */
		return scan_line_feed(s, c, s->trailer ? SCAN_END : SCAN_HEAD);
	}
}

/* What may follow a chunk's size, or an extension that is whole. */
static const char *scan_extension_end(struct http_scan *s, unsigned char c)
{
	if (c == '\r')
		return scan_to(s, SCAN_SIZE_LF);
	return c == ';' ? scan_to(s, SCAN_EXT_NAME) : "a chunk's size is malformed";
}

static const char *scan_size(struct http_scan *s, unsigned char c)
{
	int digit = str_hex_digit((char)c);

	if (digit < 0)
		return s->count ? scan_extension_end(s, c) : "a chunk has no size";
	if (s->count++ == 0)
		s->chunk = 0;
	s->chunk = s->chunk << 4 | (unsigned)digit;
	return s->count <= HTTP_MAX_CHUNK_DIGITS ? NULL : "a chunk's size has too many digits";
}

static const char *scan_chunk(struct http_scan *s, unsigned char c)
{
	switch (s->at) {
	case SCAN_SIZE:
		return scan_size(s, c);
	case SCAN_EXT_NAME:
	case SCAN_EXT_VALUE:
		/* Not in quotes: llhttp knows only some of them, and nobody sends them here. */
		if (is_token(c)) {
			s->count = 1;
			return NULL;
		}
		if (c == '=' && s->at == SCAN_EXT_NAME && s->count)
			return scan_to(s, SCAN_EXT_VALUE);
		return s->count ? scan_extension_end(s, c) : "a chunk's extension is malformed";
	case SCAN_SIZE_LF:
		/* After the last chunk comes the trailer, of the shape of a head's lines. */
		s->trailer = s->chunk == 0;
		return scan_line_feed(s, c, s->trailer ? SCAN_LINE : SCAN_DATA);
	case SCAN_DATA_CR:
		return c == '\r' ? scan_to(s, SCAN_DATA_LF) : "a chunk is longer than its size";
	case SCAN_DATA_LF:
		return scan_line_feed(s, c, SCAN_SIZE);
	default: /* SCAN_END */
		return "there are bytes after the end";
	}
}

/* How many of n bytes are more of the part we are within, so that the state stays as it is: most of
 * a head. */
static size_t scan_run(struct http_scan *s, const char *p, size_t n)
{
	static const unsigned char within[SCAN_HEAD] = {[SCAN_METHOD] = IN_TOKEN,
	    [SCAN_TARGET] = IN_TARGET,
	    [SCAN_NAME] = IN_TOKEN,
	    [SCAN_VALUE] = IN_TEXT};
	const unsigned char *bytes = (const unsigned char *)p;
	unsigned part = within[s->at];
	size_t i = 0;

	if (s->at == SCAN_VERSION)
		while (i < n && s->count < SCAN_MINOR && p[i] == version[s->count])
			i++, s->count++;
	if (!part)
		return i;
	/* Four at a time: each byte of each request comes by here. */
	while (n - i >= 4 && parts[bytes[i]] & parts[bytes[i + 1]] & parts[bytes[i + 2]] &
				 parts[bytes[i + 3]] & part)
		i += 4;
	while (i < n && parts[bytes[i]] & part)
		i++;
	return i;
}

/* The lines of a head or of a trailer: how many of n bytes are theirs and fine. */
static size_t scan_lines(struct http_scan *s, const char *p, size_t n)
{
	/* A head that is too large is read on for a while, see http.h; a trailer is not. */
	size_t max = s->trailer ? HTTP_MAX_TARGET + HTTP_MAX_HEAD : HTTP_MAX_READ_HEAD;
	size_t room = max - s->bytes, i = 0;
	bool short_of_room = n > room;

	if (short_of_room)
		n = room;
	while (s->at < SCAN_HEAD) {
		i += scan_run(s, p + i, n - i);
		if (i == n)
			break;
		s->reason = scan_head(s, (unsigned char)p[i]);
		if (s->reason)
			break;
		i++;
	}
	s->bytes += i;
	if (short_of_room && i == n && s->at < SCAN_HEAD) {
		s->too_large = true;
		s->reason = "the headers are too large";
	}
	return i;
}

/* Around a chunk's data: one byte, or none when there is something wrong with it. */
static size_t scan_around(struct http_scan *s, unsigned char c)
{
	if (s->at > SCAN_SIZE && s->at < SCAN_SIZE_LF && ++s->extensions > HTTP_MAX_EXTENSIONS) {
		s->too_large = true;
		s->reason = "the headers are too large";
	} else {
		s->reason = scan_chunk(s, c);
	}
	return s->reason ? 0 : 1;
}

static size_t scan_data(struct http_scan *s, size_t n)
{
	if (n > s->chunk)
		n = (size_t)s->chunk;
	s->chunk -= n;
	if (!s->chunk)
		scan_to(s, SCAN_DATA_CR);
	return n;
}

size_t http_scan(struct http_scan *s, const char *p, size_t n)
{
	size_t i = 0;

	while (i < n && !s->reason && s->at != SCAN_HEAD) {
		if (s->at < SCAN_HEAD)
			i += scan_lines(s, p + i, n - i);
		else if (s->at == SCAN_BODY)
			i = n;
		else if (s->at == SCAN_DATA)
			i += scan_data(s, n - i);
		else
			i += scan_around(s, (unsigned char)p[i]);
	}
	return i;
}

void http_scan_body(struct http_scan *s, bool chunked)
{
	s->at = chunked ? SCAN_SIZE : SCAN_BODY;
}

bool http_scan_is_text(unsigned char c)
{
	return parts[c] & IN_TEXT;
}
