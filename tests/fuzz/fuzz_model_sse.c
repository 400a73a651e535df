/* A model server's event stream, in pieces of a size the first byte names. */
#include <assert.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/str.h"
#include "model/answer.h"
#include "model/delta.h"
#include "model/dialect.h"
#include "protocol/sse.h"
#include "tests/fuzz/fuzz.h"

static void on_text(void *data, bool thinking, const char *p, size_t n)
{
	/* What goes out is always whole, valid characters. */
	assert(n > 0 && str_utf8_valid(p, n) == n);
}

static void on_thought(void *data)
{
}

static bool offered(void *data, const char *name)
{
	return name[0] == 'r';
}

static int on_event(void *data, const struct sse_event *event)
{
	struct delta d;
	int rc = 1;

	if (dialect_openai_chat.take(event->name, event->text.p, event->text.n, &d) != 0)
		return 1;
	if (!d.error[0])
		rc = answer_take(data, &d);
	else
		assert(str_utf8_valid(d.error, strlen(d.error)) == strlen(d.error));
	delta_finish(&d);
	return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct answer answer;
	struct buf parts = {0};
	json_t *root = NULL;
	struct sse *sse;
	size_t step;

	if (size < 2)
		return 0;
	step = 1 + data[0];
	answer_init(&answer, on_text, on_thought, NULL);
	sse = sse_new(65536, on_event, &answer);
	sse_set_lenient(sse);
	for (size_t at = 1; at < size; at += step)
		if (sse_feed(sse, (const char *)data + at, size - at < step ? size - at : step) !=
		    0)
			break;
	sse_end(sse);
	answer_end(&answer, offered);
	answer_put_parts(&answer, &parts);
	if (parts.len)
		assert(json_parse(parts.p, parts.len, &root, NULL) == 0 && json_is_array(root));
	json_decref(root);
	for (size_t i = 0; i < answer.assembly.count; i++)
		assert(answer.assembly.calls[i].arguments.len);
	buf_finish(&parts);
	sse_free(sse);
	answer_free(&answer);
	return 0;
}
