/* opta sessions list|show|export|delete|search|rename; import is in cmd_import.c */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"
#include "base/json.h"
#include "cli/client.h"
#include "cli/cmd.h"
#include "cli/table.h"
#include "cli/term.h"
#include "cli/transcript.h"
#include "cli/view.h"
#include "protocol/http.h"

enum {
	SESSIONS_LISTED = 20,	  /* when nobody says how many */
	SESSIONS_SLOW_MS = 60000, /* for large ones */
};

/* Whole ids: for scripts. On a terminal the beginning that tells them apart is enough. */
static int id_columns(void)
{
	return term_is_terminal(STDOUT_FILENO) ? 13 : 72;
}

/* "2026-11-26 04:20" of an ISO time. */
static void put_time(char *out, size_t size, const json_t *object, const char *key)
{
	snprintf(out, size, "%.16s", json_cstr(object, key, ""));
	if (strlen(out) > 10)
		out[10] = ' ';
}

/* The client, and the whole id of the session that was typed. EXIT_DONE, or it was said why not. */
static int open_session(struct client *c, const char *typed, char *ret_id)
{
	struct err err;
	char why[300];

	*c = (struct client){0};
	if (client_open(c, &err) != 0)
		return cmd_fail(&err);
	return client_find_session(c, typed, ret_id, why, sizeof why) == 0 ? EXIT_DONE
									   : cmd_error("%s", why);
}

/* The session with its messages. NULL: it was said why not. */
static json_t *read_session(const struct client *c, const char *id)
{
	struct buf target = {0};
	struct err err;
	json_t *root;

	buf_addf(&target, "/v3/sessions/%s", id);
	root = client_json(c, "GET", buf_cstr(&target), NULL, SESSIONS_SLOW_MS, NULL, &err);
	if (!root)
		cmd_fail(&err);
	buf_finish(&target);
	return root;
}

/* --- list --- */

static void print_list(const json_t *list)
{
	static const char *const heads[] = {"ID", "UPDATED", "TURNS", "STATUS", "TITLE"};
	struct table *t = table_new(5, heads);
	const json_t *one;
	char when[32];
	size_t i;

	json_array_foreach (list, i, one) {
		put_time(when, sizeof when, one, "updatedAt");
		table_add(t, "%.*s", id_columns(), json_cstr(one, "id", "?"));
		table_add(t, "%s", when);
		table_add(t, "%" PRId64, json_int(one, "turnCount", 0));
		table_add(t, "%s", json_cstr(one, "status", "?"));
		table_add(t, "%s", json_cstr(one, "title", ""));
	}
	table_print(t);
	table_free(t);
}

int cmd_sessions_list(const struct cmd_line *line)
{
	uint64_t limit = SESSIONS_LISTED;
	struct buf target = {0};
	struct client c = {0};
	struct err err;
	json_t *list;

	if (!cmd_number(line, "--limit", 1000000, &limit))
		return EXIT_USAGE;
	if (client_open(&c, &err) != 0)
		return cmd_fail(&err);
	/* One more tells whether there are more. */
	buf_addf(&target, "/v3/sessions?limit=%" PRIu64, limit ? limit + 1 : 0);
	list = client_json(&c, "GET", buf_cstr(&target), NULL, SESSIONS_SLOW_MS, NULL, &err);
	buf_finish(&target);
	if (!list)
		return cmd_fail(&err);
	if (limit && json_array_size(list) > limit) {
		json_array_remove(list, limit);
		term_note("the newest %" PRIu64 "; --limit 0 shows all", limit);
	}
	if (cmd_flag(line, "--json"))
		cmd_print_json(list);
	else if (json_array_size(list))
		print_list(list);
	else
		printf("there are no sessions yet; opta chat or opta do makes one\n");
	json_decref(list);
	return EXIT_DONE;
}

/* --- show --- */

int cmd_sessions_show(const struct cmd_line *line)
{
	struct view v = {.color = term_color(STDOUT_FILENO),
	    .width = term_is_terminal(STDOUT_FILENO) ? term_width(STDOUT_FILENO) : 0};
	struct buf out = {0};
	struct client c;
	json_t *session;
	char id[72], made[32], updated[32];

	if (open_session(&c, line->words[0], id) != EXIT_DONE || !(session = read_session(&c, id)))
		return EXIT_ERROR;
	if (cmd_flag(line, "--json")) {
		cmd_print_json(session);
		json_decref(session);
		return EXIT_DONE;
	}
	put_time(made, sizeof made, session, "createdAt");
	put_time(updated, sizeof updated, session, "updatedAt");
	term_line("%s", json_cstr(session, "title", ""));
	term_line("%s   %s%s%" PRId64 " turn%s   %s – %s", id, json_cstr(session, "model", ""),
	    json_cstr(session, "model", "")[0] ? "   " : "", json_int(session, "turnCount", 0),
	    json_int(session, "turnCount", 0) == 1 ? "" : "s", made, updated);
	putchar('\n');
	transcript_put_messages(&out, &v, session, cmd_flag(line, "--compact"), 0);
	term_write(&out);
	buf_finish(&out);
	json_decref(session);
	return EXIT_DONE;
}

/* --- export --- */

static bool ends_with(const char *text, const char *end)
{
	size_t n = strlen(text), m = strlen(end);

	return n >= m && strcmp(text + n - m, end) == 0;
}

/* Write to the file, which is not there yet, or to standard output. */
static int write_out(const char *name, const struct buf *text)
{
	int fd, rc;

	if (!name) {
		term_write(text);
		return EXIT_DONE;
	}
	fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return cmd_error("cannot make %s: %s", name, strerror(errno));
	rc = file_write_all(fd, text->p, text->len);
	close(fd);
	if (rc != 0)
		return cmd_error("cannot write %s: %s", name, strerror(-rc));
	term_line("written: %s", name);
	return EXIT_DONE;
}

int cmd_sessions_export(const struct cmd_line *line)
{
	const char *format = cmd_value(line, "--format"), *name = cmd_value(line, "--output");
	struct buf text = {0};
	struct client c;
	json_t *session;
	char id[72];
	int rc;

	if (!format)
		format = name && ends_with(name, ".md") ? "markdown" : "json";
	if (strcmp(format, "json") != 0 && strcmp(format, "markdown") != 0)
		return cmd_usage(
		    "sessions export", "--format is json or markdown, not \"%s\"", format);
	if (open_session(&c, line->words[0], id) != EXIT_DONE || !(session = read_session(&c, id)))
		return EXIT_ERROR;
	if (format[0] == 'm') {
		transcript_put_markdown(&text, session);
	} else {
		char *json;

		json_object_set_new(session, "export", json_string("opta-session@1"));
		json = json_dumps(session, JSON_INDENT(2));
		buf_adds(&text, json);
		buf_addc(&text, '\n');
		free(json);
	}
	rc = write_out(name, &text);
	buf_finish(&text);
	json_decref(session);
	return rc;
}

/* --- delete --- */

/* Ask on the terminal; anything but y is no. */
static bool confirm(const json_t *session)
{
	char answer[16];

	term_question("delete %s  %s  (%" PRId64 " messages)? [y/N]", json_cstr(session, "id", "?"),
	    json_cstr(session, "title", ""), json_int(session, "messageCount", 0));
	return fgets(answer, sizeof answer, stdin) && (answer[0] == 'y' || answer[0] == 'Y');
}

static int delete_one(const struct cmd_line *line, const char *typed)
{
	struct buf target = {0};
	struct client c;
	struct err err;
	json_t *root;
	char id[72];
	int rc;

	if (open_session(&c, typed, id) != EXIT_DONE)
		return EXIT_ERROR;
	if (!cmd_flag(line, "--yes")) {
		bool sure;

		if (!(root = read_session(&c, id)))
			return EXIT_ERROR;
		sure = confirm(root);
		json_decref(root);
		if (!sure) {
			printf("kept\n");
			return EXIT_DONE;
		}
	}
	buf_addf(&target, "/v3/sessions/%s", id);
	root = client_json(&c, "DELETE", buf_cstr(&target), NULL, SESSIONS_SLOW_MS, NULL, &err);
	buf_finish(&target);
	rc = root ? EXIT_DONE : cmd_fail(&err);
	if (root)
		term_line("deleted: %s", id);
	json_decref(root);
	return rc;
}

int cmd_sessions_delete(const struct cmd_line *line)
{
	int rc = EXIT_DONE;

	if (!cmd_flag(line, "--yes") && !term_is_terminal(STDIN_FILENO))
		return cmd_usage(
		    "sessions delete", "nobody can be asked here: --yes deletes without asking");
	for (size_t i = 0; i < line->count; i++)
		if (delete_one(line, line->words[i]) != EXIT_DONE)
			rc = EXIT_ERROR;
	return rc;
}

/* --- search --- */

static void put_flat(
    struct buf *out, const struct view *v, const char *style, const char *p, size_t n)
{
	struct buf flat = {0};

	term_put_flat(&flat, p, n);
	view_put_styled(out, v, style, flat.p, flat.len);
	buf_finish(&flat);
}

static void print_found(const json_t *results)
{
	struct view v = {.color = term_color(STDOUT_FILENO)};
	const json_t *one, *piece;
	struct buf out = {0};
	size_t i, k;

	json_array_foreach (results, i, one) {
		const json_t *snippet = json_object_get(one, "snippet");
		struct buf head = {0};

		buf_addf(&head, "%.*s  %s", id_columns(), json_cstr(one, "sessionId", "?"),
		    json_cstr(one, "title", ""));
		put_flat(&out, &v, "2", head.p, head.len);
		buf_adds(&out, "\n  ");
		put_flat(
		    &out, &v, "", json_cstr(one, "role", "?"), strlen(json_cstr(one, "role", "?")));
		buf_adds(&out, ": ");
		json_array_foreach (snippet, k, piece)
			put_flat(&out, &v, k % 2 ? "1;33" : "", json_string_value(piece),
			    json_string_length(piece));
		buf_addc(&out, '\n');
		buf_finish(&head);
	}
	term_write(&out);
	buf_finish(&out);
}

int cmd_sessions_search(const struct cmd_line *line)
{
	struct buf target = {0}, words = {0};
	uint64_t limit = SESSIONS_LISTED;
	struct client c = {0};
	const json_t *results;
	struct err err;
	json_t *root;
	int rc = EXIT_DONE;

	if (!cmd_number(line, "--limit", 200, &limit))
		return EXIT_USAGE;
	if (client_open(&c, &err) != 0)
		return cmd_fail(&err);
	cmd_join(line, &words);
	buf_addf(&target, "/v3/search?limit=%" PRIu64 "&q=", limit);
	http_query_put(&target, buf_cstr(&words));
	root = client_json(&c, "GET", buf_cstr(&target), NULL, SESSIONS_SLOW_MS, NULL, &err);
	results = json_object_get(root, "results");
	if (!root) {
		rc = cmd_fail(&err);
	} else if (cmd_flag(line, "--json")) {
		cmd_print_json(results);
	} else if (json_array_size(results)) {
		print_found(results);
	} else {
		printf("nothing found\n");
		rc = EXIT_ERROR;
	}
	json_decref(root);
	buf_finish(&target);
	buf_finish(&words);
	return rc;
}

/* --- rename --- */

int cmd_sessions_rename(const struct cmd_line *line)
{
	struct buf target = {0}, body = {0}, title = {0};
	struct cmd_line rest = *line;
	struct client c;
	struct err err;
	json_t *root;
	char id[72];

	if (open_session(&c, line->words[0], id) != EXIT_DONE)
		return EXIT_ERROR;
	rest.words++;
	rest.count--;
	cmd_join(&rest, &title);
	buf_addf(&target, "/v3/sessions/%s", id);
	buf_adds(&body, "{\"title\":");
	json_put_str(&body, title.p, title.len);
	buf_addc(&body, '}');
	root =
	    client_json(&c, "PATCH", buf_cstr(&target), buf_cstr(&body), CLIENT_ASK_MS, NULL, &err);
	buf_finish(&target);
	buf_finish(&body);
	buf_finish(&title);
	if (!root)
		return cmd_fail(&err);
	term_line("%s  %s", id, json_cstr(root, "title", ""));
	json_decref(root);
	return EXIT_DONE;
}
