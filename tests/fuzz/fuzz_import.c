/* The session that an import asks for, as the daemon takes it: checked, kept as history, and given
 * to a model within contexts of several sizes. */
#include <assert.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/config.h"
#include "base/json.h"
#include "base/mem.h"
#include "model/dialect.h"
#include "protocol/item.h"
#include "protocol/payload.h"
#include "protocol/requests.h"
#include "session/history.h"
#include "session/prompt.h"
#include "tests/fuzz/fuzz.h"

static struct config *config;

struct kept {
	struct item *items; /* owned */
	size_t count;
};

/* The messages as roster.c keeps them. */
static void keep(const struct request_session *r, struct kept *kept)
{
	const json_t *one;
	struct buf body = {0};
	size_t i;

	kept->items = mem_zalloc(json_array_size(r->messages) + 1, sizeof *kept->items);
	json_array_foreach (r->messages, i, one) {
		buf_clear(&body);
		json_put(&body, one);
		assert(item_take(body.p, body.len, NULL, 0, &kept->items[kept->count++]) == 0);
	}
	buf_finish(&body);
}

static void prompt(const struct request_session *r, const struct kept *kept, uint64_t context)
{
	struct prompt_front front = {0};
	struct prompt result = {0};
	struct history *turn = history_new();
	struct buf out = {0};
	json_t *root = NULL;
	int rc;

	history_take(
	    turn, 1, EVENT_TURN_QUEUED, str_of("{\"turnId\":\"t\",\"content\":\"go on\"}"));
	history_take(turn, 2, EVENT_TURN_START, str_of("{\"turnId\":\"t\"}"));
	rc = prompt_make(&result, &(struct prompt_opts){.config = config,
				      .context_tokens = context,
				      .mode = "chat",
				      .workspace = r->workspace ? r->workspace : "",
				      .past = kept->items,
				      .past_count = kept->count,
				      .turn = turn,
				      .front = &front});
	dialect_openai_chat.put_request(&out, &(struct put){.model = "m",
						  .server = "s",
						  .system = buf_cstr(&result.system),
						  .tools = context ? "[]" : NULL,
						  .items = result.items,
						  .count = result.count});
	assert(json_parse(out.p, out.len, &root, NULL) == 0);
	/* Some are told as words, or have an answer put between them. */
	assert(json_array_size(json_object_get(root, "messages")) > 0);
	assert(rc != 0 || result.count + result.dropped_messages == kept->count + 1);
	json_decref(root);
	prompt_finish(&result);
	history_free(turn);
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
	struct kept kept = {0};
	json_t *body = NULL;

	if (!config)
		config = config_new();
	if (json_parse((const char *)data, size, &body, NULL) != 0)
		return 0;
	if (request_session(body, &r, &p)) {
		keep(&r, &kept);
		prompt(&r, &kept, 0);
		prompt(&r, &kept, 300);
		prompt(&r, &kept, 4096);
		show(&r);
	}
	problems_finish(&p);
	for (size_t i = 0; i < kept.count; i++)
		item_finish(&kept.items[i]);
	free(kept.items);
	json_decref(body);
	return 0;
}
