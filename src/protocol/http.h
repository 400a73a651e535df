#ifndef PROTOCOL_HTTP_H
#define PROTOCOL_HTTP_H

/*
 * HTTP/1.1 messages, both sides: an incremental parser over llhttp with our
 * limits, and the writers of heads and chunks. RFC 9112. A request that two
 * readers could read in two ways is refused, so that none can be hidden within
 * another. No I/O; a parser belongs to one thread.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

struct buf;
struct http_parser;

/* Limits of a message head. Far above what any client of ours sends. */
enum {
	HTTP_MAX_TARGET = 8 * 1024,
	HTTP_MAX_HEAD = 32 * 1024,
	HTTP_MAX_HEADERS = 100,
	HTTP_MAX_READ_HEAD = 256 * 1024, /* of one that is too large, for its Authorization */
	HTTP_MAX_LATE_HEADER = 1024,	 /* an Authorization behind those limits */
	HTTP_MAX_CHUNK_DIGITS = 8,	 /* of a chunk's size: 4 GiB, far above any body */
	HTTP_MAX_EXTENSIONS = 16 * 1024, /* bytes of chunk extensions in one message */
};

struct http_head {
	struct str method; /* requests: "GET" */
	struct str target; /* requests: begins with "/"; the host of an absolute URL is cut off */
	int status;	   /* responses */
	int minor;	   /* HTTP/1.minor */
	bool keep_alive;
	bool upgrade;	 /* asks for, or switches to, another protocol; never with a body */
	bool has_length; /* Content-Length was given */
	uint64_t length;
};

enum http_result {
	HTTP_MORE,     /* all consumed, message not complete */
	HTTP_COMPLETE, /* the message ended; the rest of the input was not consumed */
	HTTP_SWITCHED, /* an upgrade was accepted by on_head; the rest is the other protocol's */
	HTTP_STOPPED,  /* on_head or on_body said stop */
	HTTP_BAD,      /* not HTTP, or a limit was passed: see http_parser_error */
};

/* What on_head wants next. */
enum http_verdict { HTTP_GO_ON, HTTP_SWITCH, HTTP_NO_BODY, HTTP_STOP };

struct http_callbacks {
	/* The head is complete; strings are valid until http_parser_reset. */
	enum http_verdict (*on_head)(void *data, const struct http_head *head);
	/* A piece of the body, valid until return. Return false to stop. */
	bool (*on_body)(void *data, const char *p, size_t n);
};

/* A parser for requests (a server's) or responses (a client's). cb is borrowed. */
struct http_parser *http_parser_new(bool requests, const struct http_callbacks *cb, void *data);
void http_parser_free(struct http_parser *p);

/* Forget the finished message, be ready for the next; releases the memory of a large head. */
void http_parser_reset(struct http_parser *p);

/* Parse n bytes; *ret_used gets how many were consumed. */
enum http_result http_parser_feed(
    struct http_parser *p, const char *bytes, size_t n, size_t *ret_used);

/* The peer closed: HTTP_COMPLETE when that ends the message (a response without length), else
 * HTTP_BAD. */
enum http_result http_parser_eof(struct http_parser *p);

/* Why the last feed said HTTP_BAD; static text. *ret_too_large: a limit, not a syntax error. */
const char *http_parser_error(const struct http_parser *p, bool *ret_too_large);

/* The value of header `name` (any case), p NULL when absent; *ret_count (if not NULL) gets how
 * often it was given. Valid like the head. */
struct str http_header_str(const struct http_parser *p, struct str name, size_t *ret_count);

/* The same. Inline, as the name is mostly a literal, whose length is known then. */
static inline struct str http_header(
    const struct http_parser *p, const char *name, size_t *ret_count)
{
	return http_header_str(p, (struct str){name, strlen(name)}, ret_count);
}

/* Does the comma-separated list in header `name` hold `token` (any case)? */
bool http_header_has(const struct http_parser *p, const char *name, const char *token);

/* The target as far as it came, also of a request that was refused; valid like the head. */
struct str http_parser_target(const struct http_parser *p);

/* Has the head of the current message begun to arrive? */
bool http_parser_started(const struct http_parser *p);

/* The path of a target without its query; *ret_query gets what follows "?". */
struct str http_path(struct str target, struct str *ret_query);

/*
 * Find name in a query string and append its percent-decoded value to out.
 * False when absent or badly encoded (out untouched), or when it holds a NUL.
 */
bool http_query(struct str query, const char *name, struct buf *out);

/* Append s percent-encoded for use in a query. */
void http_query_put(struct buf *out, const char *s);

struct http_reply {
	int status;
	const char *type; /* Content-Type, or NULL for none */
	int64_t length;	  /* Content-Length; -1: none is sent */
	bool chunked;
	bool close;	    /* Connection: close */
	const char *origin; /* Access-Control-Allow-Origin, or NULL */
	const char *extra;  /* more header lines, each with CRLF, or NULL */
};

/* Append a response's head. */
void http_put_reply_head(struct buf *out, const struct http_reply *r);

#endif
