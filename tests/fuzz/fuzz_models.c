/* What a model server says of its models and of their context: in every dialect, one after another.
 */
#include <assert.h>

#include "base/buf.h"
#include "base/json.h"
#include "model/models.h"
#include "model/server.h"
#include "tests/fuzz/fuzz.h"

static const char *const lists[] = {"/v1/models", "/admin/models", "/api/ps", "/api/v0/models"};
static const char *const contexts[] = {"/props", "/admin/models", "/api/ps"};

/* What a client is given is JSON, however many answers there were. */
static void check_list(const struct models *m)
{
	struct buf out = {0};
	json_t *root = NULL;

	buf_addc(&out, '[');
	models_put(m, &out);
	buf_addc(&out, ']');
	assert(json_parse(out.p, out.len, &root, NULL) == 0);
	assert(json_array_size(root) <= MODELS_MAX);
	json_decref(root);
	buf_finish(&out);
}

/* The first byte chooses how the rest is cut into two answers, as several dialects may answer. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data + 1;
	struct models *m = models_new();
	char name[64];
	size_t cut;

	if (size) {
		cut = (size - 1) * data[0] / 255;
		for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
			models_take(m, lists[i], text, cut);
			models_take(m, lists[i], text + cut, size - 1 - cut);
		}
		for (size_t i = 0; i < sizeof contexts / sizeof contexts[0]; i++)
			models_take(m, contexts[i], text, size - 1);
		assert(models_context(m, "m") <= 100000000);
		models_first_name(text, size - 1, name, sizeof name);
	}
	check_list(m);
	models_free(m);
	return 0;
}
