/* state.json as the command line reads it. */
#include "cli/client.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct client c = {0};

	client_parse_state(&c, (const char *)data, size);
	return 0;
}
