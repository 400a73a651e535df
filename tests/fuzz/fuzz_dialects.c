/* Messages of a model server in the dialect the first byte names, one a line; and what comes of
 * them. */
#include <assert.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/str.h"
#include "model/answer.h"
#include "model/delta.h"
#include "model/dialect.h"
#include "tests/fuzz/fuzz.h"

static const struct dialect *const dialects[] = {
    &dialect_openai_chat, &dialect_lmx_ws, &dialect_ollama, &dialect_anthropic, &dialect_responses};

static void on_text(void *data, bool thinking, const char *p, size_t n)
{
	assert(n > 0 && str_utf8_valid(p, n) == n);
}

static void on_thought(void *data)
{
}

static bool offered(void *data, const char *name)
{
	return true;
}

/* What goes back unread is JSON: an object. */
static void check_seals(const struct answer *a)
{
	for (size_t i = 0; i < a->part_count; i++) {
		const char *opaque = a->parts[i].opaque;
		json_t *root = NULL;

		if (!opaque)
			continue;
		assert(json_parse(opaque, strlen(opaque), &root, NULL) == 0);
		assert(json_is_object(root));
		json_decref(root);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct answer answer;
	struct buf parts = {0};
	struct str rest = {(const char *)data + 1, size - 1}, line;
	const struct dialect *dialect;
	json_t *root = NULL;

	if (size < 2)
		return 0;
	dialect = dialects[data[0] % (sizeof dialects / sizeof dialects[0])];
	answer_init(&answer, on_text, on_thought, NULL);
	while (rest.n) {
		struct delta d;
		int rc = 0;

		rest = str_cut(rest, '\n', &line);
		if (dialect->take((struct str){NULL, 0}, line.p, line.n, &d) != 0)
			continue;
		if (!d.error[0])
			rc = answer_take(&answer, &d);
		delta_finish(&d);
		if (rc != 0)
			break;
	}
	answer_end(&answer, offered);
	check_seals(&answer);
	answer_put_parts(&answer, &parts);
	if (parts.len)
		assert(json_parse(parts.p, parts.len, &root, NULL) == 0);
	json_decref(root);
	buf_finish(&parts);
	answer_free(&answer);
	return 0;
}
