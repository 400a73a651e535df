/* Arguments of tool calls against the schema of every tool. What passes has what is required. */
#include <assert.h>
#include <string.h>

#include "base/err.h"
#include "base/json.h"
#include "tests/fuzz/fuzz.h"
#include "tools/schema.h"
#include "tools/tool.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	json_t *args = NULL;

	if (json_parse((const char *)data, size, &args, NULL) != 0)
		return 0;
	for (size_t i = 0; tools[i]; i++) {
		struct err err = {0};
		int rc = schema_check(tools[i]->schema, args, &err);

		assert(rc == 0 ? json_is_object(args) : err.text[0] != '\0');
		if (rc == 0 && tools[i]->kind == TOOL_EDIT)
			assert(json_cstr(args, "path", "")[0]);
	}
	json_decref(args);
	return 0;
}
