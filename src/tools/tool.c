/* The table of tools. */
#include "tools/tool.h"

#include <stdarg.h>
#include <string.h>

#include "base/json.h"
#include "base/str.h"
#include "base/utf8.h"

const struct tool *const tools[] = {
    &tool_read_file,
    &tool_list_dir,
    &tool_find_files,
    &tool_search_files,
    &tool_write_file,
    &tool_edit_file,
    &tool_multi_edit,
    &tool_delete_file,
    &tool_run_command,
    &tool_bg_start,
    &tool_bg_status,
    &tool_bg_output,
    &tool_bg_kill,
    &tool_ask_user,
    NULL,
};

const struct tool *tool_find(const char *name)
{
	for (size_t i = 0; tools[i]; i++)
		if (strcmp(tools[i]->name, name) == 0)
			return tools[i];
	return NULL;
}

void tool_put_all(struct buf *out, bool (*want)(void *data, const struct tool *tool), void *data)
{
	bool first = true;

	buf_addc(out, '[');
	for (size_t i = 0; tools[i]; i++) {
		const struct tool *t = tools[i];

		if (!want(data, t))
			continue;
		buf_addf(out,
		    "%s{\"type\":\"function\",\"function\":{\"name\":\"%s\",\"description\":",
		    first ? "" : ",", t->name);
		json_put_cstr(out, t->description);
		buf_addf(out, ",\"parameters\":%s}}", t->schema);
		first = false;
	}
	buf_addc(out, ']');
}

void tool_fail(struct tool_call *call, const char *fmt, ...)
{
	char text[1200];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	call->ok = false;
	buf_clear(&call->text);
	tool_put_text(call, text, strlen(text));
}

bool tool_put_text(struct tool_call *call, const char *p, size_t n)
{
	while (n) {
		size_t whole = str_utf8_valid(p, n),
		       room = call->text.len < TOOL_MAX_TEXT ? TOOL_MAX_TEXT - call->text.len : 0;

		if (whole > room)
			whole = str_utf8_valid(p, room);
		buf_add(&call->text, p, whole);
		p += whole;
		n -= whole;
		if (!n)
			break;
		/* What stands here is no text, or there is no room for it. */
		if (room - whole < sizeof UTF8_REPLACEMENT - 1 || str_utf8_valid(p, n)) {
			call->truncated = true;
			return false;
		}
		buf_adds(&call->text, UTF8_REPLACEMENT);
		p++;
		n--;
	}
	return true;
}
