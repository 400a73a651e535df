/* One HTTP request on a connection of its own. */
#include "net/http_client.h"

#include <assert.h>
#include <unistd.h>
#include <uv.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "net/connect.h"
#include "net/filter.h"
#include "net/stream.h"
#include "protocol/http.h"

struct http_call {
	uv_loop_t *loop;
	struct http_call_opts opts; /* strings not kept: the request is already built */
	struct buf request;
	struct connect *connect; /* NULL once connected or failed */
	struct stream *stream;	 /* NULL until connected */
	struct http_parser *parser;
	struct filter *filter; /* owned */
	uv_idle_t freer;       /* carries the call to its free, outside of all callbacks */
	bool switched, closing;
	bool interim; /* the head that came announces another (RFC 9110 15.2) */
};

static void on_freer_closed(uv_handle_t *handle)
{
	struct http_call *call = handle->data;

	http_parser_free(call->parser);
	buf_finish(&call->request);
	if (call->filter)
		call->filter->ops->free(call->filter);
	free(call);
}

void http_call_cancel(struct http_call *call)
{
	if (!call || call->closing)
		return;
	call->closing = true;
	net_connect_cancel(call->connect);
	stream_close(call->stream);
	uv_close((uv_handle_t *)&call->freer, on_freer_closed);
}

static void finish(struct http_call *call, const struct err *err)
{
	bool sent = call->stream != NULL;

	if (call->closing)
		return;
	http_call_cancel(call);
	call->opts.on_done(call->opts.data, err, sent);
}

static void fail(struct http_call *call, int code, const char *sentence)
{
	struct err err;

	err_set(&err, code, "%s", sentence);
	finish(call, &err);
}

static enum http_verdict on_head(void *data, const struct http_head *head)
{
	struct http_call *call = data;
	bool go_on = true;

	call->interim = head->status >= 100 && head->status < 200 && head->status != 101;
	if (call->interim)
		return HTTP_GO_ON;
	if (call->opts.on_head)
		go_on = call->opts.on_head(call->opts.data, head->status, call->parser);
	if (call->closing || !go_on)
		return HTTP_STOP;
	if (head->status == 101) {
		if (!call->opts.on_head)
			return HTTP_STOP;
		call->switched = true;
		return HTTP_SWITCH;
	}
	return HTTP_GO_ON;
}

static bool on_body(void *data, const char *p, size_t n)
{
	struct http_call *call = data;

	call->opts.on_body(call->opts.data, p, n);
	return !call->closing;
}

static const struct http_callbacks parser_callbacks = {.on_head = on_head, .on_body = on_body};

static const struct err no_error = {0, ""};

/* Plain bytes from the server. */
static void take(struct http_call *call, const char *p, size_t n)
{
	enum http_result result;
	bool too_large;
	size_t used;

	if (!n || call->closing)
		return;
	if (call->switched) {
		call->opts.on_body(call->opts.data, p, n);
		return;
	}
	result = http_parser_feed(call->parser, p, n, &used);
	if (call->closing)
		return;
	switch (result) {
	case HTTP_MORE:
		break;
	case HTTP_COMPLETE:
		if (!call->interim) {
			finish(call, &no_error);
			break;
		}
		http_parser_reset(call->parser);
		take(call, p + used, n - used);
		break;
	case HTTP_SWITCHED:
		take(call, p + used, n - used);
		break;
	case HTTP_STOPPED:
		fail(call, ERR_REFUSED, "the answer was not wanted");
		break;
	case HTTP_BAD:
		fail(call, ERR_SYNTAX, http_parser_error(call->parser, &too_large));
		break;
	}
}

static void on_end(void *data, int error);

static void on_read(void *data, const char *p, size_t n)
{
	struct http_call *call = data;
	struct buf plain = {0}, wire = {0};
	struct err err = {0};
	int rc;

	if (!call->filter) {
		take(call, p, n);
		return;
	}
	rc = call->filter->ops->incoming(call->filter, p, n, &plain, &wire, &err);
	stream_write(call->stream, wire.p, wire.len);
	take(call, plain.p, plain.len);
	if (rc == ERR_CLOSED)
		on_end(call, 0);
	else if (rc != 0)
		finish(call, &err);
	buf_finish(&plain);
	buf_finish(&wire);
}

static void on_end(void *data, int error)
{
	struct http_call *call = data;

	if (call->closing)
		return;
	if (error == 0 && !call->switched && http_parser_eof(call->parser) == HTTP_COMPLETE)
		finish(call, &no_error);
	else
		fail(call, error ? error : ERR_CLOSED,
		    error ? strerror(-error) : "the server closed the connection");
}

static void on_writable(void *data)
{
	(void)data;
}

static const struct stream_ops stream_callbacks = {
    .on_read = on_read, .on_end = on_end, .on_writable = on_writable};

static void send_wire(struct http_call *call, const char *p, size_t n)
{
	struct buf wire = {0};
	struct err err = {0};

	if (!call->filter) {
		stream_write(call->stream, p, n);
		return;
	}
	if (call->filter->ops->outgoing(call->filter, p, n, &wire, &err) == 0)
		stream_write(call->stream, wire.p, wire.len);
	buf_finish(&wire);
}

static void on_connected(void *data, int fd)
{
	struct http_call *call = data;
	char why[128];

	call->connect = NULL;
	if (fd < 0) {
		snprintf(why, sizeof why, "%s",
		    fd == ERR_UNKNOWN	? "the name cannot be resolved"
		    : fd == ERR_TIMEOUT ? "no answer to the connection"
					: strerror(-fd));
		fail(call, fd, why);
		return;
	}
	call->stream = stream_new(call->loop, fd, &stream_callbacks, call);
	if (!call->stream) {
		fail(call, ERR_CLOSED, "the socket cannot be watched");
		return;
	}
	send_wire(call, call->request.p, call->request.len);
	buf_finish(&call->request);
}

static void build_request(struct http_call *call, const struct http_call_opts *o)
{
	struct buf *b = &call->request;
	/* A bare IPv6 address is no host of a URL (RFC 3986 3.2.2). */
	bool bare = strchr(o->host, ':') && o->host[0] != '[';

	buf_addf(b, "%s %s HTTP/1.1\r\nHost: ", o->method, o->target);
	buf_addf(b, bare ? "[%s]:%d\r\n" : "%s:%d\r\n", o->host, o->port);
	buf_adds(b, o->headers ? o->headers : "");
	if (o->body || strcmp(o->method, "POST") == 0)
		buf_addf(b, "Content-Length: %zu\r\n", o->body_len);
	buf_adds(b, "\r\n");
	buf_add(b, o->body, o->body_len);
}

struct http_call *http_call_start(uv_loop_t *loop, const struct http_call_opts *opts)
{
	struct http_call *call = mem_zalloc(1, sizeof *call);

	assert(opts->on_body && opts->on_done);
	call->loop = loop;
	call->opts = *opts;
	call->filter = opts->filter;
	call->parser = http_parser_new(false, &parser_callbacks, call);
	build_request(call, opts);
	uv_idle_init(loop, &call->freer);
	call->freer.data = call;
	call->connect =
	    net_connect(loop, opts->host, opts->port, opts->connect_ms, on_connected, call);
	return call;
}

void http_call_send(struct http_call *call, const char *p, size_t n)
{
	if (!call->closing && call->stream)
		send_wire(call, p, n);
}

size_t http_call_queued(const struct http_call *call)
{
	return call->closing || !call->stream ? 0 : stream_queued(call->stream);
}

void http_call_read(struct http_call *call, bool on)
{
	if (!call->closing && call->stream)
		stream_read(call->stream, on);
}
