/* Random bytes and names. */
#include "base/ids.h"

#include <assert.h>
#include <errno.h>
#include <sys/random.h>

void ids_random(void *p, size_t n)
{
	unsigned char *at = p;

	while (n) {
		size_t ask = n < 256 ? n : 256;

		if (getentropy(at, ask) != 0) {
			fprintf(stderr, "opta: no random numbers from the kernel: %s\n",
			    strerror(errno));
			abort();
		}
		at += ask;
		n -= ask;
	}
}

void ids_make(const char *prefix, size_t bytes, char *ret_id, size_t size)
{
	static const char hex[] = "0123456789abcdef";
	unsigned char raw[32];
	size_t n = strlen(prefix);

	assert(bytes <= sizeof raw && n + bytes * 2 + 1 <= size);
	memcpy(ret_id, prefix, n);
	ids_random(raw, bytes);
	for (size_t i = 0; i < bytes; i++) {
		ret_id[n++] = hex[raw[i] >> 4];
		ret_id[n++] = hex[raw[i] & 15];
	}
	ret_id[n] = '\0';
}
