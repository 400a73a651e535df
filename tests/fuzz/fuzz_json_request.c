/* Bodies of the routes and frames of the WebSocket; what is read in place is what the parser reads.
 */
#include "protocol/requests.h"

#include <assert.h>

#include "base/mem.h"
#include "tests/fuzz/fuzz.h"

static void check_flat(const char *p, size_t n)
{
	struct json_member members[8];
	size_t count = json_flat(p, n, members, 8);
	json_t *object;

	if (!count)
		return;
	assert(json_parse(p, n, &object, NULL) == 0);
	assert(json_object_size(object) == count);
	for (size_t i = 0; i < count; i++) {
		char *key = mem_strndup(members[i].key.p, members[i].key.n);
		json_t *value = json_object_get(object, key);

		free(key);
		assert(json_is_string(value) && json_string_length(value) == members[i].value.n);
		assert(
		    memcmp(json_string_value(value), members[i].value.p, members[i].value.n) == 0);
	}
	json_decref(object);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct request_session session;
	struct request_cancel cancel;
	struct request_turn turn;
	struct problems p = {0};
	json_t *body = NULL;

	check_flat((const char *)data, size);
	if (json_parse((const char *)data, size, &body, NULL) != 0)
		return 0;
	request_session(body, &session, &p);
	request_turn(body, &turn, &p);
	request_cancel(body, &cancel, &p);
	problems_finish(&p);
	json_decref(body);
	return 0;
}
