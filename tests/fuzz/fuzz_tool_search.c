/* A search: first line the expression (a "!" before it: capitals do not matter), second a glob,
 * then a text. What is found is lines of the text. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/str.h"
#include "tests/fuzz/fuzz.h"
#include "tools/ignore.h"
#include "tools/search.h"
#include "tools/tool.h"

/* A 0-terminated copy. */
static char *copy_of(struct str text)
{
	struct buf b = {0};

	buf_add(&b, text.p, text.n);
	buf_addc(&b, '\0');
	return buf_steal(&b);
}

static size_t lines_of(const struct buf *b)
{
	size_t n = 0;

	for (size_t i = 0; i < b->len; i++)
		n += b->p[i] == '\n';
	return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str rest = {(const char *)data, size}, pattern, glob;
	struct tool_call call = {0};
	struct search s;
	struct buf content = {0};
	bool any_case;
	size_t stars = 0;
	char *text, *name;

	rest = str_cut(rest, '\n', &pattern);
	rest = str_cut(rest, '\n', &glob);
	/* Arguments are JSON texts: UTF-8 without NULs, and the schema bounds them. Many stars take
	   fnmatch(3) long; the call's time ends that. */
	for (size_t i = 0; i < glob.n; i++)
		stars += glob.p[i] == '*';
	if (!pattern.n || pattern.n > 2000 || glob.n > 1000 || stars > 6 || rest.n > 20000 ||
	    memchr(pattern.p, '\0', pattern.n) || (glob.n && memchr(glob.p, '\0', glob.n)) ||
	    str_utf8_valid(pattern.p, pattern.n) != pattern.n)
		return 0;
	any_case = pattern.p[0] == '!';
	text = copy_of(any_case ? (struct str){pattern.p + 1, pattern.n - 1} : pattern);
	name = copy_of(glob);
	ignore_glob(name, "a/b/c.txt");
	ignore_glob("src/**/*.c", name);
	if (search_init(&s, &call, text, any_case)) {
		buf_add(&content, rest.p, rest.n);
		search_content(&s, "a/b", &content);
		search_content(&s, "c", &content);
		assert(s.found <= 2 * SEARCH_MAX_FOUND + 2);
		assert(lines_of(&call.text) <= s.found);
		search_finish(&s);
	} else {
		assert(!call.ok && call.text.len);
	}
	assert(call.text.len <= TOOL_MAX_TEXT);
	assert(str_utf8_valid(call.text.p, call.text.len) == call.text.len);
	buf_finish(&call.text);
	buf_finish(&content);
	free(text);
	free(name);
	return 0;
}
