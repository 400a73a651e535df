/* A .gitignore, below another, against a path; a glob against it. First line: the path, second:
 * the glob. */
#include <assert.h>
#include <string.h>

#include "base/buf.h"
#include "base/str.h"
#include "tests/fuzz/fuzz.h"
#include "tools/ignore.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str rest = {(const char *)data, size}, path, glob;
	struct buf name = {0}, pattern = {0};
	struct ignore *above, *ignore;

	rest = str_cut(rest, '\n', &path);
	rest = str_cut(rest, '\n', &glob);
	/* What the kernel and the schema let through; short, as fnmatch(3) is slow with many stars.
	 */
	if (!size || path.n > 300 || glob.n > 40 || rest.n > 2000 || memchr(path.p, '\0', path.n) ||
	    memchr(glob.p, '\0', glob.n))
		return 0;
	buf_add(&name, path.p, path.n);
	buf_add(&pattern, glob.p, glob.n);
	ignore_glob(buf_cstr(&pattern), buf_cstr(&name));
	above = ignore_new(NULL, "", rest.p, rest.n);
	ignore = ignore_new(above, "sub", glob.p, glob.n);
	ignore_has(ignore, buf_cstr(&name), false);
	ignore_has(above, buf_cstr(&name), true);
	assert(ignore_has(above, ".git", true));
	ignore_free(ignore);
	ignore_free(above);
	buf_finish(&name);
	buf_finish(&pattern);
	return 0;
}
