/*
 * opta sessions import: a session made of an export. Whoever wrote the file may be a stranger, so
 * what is in it is text to be read: words, a title, an id. What would act (a directory for tools, a
 * model server, instructions to the model) is left out, or shown and asked for.
 */
#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"
#include "base/json.h"
#include "cli/client.h"
#include "cli/cmd.h"
#include "cli/term.h"
#include "protocol/requests.h"

enum {
	IMPORT_MAX = 10 * 1024 * 1024, /* bytes: what the daemon takes in one body */
	IMPORT_SLOW_MS = 60000,	       /* for large ones */
	IMPORT_MAX_QUESTION = 6000,    /* bytes: a path of 4000 and the words around it */
};

/* What the daemon acts on in a session's metadata, and how it is asked for. */
static const struct acting {
	const char *name, *option, *what;
} acting[] = {
    {"workspace", "--keep-workspace", "lets its tools work in the directory"},
    {"device", "--keep-device", "sends all that is said to the model server"},
};

/* An export, from a file or, named "-", from standard input. NULL: it was said why not. */
static json_t *read_export(const char *name)
{
	struct buf text = {0};
	struct err err;
	json_t *root = NULL;
	bool read = true;

	if (strcmp(name, "-") == 0)
		read = cmd_read_stdin(&text, IMPORT_MAX) == EXIT_DONE;
	else if (file_read(name, IMPORT_MAX, &text, &err) != 0)
		read = cmd_fail(&err) == EXIT_DONE;
	if (!read) {
		buf_finish(&text);
		return NULL;
	}
	if (json_parse(text.p, text.len, &root, NULL) != 0 ||
	    !json_is_array(json_object_get(root, "messages"))) {
		cmd_error("%s is not an export of a session: expected what `opta sessions export` "
			  "wrote with --format json",
		    name);
		json_decref(root);
		root = NULL;
	}
	buf_finish(&text);
	return root;
}

/* Is the id free? Then the import keeps it. */
static bool import_id_is_free(const struct client *c, const char *id)
{
	struct buf target = {0};
	json_t *root;
	int status;

	if (!request_id_ok(str_of(id)))
		return false;
	buf_addf(&target, "/v3/sessions/%s", id);
	root = client_json(c, "GET", buf_cstr(&target), NULL, CLIENT_ASK_MS, &status, NULL);
	json_decref(root);
	buf_finish(&target);
	return status == 404;
}

static void copy_field(json_t *to, const json_t *from, const char *name)
{
	json_t *value = json_object_get(from, name);

	if (value)
		json_object_set(to, name, value);
}

/* What was said, called and answered. Who speaks as the system is the person whose machine this is:
 * such messages are left out. */
static json_t *import_messages(const json_t *export)
{
	static const char *const fields[] = {
	    "role", "content", "tool_calls", "tool_call_id", "name"};
	json_t *taken = json_array(), *copy;
	const json_t *one;
	size_t i, left_out = 0;

	json_array_foreach (json_object_get(export, "messages"), i, one) {
		const char *role = json_cstr(one, "role", "");

		if (strcmp(role, "user") != 0 && strcmp(role, "assistant") != 0 &&
		    strcmp(role, "tool") != 0) {
			left_out++;
			continue;
		}
		copy = json_object();
		for (size_t k = 0; k < sizeof fields / sizeof fields[0]; k++)
			copy_field(copy, one, fields[k]);
		json_array_append_new(taken, copy);
	}
	if (left_out)
		term_note(
		    "%zu message%s of the system (or of nobody known) left out: what your model "
		    "is told beforehand comes from your settings alone",
		    left_out, left_out == 1 ? " is" : "s are");
	return taken;
}

/* May the session have what the file names? An option or the person at the terminal says so. */
static bool may_act(const struct cmd_line *line, const struct acting *a, const char *value)
{
	char question[IMPORT_MAX_QUESTION];

	if (cmd_flag(line, a->option))
		return true;
	snprintf(question, sizeof question,
	    "The file wants a session that %s %.4000s. Is that what you want?", a->what, value);
	if (cmd_confirm(question))
		return true;
	term_note("its %s %s is left out (%s keeps it)", a->name, value, a->option);
	return false;
}

/* The metadata of the file without what acts, unless that was agreed to. */
static json_t *import_metadata(const struct cmd_line *line, const json_t *export)
{
	json_t *metadata = json_deep_copy(json_object_get(export, "metadata"));

	if (!json_is_object(metadata)) {
		json_decref(metadata);
		return json_object();
	}
	for (size_t i = 0; i < sizeof acting / sizeof acting[0]; i++) {
		const char *value = json_cstr(metadata, acting[i].name, NULL);

		if (!value || !value[0] || !may_act(line, &acting[i], value))
			json_object_del(metadata, acting[i].name);
	}
	return metadata;
}

/* The body of the request that makes the session. */
static json_t *make_body(const struct cmd_line *line, const struct client *c, const json_t *export)
{
	const char *id = json_cstr(export, "id", NULL);
	json_t *body = json_object();

	copy_field(body, export, "title");
	copy_field(body, export, "model");
	json_object_set_new(body, "messages", import_messages(export));
	json_object_set_new(body, "metadata", import_metadata(line, export));
	if (id && import_id_is_free(c, id))
		json_object_set_new(body, "sessionId", json_string(id));
	return body;
}

int cmd_sessions_import(const struct cmd_line *line)
{
	json_t *export = read_export(line->words[0]), *body, *made;
	struct client c = {0};
	struct err err;
	char *text;

	if (!export)
		return EXIT_ERROR;
	if (client_open(&c, &err) != 0) {
		json_decref(export);
		return cmd_fail(&err);
	}
	body = make_body(line, &c, export);
	text = json_dumps(body, JSON_COMPACT);
	made = client_json(&c, "POST", "/v3/sessions", text, IMPORT_SLOW_MS, NULL, &err);
	free(text);
	json_decref(body);
	json_decref(export);
	if (!made)
		return cmd_fail(&err);
	term_line("imported: %s", json_cstr(made, "id", "?"));
	json_decref(made);
	return EXIT_DONE;
}
