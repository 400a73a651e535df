/* HTTP/1.1 over llhttp, with a scan of each request before it: limits, header table, heads. */
#include "protocol/http.h"

#include <assert.h>
#include <llhttp/llhttp.h>
#include <strings.h>

#include "base/buf.h"
#include "base/mem.h"
#include "protocol/errors.h"
#include "protocol/http_scan.h"

enum {
	/* Room for headers at first; most heads have fewer. */
	HTTP_SOME_HEADERS = 16,
	/* Bytes of a head's memory that the next one of the connection may have. */
	HTTP_KEPT_HEAD = 512,
};

struct header {
	uint32_t name, name_len, value, value_len; /* places in head */
};

struct http_parser {
	llhttp_t ll;
	struct http_scan scan;		 /* of requests only */
	const struct http_callbacks *cb; /* borrowed */
	void *data;
	struct buf head;	/* target and headers, packed */
	struct header *headers; /* owned */
	size_t header_count, header_room;
	uint32_t target_len;
	bool requests, head_done, in_value, started, too_large, stopped, switched, complete;
	const char *reason; /* static */
	const char *over;   /* static: the limit a request's head has passed, or NULL */
};

static bool has_name(const struct http_parser *p, const struct header *h, struct str name)
{
	return h->name_len == name.n && strncasecmp(p->head.p + h->name, name.p, name.n) == 0;
}

static int refuse(struct http_parser *p, const char *reason)
{
	p->reason = reason;
	p->too_large = true;
	return -1;
}

/*
 * A limit was passed. Of a request the rest of the head is read for the sake of its
 * Authorization alone, so that the answer does not depend on the order of the headers.
 */
static int pass_limit(struct http_parser *p, const char *reason)
{
	if (!p->requests)
		return refuse(p, reason);
	if (!p->over)
		p->over = reason;
	return 0;
}

/* Of a head that is too large: forget the last header, unless it says whose request this is. */
static void forget_header(struct http_parser *p)
{
	struct header *last;

	if (!p->over || !p->header_count)
		return;
	last = &p->headers[p->header_count - 1];
	if (has_name(p, last, str_of("Authorization")))
		return;
	p->head.len = last->name;
	p->header_count--;
}

/* n more bytes of the last header, of which *counted are kept so far. */
static int add_bytes(struct http_parser *p, const char *at, size_t n, uint32_t *counted)
{
	const struct header *last = &p->headers[p->header_count - 1];

	if (!p->over && p->head.len + n > HTTP_MAX_HEAD &&
	    pass_limit(p, "the headers are too large") != 0)
		return -1;
	if (p->over && p->head.len - last->name + n > HTTP_MAX_LATE_HEADER)
		return 0;
	buf_add(&p->head, at, n);
	*counted += (uint32_t)n;
	return 0;
}

/* A new header begins. */
static int add_header(struct http_parser *p)
{
	static const char too_many[] = "there are too many headers";

	if (p->header_count >= HTTP_MAX_HEADERS && pass_limit(p, too_many) != 0)
		return -1;
	forget_header(p);
	if (p->header_count > HTTP_MAX_HEADERS)
		return refuse(p, too_many);
	if (p->header_count == p->header_room) {
		p->header_room = p->header_room ? 2 * p->header_room : HTTP_SOME_HEADERS;
		p->headers = mem_realloc(p->headers, p->header_room * sizeof *p->headers);
	}
	p->headers[p->header_count++] = (struct header){.name = (uint32_t)p->head.len};
	p->in_value = false;
	return 0;
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
		return pass_limit(p, "the request target is too long");
	buf_add(&p->head, at, n);
	p->target_len += (uint32_t)n;
	return 0;
}

static int reject(struct http_parser *p, const char *reason)
{
	p->reason = reason;
	return -1;
}

/* --- llhttp's callbacks --- */

static int on_field(llhttp_t *ll, const char *at, size_t n)
{
	struct http_parser *p = ll->data;

	/* A trailer is none of the head's (RFC 9110 6.5.1). */
	if (p->head_done)
		return 0;
	if ((!p->header_count || p->in_value) && add_header(p) != 0)
		return -1;
	return add_bytes(p, at, n, &p->headers[p->header_count - 1].name_len);
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
		if (!http_scan_is_text((unsigned char)at[i]))
			return reject(p, "a header's value has a control character");
	h = &p->headers[p->header_count - 1];
	if (!p->in_value) {
		h->value = (uint32_t)p->head.len;
		p->in_value = true;
	}
	return add_bytes(p, at, n, &h->value_len);
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
	const char *why = NULL;
	bool chunked = (ll->flags & F_CHUNKED) != 0;
	struct http_head head = {
	    .status = ll->status_code,
	    .minor = ll->http_minor,
	    .keep_alive = llhttp_should_keep_alive(ll) != 0,
	    /* A body would be read as the other protocol's bytes. */
	    .upgrade = ll->upgrade != 0 && !chunked && !ll->content_length,
	    .has_length = (ll->flags & F_CONTENT_LENGTH) != 0,
	    .length = ll->content_length,
	};

	/* Blanks around values count as well, though they are not kept. */
	if (!p->over && p->scan.bytes > HTTP_MAX_TARGET + HTTP_MAX_HEAD)
		p->over = "the headers are too large";
	if (p->over)
		return refuse(p, p->over);
	if (p->requests)
		why = two_readings(p, &target);
	if (why)
		return reject(p, why);
	head.target = target;
	p->head_done = true;
	http_scan_body(&p->scan, chunked);
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
		http_scan_setup();
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
	p->scan = (struct http_scan){0};
	p->head_done = p->in_value = p->started = p->too_large = p->stopped = p->switched =
	    p->complete = false;
	p->reason = p->over = NULL;
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
		fine = http_scan(&p->scan, bytes + *ret_used, n - *ret_used);
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

struct str http_parser_target(const struct http_parser *p)
{
	return (struct str){p->head.p, p->target_len};
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
			int hi = s.n - i > 2 ? str_hex_digit(s.p[i + 1]) : -1;
			int lo = s.n - i > 2 ? str_hex_digit(s.p[i + 2]) : -1;

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
