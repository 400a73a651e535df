/* Frames as they lie in the log, which may be damaged. */
#include "protocol/envelope.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *p = (const char *)data;
	struct envelope_view view;
	struct str json;
	size_t frame;

	while (size && (frame = envelope_frame(p, size, &json))) {
		envelope_view(json, &view);
		p += frame;
		size -= frame;
	}
	envelope_view((struct str){(const char *)data, size}, &view);
	return 0;
}
