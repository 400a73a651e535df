/* opta servers add|list|test|remove: model servers with names. */
#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/config.h"
#include "base/err.h"
#include "base/json.h"
#include "base/paths.h"
#include "cli/client.h"
#include "cli/cmd.h"
#include "cli/settings.h"
#include "cli/table.h"
#include "cli/term.h"

enum {
	SERVERS_TEST_MS = 10 * 60 * 1000, /* a model may have to be loaded first */
	SERVERS_MAX_KEY = CONFIG_MAX_SERVER_NAME + 32,
};

/* Set servers.NAME.FIELD. 0, or it was said why not. */
static int servers_set(struct config *c, const char *name, const char *field, const char *value)
{
	char key[SERVERS_MAX_KEY];
	struct err err;

	config_server_key(name, field, key, sizeof key);
	return config_set(c, key, value, &err) == 0 ? 0 : cmd_fail(&err);
}

static const char *servers_get(const struct config *c, const char *name, const char *field)
{
	char key[SERVERS_MAX_KEY];

	config_server_key(name, field, key, sizeof key);
	return config_text(c, key);
}

static bool is_there(const struct config *c, const char *name)
{
	return config_server_name_ok(name) && servers_get(c, name, "url")[0];
}

static int no_server(const char *name)
{
	return cmd_error("there is no model server \"%s\"; `opta servers list` names them", name);
}

/* --- add --- */

/* A key is read once, from the environment, so that it stands in no command line. */
static int take_key(struct config *c, const char *name, const char *variable)
{
	const char *key = getenv(variable);

	if (!key || !key[0])
		return cmd_error("the environment has no variable %s, or it is empty", variable);
	return servers_set(c, name, "apiKey", key);
}

static int servers_add(struct config *c, const struct cmd_line *line)
{
	const char *name = line->words[0], *dialect = cmd_value(line, "--dialect"),
		   *command = cmd_value(line, "--key-command"),
		   *variable = cmd_value(line, "--key-env");
	int rc;

	if (!config_server_name_ok(name))
		return cmd_error(
		    "\"%s\" cannot be a server's name: up to %d letters, digits, - and "
		    "_, and not default, which is that of connection.host",
		    name, CONFIG_MAX_SERVER_NAME);
	if (is_there(c, name))
		return cmd_error("there is a model server \"%s\" already; `opta servers remove %s` "
				 "takes it away",
		    name, name);
	if (command && variable)
		return cmd_usage("servers add", "its key comes from one place");
	rc = servers_set(c, name, "url", line->words[1]);
	if (rc == 0 && dialect)
		rc = servers_set(c, name, "dialect", dialect);
	if (rc == 0 && command)
		rc = servers_set(c, name, "keyCommand", command);
	if (rc == 0 && variable)
		rc = take_key(c, name, variable);
	return rc;
}

int cmd_servers_add(const struct cmd_line *line)
{
	struct config *c = NULL;
	struct paths paths;
	int rc = settings_load(&paths, &c);

	if (rc == EXIT_DONE)
		rc = servers_add(c, line);
	if (rc == EXIT_DONE)
		rc = settings_save(&paths, c);
	if (rc == EXIT_DONE)
		term_line(
		    "%s is a model server now: `opta servers test %s` tries it, and its models "
		    "are %s/NAME",
		    line->words[0], line->words[0], line->words[0]);
	config_free(c);
	return rc;
}

/* --- remove --- */

int cmd_servers_remove(const struct cmd_line *line)
{
	static const char *const fields[] = {
	    "url", "dialect", "apiKey", "keyCommand", "keyOverHttp"};
	const char *name = line->words[0];
	struct config *c = NULL;
	struct paths paths;
	int rc = settings_load(&paths, &c);

	if (rc == EXIT_DONE && !is_there(c, name))
		rc = no_server(name);
	for (size_t i = 0; rc == EXIT_DONE && i < sizeof fields / sizeof fields[0]; i++) {
		char key[SERVERS_MAX_KEY];

		config_server_key(name, fields[i], key, sizeof key);
		config_unset(c, key, NULL);
	}
	if (rc == EXIT_DONE)
		rc = settings_save(&paths, c);
	if (rc == EXIT_DONE)
		term_line("%s is no model server any more", name);
	config_free(c);
	return rc;
}

/* --- list --- */

static const char *key_word(const struct config *c, const char *name)
{
	if (servers_get(c, name, "keyCommand")[0])
		return "from a command";
	return servers_get(c, name, "apiKey")[0] ? "set" : "";
}

static void servers_put_json(const struct config *c, json_t *list, const char *name)
{
	json_array_append_new(
	    list, json_pack("{s:s,s:s,s:s,s:s}", "name", name, "url", servers_get(c, name, "url"),
		      "dialect", servers_get(c, name, "dialect"), "key", key_word(c, name)));
}

int cmd_servers_list(const struct cmd_line *line)
{
	static const char *const heads[] = {"NAME", "ADDRESS", "DIALECT", "KEY"};
	char name[CONFIG_MAX_SERVER_NAME + 1];
	struct config *c = NULL;
	struct paths paths;
	json_t *list;
	struct table *t;
	int rc = settings_load(&paths, &c);

	if (rc != EXIT_DONE)
		return rc;
	list = json_array();
	t = table_new(4, heads);
	table_add(t, "default");
	table_add(t, "%s", config_text(c, "connection.host"));
	table_add(t, "%s", config_text(c, "connection.dialect"));
	table_add(t, "%s", config_text(c, "connection.apiKey")[0] ? "set" : "");
	json_array_append_new(list,
	    json_pack("{s:s,s:s,s:s,s:s}", "name", "default", "url",
		config_text(c, "connection.host"), "dialect", config_text(c, "connection.dialect"),
		"key", config_text(c, "connection.apiKey")[0] ? "set" : ""));
	for (size_t i = 0; config_server(c, i, name); i++) {
		table_add(t, "%s", name);
		table_add(t, "%s", servers_get(c, name, "url"));
		table_add(t, "%s", servers_get(c, name, "dialect"));
		table_add(t, "%s", key_word(c, name));
		servers_put_json(c, list, name);
	}
	if (cmd_flag(line, "--json"))
		cmd_print_json(list);
	else
		table_print(t);
	table_free(t);
	json_decref(list);
	config_free(c);
	return EXIT_DONE;
}

/* --- test --- */

static const char *tools_word(const char *tools)
{
	static const char *const words[][2] = {{"called", "it calls them"},
	    {"written", "it writes its calls as text: the server lacks an option (llama-server: "
			"--jinja; vLLM: --enable-auto-tool-choice with --tool-call-parser)"},
	    {"refused", "the server takes none with this model"},
	    {"not-called", "offered one, it did not call it"}};

	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
		if (strcmp(tools, words[i][0]) == 0)
			return words[i][1];
	return "not tried";
}

static void servers_say(const json_t *r)
{
	int64_t context = json_int(r, "contextTokens", 0), rate = json_int(r, "tokensPerSecond", 0);
	const char *error = json_cstr(r, "error", NULL);

	term_line("server     %s (%s)", json_cstr(r, "name", ""), json_cstr(r, "host", ""));
	if (json_cstr(r, "dialect", "")[0])
		term_line("dialect    %s", json_cstr(r, "dialect", ""));
	if (json_array_size(json_object_get(r, "models")))
		term_line("models     %zu", json_array_size(json_object_get(r, "models")));
	if (json_cstr(r, "model", "")[0])
		term_line("model      %s", json_cstr(r, "model", ""));
	if (error) {
		term_line("works      no: %s", error);
		return;
	}
	if (context)
		term_line("context    %" PRId64 " tokens", context);
	else
		term_line("context    the server does not say");
	term_line("first word %.1f s", (double)json_int(r, "firstTokenMs", 0) / 1000.0);
	if (rate)
		term_line("speed      %" PRId64 " tokens/s", rate);
	term_line("reasoning  %s", json_is_true(json_object_get(r, "reasoning")) ? "yes" : "no");
	term_line("tools      %s", tools_word(json_cstr(r, "tools", "")));
	term_line("works      yes");
}

int cmd_servers_test(const struct cmd_line *line)
{
	const char *name = line->count ? line->words[0] : "default",
		   *model = cmd_value(line, "--model");
	struct client c = {0};
	struct buf path = {0}, body = {0};
	struct err err;
	json_t *report;
	int rc = EXIT_ERROR;

	if (strcmp(name, "default") != 0 && !config_server_name_ok(name))
		return no_server(name);
	if (client_open(&c, &err) != 0)
		return cmd_fail(&err);
	buf_addf(&path, "/v3/servers/%s/test", name);
	buf_adds(&body, "{\"model\":");
	json_put_cstr(&body, model ? model : "");
	buf_addc(&body, '}');
	report =
	    client_json(&c, "POST", buf_cstr(&path), buf_cstr(&body), SERVERS_TEST_MS, NULL, &err);
	if (!report) {
		cmd_fail(&err);
	} else {
		if (cmd_flag(line, "--json"))
			cmd_print_json(report);
		else
			servers_say(report);
		if (json_is_true(json_object_get(report, "works")))
			rc = EXIT_DONE;
	}
	json_decref(report);
	buf_finish(&path);
	buf_finish(&body);
	return rc;
}
