/* Frames of a tool call, as the daemon reads them; an answer that is read must survive being
 * written and read again. */
#include <assert.h>
#include <string.h>

#include "base/buf.h"
#include "tests/fuzz/fuzz.h"
#include "tools/request.h"

static void take_answer(const char *p, size_t n)
{
	struct tool_answer a = {0}, again = {0};
	struct buf out = {0};

	if (!answer_parse(p, n, &a))
		return;
	answer_put(&out, &a);
	assert(answer_parse(out.p, out.len, &again));
	assert(a.ok == again.ok && a.has_exit == again.has_exit && a.exit_code == again.exit_code);
	assert(strcmp(a.text, again.text) == 0 && strcmp(a.state, again.state) == 0);
	answer_finish(&a);
	answer_finish(&again);
	buf_finish(&out);
}

static void take_request(const char *p, size_t n)
{
	json_t *json = NULL;
	struct tool_request r;
	struct buf out = {0};

	/* json_parse is the one other reader of such bytes. */
	json = json_loadb(p, n, 0, NULL);
	if (json && request_parse(json, &r))
		request_put(&out, &r);
	json_decref(json);
	buf_finish(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *p = (const char *)data, *bytes;
	size_t n = size, len;
	int64_t frame;
	char kind;

	while ((frame = request_frame(p, n, &kind, &bytes, &len)) > 0) {
		assert((size_t)frame <= n && bytes >= p && bytes + len <= p + n);
		if (kind == FRAME_ANSWER)
			take_answer(bytes, len);
		else if (kind == FRAME_REQUEST)
			take_request(bytes, len);
		p += frame;
		n -= (size_t)frame;
	}
	/* And as the bare JSON, which a fuzzer finds sooner. */
	take_answer((const char *)data, size);
	take_request((const char *)data, size);
	return 0;
}
