/* The session that an import asks for, as the daemon takes it: checked, kept as history, and given
 * to a model within contexts of several sizes. */
#include <assert.h>

#include "base/buf.h"
#include "base/config.h"
#include "base/json.h"
#include "protocol/message.h"
#include "protocol/payload.h"
#include "protocol/requests.h"
#include "session/prompt.h"
#include "tests/fuzz/fuzz.h"

static struct config *config;

/* The messages as roster.c keeps them: the inside of an array. */
static void keep(const struct request_session *r, struct buf *history)
{
	json_t *copy = json_deep_copy(r->messages), *one;
	size_t i;

	json_array_foreach (copy, i, one) {
		buf_adds(history, i ? "," : "");
		message_put(history, one);
	}
	json_decref(copy);
}

static void prompt(const struct request_session *r, const struct buf *history, uint64_t context)
{
	struct prompt_result result;
	struct buf out = {0};
	json_t *root = NULL;
	int rc = prompt_build(&out,
	    &(struct prompt_opts){.config = config,
		.context_tokens = context,
		.mode = "chat",
		.workspace = r->workspace ? r->workspace : "",
		.history = history->p,
		.history_len = history->len,
		.content = "go on",
		.content_len = 5},
	    &result);

	if (rc == 0) {
		assert(json_parse(out.p, out.len, &root, NULL) == 0);
		assert(json_array_size(root) + result.dropped_messages ==
		       json_array_size(r->messages) + 2);
		json_decref(root);
	}
	buf_finish(&out);
}

static void show(const struct request_session *r)
{
	struct buf metadata = {0}, out = {0};
	json_t *root = NULL;

	if (r->metadata)
		json_put(&metadata, r->metadata);
	payload_put_snapshot(&out, &(struct snapshot){.id = r->session_id ? r->session_id : "s",
				       .model = r->model ? r->model : "",
				       .title = r->title ? r->title : "",
				       .status = "idle",
				       .metadata = buf_cstr(&metadata)});
	assert(json_parse(out.p, out.len, &root, NULL) == 0);
	json_decref(root);
	buf_finish(&metadata);
	buf_finish(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct request_session r;
	struct problems p = {0};
	struct buf history = {0};
	json_t *body = NULL;

	if (!config)
		config = config_new();
	if (json_parse((const char *)data, size, &body, NULL) != 0)
		return 0;
	if (request_session(body, &r, &p)) {
		keep(&r, &history);
		prompt(&r, &history, 0);
		prompt(&r, &history, 300);
		prompt(&r, &history, 4096);
		show(&r);
	}
	problems_finish(&p);
	buf_finish(&history);
	json_decref(body);
	return 0;
}
