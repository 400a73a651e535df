/* Bodies of the routes and frames of the WebSocket. */
#include "protocol/requests.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct request_session session;
	struct request_cancel cancel;
	struct request_turn turn;
	struct problems p = {0};
	json_t *body = NULL;

	if (json_parse((const char *)data, size, &body, NULL) != 0)
		return 0;
	request_session(body, &session, &p);
	request_turn(body, &turn, &p);
	request_cancel(body, &cancel, &p);
	problems_finish(&p);
	json_decref(body);
	return 0;
}
