/*
 * HTTP/1.1 over llhttp: limits, header table, heads. llhttp forgives much for
 * the sake of old peers; what a proxy before us may read otherwise than we do
 * is refused by a scan of each request before llhttp sees it.
 */
#include "protocol/http.h"

#include <assert.h>
#include <llhttp/llhttp.h>
#include <strings.h>

#include "base/buf.h"
#include "base/mem.h"
#include "protocol/errors.h"

enum {
	/* Room for headers at first; most heads have fewer. */
	HTTP_SOME_HEADERS = 16,
	/* Bytes of a head's memory that the next one of the connection may have. */
	HTTP_KEPT_HEAD = 512,
};

struct header {
	uint32_t name, name_len, value, value_len; /* places in head */
};

/*
 * Where the scan of a request stands: a head (RFC 9112 2 to 5), then, when the
 * body comes in chunks, their sizes (7.1) and the trailer.
 *
 *   START -> METHOD -> BLANK -> TARGET -> VERSION -> LINE_LF -> LINE -> END_LF -> HEAD
 *                                                      ^         v
 *                                                      VALUE <- NAME
 *   HEAD -> BODY (by length)
 *   HEAD -> SIZE (-> EXT_*) -> SIZE_LF -> DATA -> DATA_CR -> DATA_LF -> SIZE
 *                                 size 0: -> LINE … END_LF -> END
 */
enum scan_state {
	SCAN_START,    /* before the request line; one empty line may come first (2.2) */
	SCAN_START_LF, /* within that empty line */
	SCAN_METHOD,
	SCAN_BLANK, /* the blank after the method was seen */
	SCAN_TARGET,
	SCAN_VERSION,
	SCAN_LINE_LF, /* a line's CR was seen */
	SCAN_LINE,    /* at the begin of a header or of the empty line after the last */
	SCAN_NAME,
	SCAN_VALUE,
	SCAN_END_LF, /* the empty line's CR was seen */
	SCAN_HEAD,   /* the head is whole: on_headers says how the body comes */
	SCAN_BODY,   /* nothing to look at */
	SCAN_SIZE,
	SCAN_EXT_NAME,
	SCAN_EXT_VALUE,
	SCAN_SIZE_LF,
	SCAN_DATA,
	SCAN_DATA_CR,
	SCAN_DATA_LF,
	SCAN_END, /* the chunked message is whole */
};

struct scan {
	enum scan_state at;
	const char *reason; /* static: what is wrong, or NULL */
	uint64_t chunk;	    /* bytes of the chunk still to come */
	size_t bytes;	    /* of the head or trailer so far */
	size_t extensions;  /* bytes of chunk extensions so far */
	unsigned count;	    /* characters of the current part */
	bool empty_line, trailer, too_large;
};

struct http_parser {
	llhttp_t ll;
	struct scan scan;		 /* of requests only */
	const struct http_callbacks *cb; /* borrowed */
	void *data;
	struct buf head;	/* target and headers, packed */
	struct header *headers; /* owned */
	size_t header_count, header_room;
	uint32_t target_len;
	bool requests, head_done, in_value, started, too_large, stopped, switched, complete;
	const char *reason; /* static */
};

static int refuse(struct http_parser *p, const char *reason)
{
	p->reason = reason;
	p->too_large = true;
	return -1;
}

static int on_begin(llhttp_t *ll)
{
	struct http_parser *p = ll->data;

	p->started = true;
	return 0;
}

static int on_url(llhttp_t *ll, const char *at, size_t n)
{
	struct http_parser *p = ll->data;

	if (p->target_len + n > HTTP_MAX_TARGET)
		return refuse(p, "the request target is too long");
	buf_add(&p->head, at, n);
	p->target_len += (uint32_t)n;
	return 0;
}

static int reject(struct http_parser *p, const char *reason)
{
	p->reason = reason;
	return -1;
}

/* What a byte may be part of. */
enum {
	IN_TOKEN = 1,  /* RFC 9110 5.6.2 */
	IN_TEXT = 2,   /* a header's value: RFC 9110 5.5 */
	IN_TARGET = 4, /* no blank, no fragment: RFC 9112 3.2 */
};

/* Every byte's parts, as each byte of each request is asked for them; made with the first parser.
 */
static unsigned char parts[256];

static void make_parts(void)
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

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* --- the scan: the byte that ends a part, after scan_run took what is within; each returns what is
 * wrong, or NULL --- */

static const char *scan_to(struct scan *s, enum scan_state next)
{
	s->at = next;
	s->count = 0;
	return NULL;
}

static const char *scan_line_feed(struct scan *s, unsigned char c, enum scan_state next)
{
	return c == '\n' ? scan_to(s, next) : "a carriage return stands alone";
}

static const char version[] = "HTTP/1.";
enum { SCAN_MINOR = sizeof version - 1 /* the place of the digit after it */ };

static const char *scan_version(struct scan *s, unsigned char c)
{
	if (s->count == SCAN_MINOR + 1 && c == '\r')
		return scan_to(s, SCAN_LINE_LF);
	if (s->count++ == SCAN_MINOR && (c == '0' || c == '1'))
		return NULL;
	return "the request line does not end in HTTP/1.0 or HTTP/1.1";
}

static const char bad_target[] = "the request target has a character it may not have";

static const char *scan_head(struct scan *s, unsigned char c)
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
static const char *scan_extension_end(struct scan *s, unsigned char c)
{
	if (c == '\r')
		return scan_to(s, SCAN_SIZE_LF);
	return c == ';' ? scan_to(s, SCAN_EXT_NAME) : "a chunk's size is malformed";
}

static const char *scan_size(struct scan *s, unsigned char c)
{
	int digit = hex_digit((char)c);

	if (digit < 0)
		return s->count ? scan_extension_end(s, c) : "a chunk has no size";
	if (s->count++ == 0)
		s->chunk = 0;
	s->chunk = s->chunk << 4 | (unsigned)digit;
	return s->count <= HTTP_MAX_CHUNK_DIGITS ? NULL : "a chunk's size has too many digits";
}

static const char *scan_chunk(struct scan *s, unsigned char c)
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
static size_t scan_run(struct scan *s, const char *p, size_t n)
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
static size_t scan_lines(struct scan *s, const char *p, size_t n)
{
	size_t room = HTTP_MAX_TARGET + HTTP_MAX_HEAD - s->bytes, i = 0;
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
static size_t scan_around(struct scan *s, unsigned char c)
{
	if (s->at > SCAN_SIZE && s->at < SCAN_SIZE_LF && ++s->extensions > HTTP_MAX_EXTENSIONS) {
		s->too_large = true;
		s->reason = "the headers are too large";
	} else {
		s->reason = scan_chunk(s, c);
	}
	return s->reason ? 0 : 1;
}

static size_t scan_data(struct scan *s, size_t n)
{
	if (n > s->chunk)
		n = (size_t)s->chunk;
	s->chunk -= n;
	if (!s->chunk)
		scan_to(s, SCAN_DATA_CR);
	return n;
}

/* How many of n bytes may go to llhttp now: up to a fault (s->reason says which) or the head's end.
 */
static size_t scan(struct scan *s, const char *p, size_t n)
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

/* --- llhttp's callbacks --- */

static int on_field(llhttp_t *ll, const char *at, size_t n)
{
	struct http_parser *p = ll->data;
	struct header *h;

	/* A trailer is none of the head's (RFC 9110 6.5.1). */
	if (p->head_done)
		return 0;
	if (p->head.len + n > HTTP_MAX_HEAD)
		return refuse(p, "the headers are too large");
	if (!p->header_count || p->in_value) {
		if (p->header_count == HTTP_MAX_HEADERS)
			return refuse(p, "there are too many headers");
		if (p->header_count == p->header_room) {
			p->header_room = p->header_room ? 2 * p->header_room : HTTP_SOME_HEADERS;
			p->headers = mem_realloc(p->headers, p->header_room * sizeof *p->headers);
		}
		p->headers[p->header_count++] = (struct header){.name = (uint32_t)p->head.len};
		p->in_value = false;
	}
	h = &p->headers[p->header_count - 1];
	buf_add(&p->head, at, n);
	h->name_len += (uint32_t)n;
	return 0;
}

static int on_value(llhttp_t *ll, const char *at, size_t n)
{
	struct http_parser *p = ll->data;
	struct header *h;

	if (p->head_done)
		return 0;
	assert(p->header_count);
	/* Of a request the scan has seen to it. */
	for (size_t i = 0; !p->requests && i < n; i++)
		if (!(parts[(unsigned char)at[i]] & IN_TEXT))
			return reject(p, "a header's value has a control character");
	if (p->head.len + n > HTTP_MAX_HEAD)
		return refuse(p, "the headers are too large");
	h = &p->headers[p->header_count - 1];
	if (!p->in_value) {
		h->value = (uint32_t)p->head.len;
		p->in_value = true;
	}
	buf_add(&p->head, at, n);
	h->value_len += (uint32_t)n;
	return 0;
}

/* A header with an empty value gets no on_value: mark it closed all the same. */
static int on_value_complete(llhttp_t *ll)
{
	struct http_parser *p = ll->data;

	p->in_value = true;
	return 0;
}

/*
 * http://authority/path (RFC 9112 3.2.2): the authority must be what Host says, else
 * two readers may see two hosts. *target becomes the path. False: refused.
 */
static bool take_authority(struct str *target, struct str host)
{
	const char scheme[] = "http://";
	const size_t n = sizeof scheme - 1;
	struct str start = {target->p, target->n < n ? target->n : n}, authority;
	const char *slash;

	if (!str_ieq(start, scheme))
		return false;
	slash = memchr(target->p + n, '/', target->n - n);
	if (!slash)
		return false;
	authority = (struct str){target->p + n, (size_t)(slash - target->p) - n};
	if (authority.n != host.n || strncasecmp(authority.p, host.p, host.n) != 0)
		return false;
	*target = (struct str){slash, target->n - n - authority.n};
	return true;
}

static bool is_digits(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] < '0' || s.p[i] > '9')
			return false;
	return s.n > 0;
}

static bool has_name(const struct http_parser *p, const struct header *h, struct str name)
{
	return h->name_len == name.n && strncasecmp(p->head.p + h->name, name.p, name.n) == 0;
}

/* Is one of those headers there twice that mean something else then? */
static bool given_twice(const struct http_parser *p)
{
	static const struct str once[] = {STR("Authorization"), STR("Content-Length"),
	    STR("Content-Type"), STR("Host"), STR("Sec-WebSocket-Key"),
	    STR("Sec-WebSocket-Version"), STR("Transfer-Encoding")};
	bool seen[sizeof once / sizeof once[0]] = {false};

	for (size_t i = 0; i < p->header_count; i++) {
		for (size_t k = 0; k < sizeof once / sizeof once[0]; k++) {
			if (!has_name(p, &p->headers[i], once[k]))
				continue;
			if (seen[k])
				return true;
			seen[k] = true;
		}
	}
	return false;
}

/* Why the headers of a request can be read in two ways (RFC 9112 3.2, 6.1, 6.3), or NULL. */
static const char *two_readings(const struct http_parser *p, struct str *target)
{
	struct str length, coding, host;
	size_t count;

	if (given_twice(p))
		return "a header is given twice that may be given once";
	host = http_header(p, "Host", &count);
	if (!count && p->ll.http_minor >= 1)
		return "there is no Host header";
	if (!target->n || (target->p[0] != '/' && !take_authority(target, host)))
		return "the request target is neither a path nor the URL of this host";
	length = http_header(p, "Content-Length", NULL);
	coding = http_header(p, "Transfer-Encoding", NULL);
	if (length.p && !is_digits(length))
		return "the Content-Length is no number";
	if (!coding.p)
		return NULL;
	if (length.p)
		return "there are both a Content-Length and a Transfer-Encoding";
	if (!str_ieq(coding, "chunked") || p->ll.http_minor < 1)
		return "the Transfer-Encoding is not chunked";
	return NULL;
}

static int on_headers(llhttp_t *ll)
{
	struct http_parser *p = ll->data;
	struct str target = {p->head.p, p->target_len};
	const char *why = p->requests ? two_readings(p, &target) : NULL;
	bool chunked = (ll->flags & F_CHUNKED) != 0;
	struct http_head head = {
	    .target = target,
	    .status = ll->status_code,
	    .minor = ll->http_minor,
	    .keep_alive = llhttp_should_keep_alive(ll) != 0,
	    /* A body would be read as the other protocol's bytes. */
	    .upgrade = ll->upgrade != 0 && !chunked && !ll->content_length,
	    .has_length = (ll->flags & F_CONTENT_LENGTH) != 0,
	    .length = ll->content_length,
	};

	if (why)
		return reject(p, why);
	p->head_done = true;
	p->scan.at = chunked ? SCAN_SIZE : SCAN_BODY;
	if (p->requests)
		head.method = str_of(llhttp_method_name((llhttp_method_t)ll->method));
	switch (p->cb->on_head(p->data, &head)) {
	case HTTP_GO_ON:
		/* An upgrade nobody wants is an ordinary message (RFC 9110 7.8). */
		ll->upgrade = 0;
		return 0;
	case HTTP_SWITCH:
		p->switched = true;
		ll->upgrade = 1;
		return 2;
	case HTTP_NO_BODY:
		ll->upgrade = 0;
		return 1;
	case HTTP_STOP:
		break;
	}
	p->stopped = true;
	return -1;
}

static int on_body(llhttp_t *ll, const char *at, size_t n)
{
	struct http_parser *p = ll->data;

	if (p->cb->on_body(p->data, at, n))
		return 0;
	p->stopped = true;
	return -1;
}

static int on_complete(llhttp_t *ll)
{
	struct http_parser *p = ll->data;

	p->complete = true;
	return p->switched ? 0 : HPE_PAUSED;
}

static const llhttp_settings_t *settings(void)
{
	static llhttp_settings_t s;

	if (!s.on_url) {
		make_parts();
		llhttp_settings_init(&s);
		s.on_message_begin = on_begin;
		s.on_header_field = on_field;
		s.on_header_value = on_value;
		s.on_header_value_complete = on_value_complete;
		s.on_headers_complete = on_headers;
		s.on_body = on_body;
		s.on_message_complete = on_complete;
		s.on_url = on_url;
	}
	return &s;
}

struct http_parser *http_parser_new(bool requests, const struct http_callbacks *cb, void *data)
{
	struct http_parser *p = mem_zalloc(1, sizeof *p);

	llhttp_init(&p->ll, requests ? HTTP_REQUEST : HTTP_RESPONSE, settings());
	p->ll.data = p;
	p->requests = requests;
	p->cb = cb;
	p->data = data;
	return p;
}

void http_parser_free(struct http_parser *p)
{
	if (!p)
		return;
	buf_finish(&p->head);
	free(p->headers);
	free(p);
}

void http_parser_reset(struct http_parser *p)
{
	if (p->head.cap > HTTP_KEPT_HEAD)
		buf_finish(&p->head);
	buf_clear(&p->head);
	if (p->header_room > HTTP_SOME_HEADERS) {
		free(p->headers);
		p->headers = NULL;
		p->header_room = 0;
	}
	p->header_count = 0;
	p->target_len = 0;
	p->scan = (struct scan){0};
	p->head_done = p->in_value = p->started = p->too_large = p->stopped = p->switched =
	    p->complete = false;
	p->reason = NULL;
	/* llhttp_reset keeps the type, settings and data. */
	llhttp_reset(&p->ll);
}

static enum http_result execute(
    struct http_parser *p, const char *bytes, size_t n, size_t *ret_used)
{
	enum llhttp_errno e = llhttp_execute(&p->ll, bytes, n);
	const char *at = llhttp_get_error_pos(&p->ll);

	*ret_used = e == HPE_OK || !at ? n : (size_t)(at - bytes);
	if (p->stopped)
		return HTTP_STOPPED;
	if (e == HPE_PAUSED_UPGRADE && p->switched)
		return HTTP_SWITCHED;
	if (e == HPE_PAUSED || e == HPE_PAUSED_UPGRADE)
		return HTTP_COMPLETE;
	if (e == HPE_OK)
		return HTTP_MORE;
	if (!p->reason)
		p->reason = llhttp_get_error_reason(&p->ll);
	return HTTP_BAD;
}

enum http_result http_parser_feed(
    struct http_parser *p, const char *bytes, size_t n, size_t *ret_used)
{
	enum http_result result;
	size_t fine, used;

	if (!p->requests)
		return execute(p, bytes, n, ret_used);
	*ret_used = 0;
	do {
		fine = scan(&p->scan, bytes + *ret_used, n - *ret_used);
		/* What was fine goes first: a refusal may want to see whose request it was. */
		result = execute(p, bytes + *ret_used, fine, &used);
		*ret_used += used;
		if (result == HTTP_MORE && p->scan.reason) {
			p->reason = p->scan.reason;
			p->too_large = p->scan.too_large;
			result = HTTP_BAD;
		}
	} while (result == HTTP_MORE && *ret_used < n);
	return result;
}

enum http_result http_parser_eof(struct http_parser *p)
{
	enum llhttp_errno e = llhttp_finish(&p->ll);

	if (p->complete && (e == HPE_OK || e == HPE_PAUSED))
		return HTTP_COMPLETE;
	p->reason = "the connection ended within a message";
	return HTTP_BAD;
}

const char *http_parser_error(const struct http_parser *p, bool *ret_too_large)
{
	*ret_too_large = p->too_large;
	return p->reason ? p->reason : "malformed";
}

struct str http_header_str(const struct http_parser *p, struct str name, size_t *ret_count)
{
	struct str found = {NULL, 0};
	size_t count = 0;

	for (size_t i = 0; i < p->header_count; i++) {
		const struct header *h = &p->headers[i];

		if (!has_name(p, h, name))
			continue;
		if (count++ == 0)
			found = str_trim((struct str){p->head.p + h->value, h->value_len});
	}
	if (ret_count)
		*ret_count = count;
	return found;
}

bool http_header_has(const struct http_parser *p, const char *name, const char *token)
{
	struct str rest = http_header(p, name, NULL), one;

	while (rest.n) {
		rest = str_cut(rest, ',', &one);
		if (str_ieq(str_trim(one), token))
			return true;
	}
	return false;
}

bool http_parser_started(const struct http_parser *p)
{
	return p->started;
}

struct str http_path(struct str target, struct str *ret_query)
{
	struct str path;

	*ret_query = str_cut(target, '?', &path);
	return path;
}

static bool decode(struct str s, struct buf *out)
{
	size_t start = out->len;

	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];

		if (c == '+') {
			c = ' ';
		} else if (c == '%') {
			int hi = s.n - i > 2 ? hex_digit(s.p[i + 1]) : -1;
			int lo = s.n - i > 2 ? hex_digit(s.p[i + 2]) : -1;

			if (hi < 0 || lo < 0) {
				out->len = start;
				return false;
			}
			c = (char)(hi << 4 | lo);
			i += 2;
		}
		if (c == '\0') {
			out->len = start;
			return false;
		}
		buf_addc(out, c);
	}
	return true;
}

bool http_query(struct str query, const char *name, struct buf *out)
{
	struct str pair, key, value;

	while (query.n) {
		query = str_cut(query, '&', &pair);
		value = str_cut(pair, '=', &key);
		if (str_eq(key, name))
			return decode(value, out);
	}
	return false;
}

void http_query_put(struct buf *out, const char *s)
{
	for (; *s; s++) {
		bool plain = (*s >= '0' && *s <= '9') || (*s >= 'a' && *s <= 'z') ||
			     (*s >= 'A' && *s <= 'Z') || strchr("-_.~", *s);

		if (plain)
			buf_addc(out, *s);
		else
			buf_addf(out, "%%%02X", (unsigned char)*s);
	}
}

void http_put_reply_head(struct buf *out, const struct http_reply *r)
{
	buf_adds(out, "HTTP/1.1 ");
	buf_addu(out, (uint64_t)r->status);
	buf_addc(out, ' ');
	buf_adds(out, http_status_text(r->status));
	buf_adds(out, "\r\n");
	if (r->type) {
		buf_adds(out, "Content-Type: ");
		buf_adds(out, r->type);
		/* What we answer is data: no browser may guess it to be a page. */
		buf_adds(out, "\r\nX-Content-Type-Options: nosniff\r\nCache-Control: no-store\r\n");
	}
	if (r->length >= 0) {
		buf_adds(out, "Content-Length: ");
		buf_addu(out, (uint64_t)r->length);
		buf_adds(out, "\r\n");
	}
	if (r->chunked)
		buf_adds(out, "Transfer-Encoding: chunked\r\n");
	if (r->origin) {
		buf_adds(out, "Access-Control-Allow-Origin: ");
		buf_adds(out, r->origin);
		buf_adds(out, "\r\nVary: Origin\r\n");
	}
	if (r->close)
		buf_adds(out, "Connection: close\r\n");
	if (r->extra)
		buf_adds(out, r->extra);
	buf_adds(out, "\r\n");
}
