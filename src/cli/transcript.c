/* A session as text. */
#include "cli/transcript.h"

#include <inttypes.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/str.h"
#include "cli/markdown.h"
#include "cli/term.h"
#include "cli/view.h"

enum { TRANSCRIPT_COMPACT = 160 }; /* bytes of a message when only a glance is wanted */

void transcript_put_content(struct buf *out, const json_t *message)
{
	const json_t *content = json_object_get(message, "content"), *part;
	size_t i;

	if (json_is_string(content)) {
		buf_add(out, json_string_value(content), json_string_length(content));
		return;
	}
	json_array_foreach (content, i, part) {
		struct str text = json_str(part, "text");

		buf_add(out, text.p, text.n);
	}
}

static const char *name_of(const char *role)
{
	if (strcmp(role, "user") == 0)
		return "You";
	if (strcmp(role, "assistant") == 0)
		return "Assistant";
	return strcmp(role, "tool") == 0 ? "Tool" : "System";
}

/* A fence that is longer than any in the text. */
static void put_fenced(struct buf *out, const char *p, size_t n)
{
	size_t longest = 2, run = 0;

	for (size_t i = 0; i < n; i++) {
		run = p[i] == '`' ? run + 1 : 0;
		if (run > longest)
			longest = run;
	}
	for (size_t i = 0; i <= longest; i++)
		buf_addc(out, '`');
	buf_addc(out, '\n');
	buf_add(out, p, n);
	if (n && p[n - 1] != '\n')
		buf_addc(out, '\n');
	for (size_t i = 0; i <= longest; i++)
		buf_addc(out, '`');
	buf_adds(out, "\n\n");
}

void transcript_put_markdown(struct buf *out, const json_t *session)
{
	const json_t *messages = json_object_get(session, "messages"), *message, *call;
	size_t i, k;

	buf_addf(out, "# %s\n\n", json_cstr(session, "title", "Untitled"));
	buf_addf(out, "- session: `%s`\n- model: %s\n- made: %s\n- messages: %" PRId64 "\n\n",
	    json_cstr(session, "id", "?"),
	    json_cstr(session, "model", "")[0] ? json_cstr(session, "model", "")
					       : "the server's own",
	    json_cstr(session, "createdAt", "?"), json_int(session, "messageCount", 0));
	json_array_foreach (messages, i, message) {
		const char *role = json_cstr(message, "role", "user");
		struct buf content = {0};

		transcript_put_content(&content, message);
		if (strcmp(role, "tool") == 0) {
			put_fenced(out, content.p, content.len);
		} else {
			buf_addf(out, "## %s\n\n", name_of(role));
			buf_add(out, content.p, content.len);
			buf_adds(out, content.len ? "\n\n" : "");
		}
		json_array_foreach (json_object_get(message, "tool_calls"), k, call) {
			const json_t *function = json_object_get(call, "function");

			buf_addf(out, "**%s** `%s`\n\n", json_cstr(function, "name", "?"),
			    json_cstr(function, "arguments", ""));
		}
		buf_finish(&content);
	}
}

static void put_one(struct buf *out, const struct view *v, const json_t *message, bool compact)
{
	const char *role = json_cstr(message, "role", "user");
	const json_t *call;
	struct buf content = {0}, safe = {0};
	size_t k, n;

	transcript_put_content(&content, message);
	n = content.len;
	if (compact && n > TRANSCRIPT_COMPACT)
		n = str_utf8_valid(content.p, TRANSCRIPT_COMPACT);
	if (strcmp(role, "assistant") == 0 && !compact) {
		markdown_render(out, content.p, n, v->width ? v->width : 80, v->color);
	} else if (n) {
		bool user = strcmp(role, "user") == 0;

		if (compact)
			term_put_flat(&safe, content.p, n);
		else
			term_put_harmless(&safe, content.p, n);
		view_put_styled(out, v, user ? "1;34" : "2", user ? "> " : "  ", 2);
		view_put_styled(out, v, user ? "1" : "2", safe.p, safe.len);
		buf_adds(out, n < content.len ? "…\n" : "\n");
	}
	json_array_foreach (json_object_get(message, "tool_calls"), k, call) {
		const json_t *function = json_object_get(call, "function");

		view_put_styled(out, v, "32", "● ", strlen("● "));
		view_put_call(out, v, json_cstr(function, "name", "?"),
		    json_cstr(function, "arguments", "{}"));
		buf_addc(out, '\n');
	}
	buf_finish(&content);
	buf_finish(&safe);
}

void transcript_put_messages(
    struct buf *out, const struct view *v, const json_t *session, bool compact, size_t last)
{
	const json_t *messages = json_object_get(session, "messages"), *message;
	size_t count = json_array_size(messages), i;

	json_array_foreach (messages, i, message) {
		if (last && i + last < count)
			continue;
		put_one(out, v, message, compact);
		if (!compact)
			buf_addc(out, '\n');
	}
}
