/* Lines of the log, which hold what came from outside; and times as a person types them. */
#include <assert.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "cli/logline.h"
#include "tests/fuzz/fuzz.h"

/* Each line of JSON is one document and nothing else. */
static void check_json(const char *p, size_t n)
{
	struct logline_opts o = {.level = LOG_DEBUG, .json = true};
	struct buf out = {0};
	json_t *root;

	assert(logline_put(&out, &o, p, n));
	assert(memchr(out.p, '\n', out.len) == out.p + out.len - 1);
	root = json_loadb(out.p, out.len - 1, JSON_ALLOW_NUL, NULL);
	assert(root);
	json_decref(root);
	buf_finish(&out);
}

/* No control character reaches a terminal, but the ends of lines, tabs and our own colours. */
static void check_text(const char *p, size_t n)
{
	struct logline_opts o = {.level = LOG_DEBUG};
	struct buf out = {0};

	logline_put(&out, &o, p, n);
	for (size_t i = 0; i < out.len; i++)
		assert((unsigned char)out.p[i] >= ' ' || out.p[i] == '\n' || out.p[i] == '\t');
	buf_clear(&out);
	o.color = true;
	logline_put(&out, &o, p, n);
	o.level = LOG_ERROR;
	logline_put(&out, &o, p, n);
	buf_finish(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str rest = {(const char *)data, size}, line;
	char *text = mem_strndup(size ? (const char *)data : "", size);
	int time, since;

	if (logline_parse_since(text, 12 * 3600, &since)) {
		assert(since >= 0 && since < 86400);
		logline_is_since(12 * 3600, since, 12 * 3600);
	}
	free(text);
	while (rest.n) {
		rest = str_cut(rest, '\n', &line);
		time = logline_time(line.p, line.n);
		assert(time >= -1);
		if (line.n) {
			check_json(line.p, line.n);
			check_text(line.p, line.n);
		}
	}
	return 0;
}
