/* Bytes that should be text. */
#include "base/utf8.h"

#include "base/buf.h"
#include "base/str.h"

size_t utf8_repair(struct buf *out, const char *p, size_t n, bool more)
{
	while (n) {
		size_t whole = str_utf8_valid(p, n);

		buf_add(out, p, whole);
		p += whole;
		n -= whole;
		if (!n || (more && str_utf8_partial(p, n)))
			break;
		buf_adds(out, UTF8_REPLACEMENT);
		p++;
		n--;
	}
	return n;
}
