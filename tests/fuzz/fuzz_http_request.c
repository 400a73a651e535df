/* Requests, cut in two at a place the first byte names. */
#include "base/buf.h"
#include "protocol/http.h"
#include "tests/fuzz/fuzz.h"

struct seen {
	struct http_parser *parser;
	size_t body;
};

static enum http_verdict on_head(void *data, const struct http_head *head)
{
	struct seen *seen = data;
	struct str query;
	struct buf value = {0};

	http_path(head->target, &query);
	http_query(query, "token", &value);
	http_header(seen->parser, "Host", NULL);
	http_header_has(seen->parser, "Connection", "upgrade");
	buf_finish(&value);
	return head->upgrade ? HTTP_SWITCH : HTTP_GO_ON;
}

static bool on_body(void *data, const char *p, size_t n)
{
	struct seen *seen = data;

	seen->body += n;
	return true;
}

static const struct http_callbacks callbacks = {.on_head = on_head, .on_body = on_body};

/* Feed until the parser wants no more of it. */
static bool feed(struct http_parser *p, const char *bytes, size_t n)
{
	while (n) {
		size_t used = 0;
		enum http_result result = http_parser_feed(p, bytes, n, &used);

		bytes += used;
		n -= used;
		if (result == HTTP_COMPLETE)
			http_parser_reset(p);
		else if (result != HTTP_MORE)
			return false;
		if (!used && result == HTTP_MORE)
			return true;
	}
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct seen seen = {0};
	size_t cut;

	if (size < 2)
		return 0;
	cut = 1 + data[0] % (size - 1);
	seen.parser = http_parser_new(true, &callbacks, &seen);
	if (feed(seen.parser, (const char *)data + 1, cut - 1) &&
	    feed(seen.parser, (const char *)data + cut, size - cut))
		http_parser_eof(seen.parser);
	http_parser_free(seen.parser);
	return 0;
}
