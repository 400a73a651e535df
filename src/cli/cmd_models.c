/* opta models list|use|info */
#include <inttypes.h>

#include "base/err.h"
#include "base/json.h"
#include "base/str.h"
#include "cli/client.h"
#include "cli/cmd.h"
#include "cli/settings.h"
#include "cli/table.h"
#include "cli/term.h"

/* GET /v3/models (json_decref). NULL: it was said why not. */
static json_t *read_models(void)
{
	struct client c = {0};
	struct err err;
	json_t *root;

	if (client_open(&c, &err) != 0) {
		cmd_fail(&err);
		return NULL;
	}
	root = client_json(&c, "GET", "/v3/models", NULL, CLIENT_ASK_MS, NULL, &err);
	if (!root)
		cmd_error("the model server does not answer: %s", err.text);
	return root;
}

static const char *loaded_word(const json_t *model)
{
	const json_t *loaded = json_object_get(model, "loaded");

	return !loaded ? "" : json_is_true(loaded) ? "loaded" : "not loaded";
}

static void put_tokens(char *out, size_t size, const json_t *model)
{
	int64_t n = json_int(model, "contextTokens", 0);

	if (n)
		snprintf(out, size, "%" PRId64, n);
	else
		out[0] = '\0';
}

/* Servers that did not answer, when others did. */
static void say_silent(const json_t *root)
{
	const json_t *one;
	size_t i;

	json_array_foreach (json_object_get(root, "servers"), i, one) {
		const char *error = json_cstr(one, "error", NULL);

		if (error)
			term_note("%s does not answer: %s", json_cstr(one, "name", "?"), error);
	}
}

int cmd_models_list(const struct cmd_line *line)
{
	static const char *const heads[] = {"", "MODEL", "STATE", "CONTEXT"};
	const json_t *list, *one;
	json_t *root = read_models();
	const char *chosen = json_cstr(root, "default", "");
	struct table *t;
	char tokens[32];
	size_t i;

	if (!root)
		return EXIT_ERROR;
	list = json_object_get(root, "models");
	say_silent(root);
	t = table_new(4, heads);
	json_array_foreach (list, i, one) {
		put_tokens(tokens, sizeof tokens, one);
		table_add(t, "%s", strcmp(json_cstr(one, "id", ""), chosen) == 0 ? "*" : "");
		table_add(t, "%s", json_cstr(one, "id", "?"));
		table_add(t, "%s", loaded_word(one));
		table_add(t, "%s", tokens);
	}
	if (cmd_flag(line, "--json"))
		cmd_print_json(root);
	else if (json_array_size(list))
		table_print(t);
	else
		term_line("%s names no models", json_cstr(root, "host", "the model server"));
	table_free(t);
	json_decref(root);
	return EXIT_DONE;
}

/* The model of that name, or NULL and the nearest name there is (NULL: none is near). */
static const json_t *find(const json_t *list, const char *name, const char **ret_near)
{
	const json_t *one;
	size_t i, best = 5;

	*ret_near = NULL;
	json_array_foreach (list, i, one) {
		const char *id = json_cstr(one, "id", "");
		size_t d = str_distance(id, name);

		if (strcmp(id, name) == 0)
			return one;
		if (d < best || (!*ret_near && strstr(id, name))) {
			best = d < best ? d : best;
			*ret_near = id;
		}
	}
	return NULL;
}

static int no_model(const json_t *root, const char *name, const char *near)
{
	return cmd_error("%s has no model \"%s\"%s%s%s; `opta models` lists what it has",
	    json_cstr(root, "host", "the model server"), name, near ? ": did you mean " : "",
	    near ? near : "", near ? "?" : "");
}

int cmd_models_use(const struct cmd_line *line)
{
	const char *name = line->words[0], *near;
	json_t *root = read_models();
	int rc = EXIT_ERROR;

	if (!root)
		return rc;
	if (!find(json_object_get(root, "models"), name, &near))
		rc = no_model(root, name, near);
	else if ((rc = settings_change("model.default", name)) == EXIT_DONE)
		term_line("new sessions use %s", name);
	json_decref(root);
	return rc;
}

int cmd_models_info(const struct cmd_line *line)
{
	const char *name = line->words[0], *near;
	json_t *root = read_models();
	const json_t *one = find(json_object_get(root, "models"), name, &near);
	char tokens[32];
	int rc = EXIT_DONE;

	if (!root)
		return EXIT_ERROR;
	if (!one) {
		rc = no_model(root, name, near);
	} else {
		put_tokens(tokens, sizeof tokens, one);
		term_line("model    %s%s", name,
		    strcmp(json_cstr(root, "default", ""), name) == 0 ? "  (model.default)" : "");
		term_line("server   %s", json_cstr(root, "host", "?"));
		term_line("state    %s",
		    loaded_word(one)[0] ? loaded_word(one) : "the server does not say");
		term_line("context  %s%s", tokens[0] ? tokens : "the server does not say",
		    tokens[0] ? " tokens" : "");
	}
	json_decref(root);
	return rc;
}
