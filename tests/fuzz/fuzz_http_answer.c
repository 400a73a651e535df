/*
 * The answer of a server, which is not trusted: in pieces, with and without the end of the
 * connection, with a switch to another protocol or without. Cut elsewhere it is the same answer.
 */
#include <assert.h>

#include "base/buf.h"
#include "protocol/http.h"
#include "tests/fuzz/fuzz.h"

enum { MAX_BODY = 1 << 20 };

struct seen {
	struct http_parser *parser;
	struct buf body;
	bool switches;
	int status;
	enum http_result result;
};

static enum http_verdict on_head(void *data, const struct http_head *head)
{
	struct seen *s = data;

	s->status = head->status;
	http_header(s->parser, "Content-Type", NULL);
	http_header_has(s->parser, "Connection", "upgrade");
	return s->switches && head->status == 101 ? HTTP_SWITCH : HTTP_GO_ON;
}

static bool on_body(void *data, const char *p, size_t n)
{
	struct seen *s = data;

	buf_add(&s->body, p, n);
	return s->body.len < MAX_BODY;
}

static const struct http_callbacks callbacks = {.on_head = on_head, .on_body = on_body};

static void run(struct seen *s, const char *p, size_t n, size_t step, bool eof)
{
	size_t used = 0;

	s->parser = http_parser_new(false, &callbacks, s);
	s->result = HTTP_MORE;
	for (size_t at = 0; at < n && s->result == HTTP_MORE; at += step)
		s->result =
		    http_parser_feed(s->parser, p + at, n - at < step ? n - at : step, &used);
	if (s->result == HTTP_MORE && eof)
		s->result = http_parser_eof(s->parser);
	http_parser_free(s->parser);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct seen whole = {0}, cut = {0};
	const char *text = (const char *)data + 1;

	if (size < 2)
		return 0;
	whole.switches = cut.switches = data[0] & 0x80;
	run(&whole, text, size - 1, size - 1, data[0] & 0x40);
	run(&cut, text, size - 1, 1 + (data[0] & 0x3F), data[0] & 0x40);
	assert(whole.result == cut.result && whole.status == cut.status);
	/* Of an answer that is refused less may have been seen before. */
	if (whole.result != HTTP_BAD)
		assert(whole.body.len == cut.body.len &&
		       (!cut.body.len || memcmp(whole.body.p, cut.body.p, cut.body.len) == 0));
	buf_finish(&whole.body);
	buf_finish(&cut.body);
	return 0;
}
