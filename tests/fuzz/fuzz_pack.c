/* Packed segments as they lie in the database, which may be damaged; and frames to be packed. */
#include <stdlib.h>
#include <zstd.h>

#include "base/buf.h"
#include "store/pack.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf out = {0}, packed = {0};
	size_t room = ZSTD_compressBound(size), n;
	uint64_t last;

	if (!size)
		return 0;
	last = data[0];
	pack_open(1, last, (const char *)data, size, &out);
	/* No fuzzer guesses a checksum: the columns behind it are reached with one of ours. */
	n = ZSTD_compress(buf_reserve(&packed, room), room, data + 1, size - 1, 1);
	buf_clear(&out);
	if (pack_open(1, last, packed.p, n, &out)) {
		buf_clear(&packed);
		pack_frames(1, last, out.p, out.len, &packed);
	}
	buf_clear(&packed);
	pack_frames(1, last, (const char *)data + 1, size - 1, &packed);
	buf_finish(&out);
	buf_finish(&packed);
	return 0;
}
