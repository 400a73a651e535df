/* The history of chat. */
#include "cli/history.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/json.h"
#include "base/paths.h"
#include "base/str.h"
#include "cli/edit.h"

static void read_file(const struct paths *paths, struct buf *out)
{
	struct buf path = {0};

	buf_addf(&path, "%s/history", paths->home);
	file_read(buf_cstr(&path), 2 * HISTORY_MAX_BYTES, out, NULL);
	buf_finish(&path);
}

void history_load(const struct paths *paths, struct edit *e)
{
	struct buf text = {0};
	struct str rest, line;

	read_file(paths, &text);
	rest = (struct str){text.p, text.len};
	while (rest.n) {
		json_t *entry = NULL;

		rest = str_cut(rest, '\n', &line);
		if (json_parse(line.p, line.n, &entry, NULL) == 0 && json_is_string(entry))
			edit_remember(e, json_string_value(entry), json_string_length(entry));
		json_decref(entry);
	}
	buf_finish(&text);
}

void history_add(const struct paths *paths, const char *p, size_t n)
{
	struct buf text = {0};

	read_file(paths, &text);
	json_put_str(&text, p, n);
	buf_addc(&text, '\n');
	if (text.len > HISTORY_MAX_BYTES) {
		const char *half = memchr(text.p + text.len / 2, '\n', text.len - text.len / 2);

		if (half)
			buf_consume(&text, (size_t)(half + 1 - text.p));
	}
	file_replace(paths->home, "history", text.p, text.len, 0600, NULL);
	buf_finish(&text);
}
