/* A path made plain, and two texts as a diff, as the first lines and the two halves of the rest: a
 * plain path stays as it is, and a diff's lines say what it takes to come from one to the other. */
#include <assert.h>
#include <string.h>

#include "base/buf.h"
#include "base/str.h"
#include "tests/fuzz/fuzz.h"
#include "tools/diff.h"
#include "tools/workspace.h"

static void take_path(const char *path)
{
	struct buf plain = {0}, again = {0}, full = {0};
	bool inside = workspace_plain("/w/s", path, &plain);

	buf_addf(&full, "%s%s", inside ? "/w/s/" : "", buf_cstr(&plain));
	assert(workspace_plain("/w/s", buf_cstr(&full), &again) == inside);
	assert(strcmp(buf_cstr(&plain), buf_cstr(&again)) == 0);
	assert(!strstr(buf_cstr(&plain), "//") && !strstr(buf_cstr(&plain), "/../"));
	assert(inside ? plain.p[0] != '/' : plain.p[0] == '/');
	assert(strncmp(buf_cstr(&plain), "../", 3) != 0 && strcmp(buf_cstr(&plain), "..") != 0);
	buf_finish(&plain);
	buf_finish(&again);
	buf_finish(&full);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str rest = {(const char *)data, size}, path;
	struct buf name = {0}, a = {0}, b = {0}, out = {0};

	rest = str_cut(rest, '\n', &path);
	/* NULL is no place in a text. */
	if (!rest.n)
		return 0;
	if (memchr(path.p, '\0', path.n))
		return 0;
	buf_add(&name, path.p, path.n);
	take_path(buf_cstr(&name));
	buf_add(&a, rest.p, rest.n / 2);
	buf_add(&b, rest.p + rest.n / 2, rest.n - rest.n / 2);
	diff_put(&out, buf_cstr(&name), &a, &b, 1000);
	diff_put(&out, "f", NULL, &b, SIZE_MAX);
	/* The same text has no hunks. */
	buf_clear(&out);
	diff_put(&out, "f", &a, &a, SIZE_MAX);
	assert(strcmp(buf_cstr(&out), "--- f\n+++ f\n") == 0);
	buf_finish(&name);
	buf_finish(&a);
	buf_finish(&b);
	buf_finish(&out);
	return 0;
}
