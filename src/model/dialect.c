/* What all dialects share. */
#include "model/dialect.h"

#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/str.h"

static const struct dialect *const dialects[] = {
    &dialect_openai_chat, &dialect_lmx_ws, &dialect_ollama, &dialect_anthropic, &dialect_responses};

const struct dialect *dialect_find(const char *name)
{
	for (size_t i = 0; i < sizeof dialects / sizeof dialects[0]; i++)
		if (strcmp(dialects[i]->name, name) == 0)
			return dialects[i];
	return NULL;
}

void dialect_put_bearer(struct buf *out, const char *key)
{
	if (key[0])
		buf_addf(out, "Authorization: Bearer %s\r\n", key);
}

void dialect_each_tool(const char *tools,
    void (*on_tool)(void *data, const char *name, const char *description, struct str parameters),
    void *data)
{
	json_t *list = NULL;
	const json_t *one;
	size_t i;

	if (json_parse(tools, strlen(tools), &list, NULL) != 0)
		return;
	json_array_foreach (list, i, one) {
		const json_t *function = json_object_get(one, "function"),
			     *parameters = json_object_get(function, "parameters");
		struct buf schema = {0};

		if (json_is_object(parameters))
			json_put(&schema, parameters);
		else
			buf_adds(&schema, "{\"type\":\"object\"}");
		on_tool(data, json_cstr(function, "name", ""),
		    json_cstr(function, "description", ""), (struct str){schema.p, schema.len});
		buf_finish(&schema);
	}
	json_decref(list);
}
