/* WebSocket frames as a server or client gets them: the first byte says which, and in what pieces.
 */
#include "base/buf.h"
#include "protocol/ws.h"
#include "tests/fuzz/fuzz.h"

static void on_message(void *data, const char *p, size_t n)
{
	size_t *sum = data;

	for (size_t i = 0; i < n; i++)
		*sum += (unsigned char)p[i];
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf out = {0};
	size_t sum = 0, step;
	struct ws *ws;

	if (size < 2)
		return 0;
	step = 1 + (data[0] & 0x7F);
	ws = ws_new(data[0] < 0x80, 65536, on_message, &sum);
	for (size_t at = 1; at < size; at += step)
		if (ws_feed(ws, (const char *)data + at, size - at < step ? size - at : step,
			&out) != 0)
			break;
	ws_free(ws);
	buf_finish(&out);
	return 0;
}
