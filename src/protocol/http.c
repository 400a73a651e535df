/* HTTP/1.1 over llhttp: limits, header table, heads. */
#include "protocol/http.h"

#include <assert.h>
#include <llhttp/llhttp.h>
#include <strings.h>

#include "base/buf.h"
#include "base/mem.h"
#include "protocol/errors.h"

struct header {
	uint32_t name, name_len, value, value_len; /* places in head */
};

struct http_parser {
	llhttp_t ll;
	const struct http_callbacks *cb; /* borrowed */
	void *data;
	struct buf head;	/* target and headers, packed */
	struct header *headers; /* owned, HTTP_MAX_HEADERS, made at the first header */
	size_t header_count;
	uint32_t target_len;
	bool in_value, started, too_large, stopped, switched, complete;
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

/* Letters, digits and these make a field name (RFC 9110 5.6.2); llhttp lets a blank through. */
static bool is_name(const char *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!((p[i] >= '0' && p[i] <= '9') || (p[i] >= 'a' && p[i] <= 'z') ||
			(p[i] >= 'A' && p[i] <= 'Z') || (p[i] && strchr("!#$%&'*+-.^_`|~", p[i]))))
			return false;
	return true;
}

static int on_field(llhttp_t *ll, const char *at, size_t n)
{
	struct http_parser *p = ll->data;
	struct header *h;

	if (!is_name(at, n))
		return reject(p, "a header's name has a character it may not have");

	if (p->head.len + n > HTTP_MAX_HEAD)
		return refuse(p, "the headers are too large");
	if (!p->header_count || p->in_value) {
		if (p->header_count == HTTP_MAX_HEADERS)
			return refuse(p, "there are too many headers");
		if (!p->headers)
			p->headers = mem_zalloc(HTTP_MAX_HEADERS, sizeof *p->headers);
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

	assert(p->header_count);
	for (size_t i = 0; i < n; i++)
		if (((unsigned char)at[i] < 0x20 && at[i] != '\t') || at[i] == 0x7F)
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

static int on_headers(llhttp_t *ll)
{
	struct http_parser *p = ll->data;
	struct http_head head = {
	    .target = {p->head.p, p->target_len},
	    .status = ll->status_code,
	    .minor = ll->http_minor,
	    .keep_alive = llhttp_should_keep_alive(ll) != 0,
	    .upgrade = ll->upgrade != 0,
	    .has_length = (ll->flags & F_CONTENT_LENGTH) != 0,
	    .length = ll->content_length,
	};

	if (ll->type == HTTP_REQUEST)
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
	buf_finish(&p->head);
	free(p->headers);
	p->headers = NULL;
	p->header_count = 0;
	p->target_len = 0;
	p->in_value = p->started = p->too_large = p->stopped = p->switched = p->complete = false;
	p->reason = NULL;
	/* llhttp_reset keeps the type, settings and data. */
	llhttp_reset(&p->ll);
}

enum http_result http_parser_feed(
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

struct str http_header(const struct http_parser *p, const char *name, size_t *ret_count)
{
	struct str found = {NULL, 0};
	size_t count = 0, n = strlen(name);

	for (size_t i = 0; i < p->header_count; i++) {
		const struct header *h = &p->headers[i];

		if (h->name_len != n || strncasecmp(p->head.p + h->name, name, n) != 0)
			continue;
		if (count++ == 0) {
			found = (struct str){p->head.p + h->value, h->value_len};
			found = str_trim(found);
		}
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
