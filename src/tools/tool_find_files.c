/* find_files: names that fit a glob. */
#include "base/json.h"
#include "tools/ignore.h"
#include "tools/tool.h"
#include "tools/walk.h"

enum { FIND_MAX_FOUND = 1000 };

struct finder {
	struct tool_call *call;
	const char *pattern;
	size_t base; /* bytes of path before what the pattern is held against */
	size_t found;
};

static bool on_file(void *data, int dir, const char *name, const char *path)
{
	struct finder *f = data;

	if (!ignore_glob(f->pattern, path + f->base))
		return true;
	if (f->found++ >= FIND_MAX_FOUND) {
		f->call->truncated = true;
		return false;
	}
	buf_addf(&f->call->text, "%s\n", path);
	return f->call->text.len < TOOL_MAX_TEXT;
}

static void run(struct tool_call *call)
{
	struct finder f = {.call = call, .pattern = json_cstr(call->args, "pattern", "*")};
	const char *path = json_cstr(call->args, "path", ".");
	struct buf raw = {0};
	bool cut;

	if (!walk(call, path,
		&(struct walk_opts){.all = json_is_true(json_object_get(call->args, "all")),
		    .on_file = on_file,
		    .data = &f},
		&cut))
		return;
	call->ok = true;
	/* Names are bytes; what the model gets is text. */
	raw = call->text;
	call->text = (struct buf){0};
	tool_put_text(call, raw.p, raw.len);
	buf_finish(&raw);
	if (!f.found)
		buf_addf(&call->text, "no file fits %s\n", f.pattern);
	if (cut || f.found > FIND_MAX_FOUND) {
		call->truncated = true;
		buf_adds(&call->text, "[there are more: narrow the pattern or the path]\n");
	}
}

const struct tool tool_find_files = {
    .name = "find_files",
    .kind = TOOL_READ,
    .description = "Find files by name. The pattern is a glob: *.c fits in any directory, "
		   "src/**/*.c below src. "
		   "Files that .gitignore names are left out unless all is set.",
    .schema = "{\"type\":\"object\",\"properties\":{"
	      "\"pattern\":{\"type\":\"string\",\"minLength\":1,\"maxLength\":1000},"
	      "\"path\":{\"type\":\"string\",\"minLength\":1,\"maxLength\":4000,"
	      "\"description\":\"where to look; . when not given\"},"
	      "\"all\":{\"type\":\"boolean\",\"description\":\"ignored files too\"}},"
	      "\"required\":[\"pattern\"],\"additionalProperties\":false}",
    .path_arg = "path",
    .run = run,
};
