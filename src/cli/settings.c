/* config.json. */
#include "cli/settings.h"

#include <inttypes.h>
#include <signal.h>

#include "base/buf.h"
#include "base/config.h"
#include "base/err.h"
#include "base/file.h"
#include "cli/client.h"
#include "cli/cmd.h"
#include "cli/term.h"

int settings_load(struct paths *ret_paths, struct config **ret)
{
	struct err err;

	if (paths_init(ret_paths, &err) != 0 || config_load(ret_paths->config, ret, &err) != 0)
		return cmd_fail(&err);
	return EXIT_DONE;
}

int settings_save(const struct paths *paths, const struct config *c)
{
	struct client client = {.paths = *paths};
	struct buf text = {0};
	struct err err;
	int rc = file_make_dir(paths->home, &err);

	config_write(c, &text);
	if (rc == 0)
		rc = file_replace(paths->home, "config.json", text.p, text.len, 0600, &err);
	buf_finish(&text);
	if (rc != 0)
		return cmd_fail(&err);
	if (client_find(&client) == CLIENT_RUNNING)
		kill(client.pid, SIGHUP);
	return EXIT_DONE;
}

/* --- whose key it is --- */

/* Note the server of the settings as the one that the API key is for. */
static void note_key_server(struct config *c)
{
	char port[24];

	snprintf(port, sizeof port, "%" PRId64, config_int(c, "connection.port"));
	config_set(c, "connection.apiKeyHost", config_text(c, "connection.host"), NULL);
	config_set(c, "connection.apiKeyPort", port, NULL);
}

static bool key_is_noted(const struct config *c)
{
	return config_text(c, "connection.apiKeyHost")[0] != '\0';
}

/* Whoever chose another server learns that the key does not go there. */
static void say_key_server(const struct config *c)
{
	const char *host = config_text(c, "connection.apiKeyHost");
	int64_t port = config_int(c, "connection.apiKeyPort");

	if (strcmp(host, config_text(c, "connection.host")) == 0 &&
	    port == config_int(c, "connection.port"))
		return;
	term_note("connection.apiKey was set for %s (port %" PRId64
		  " where that names none) and goes to no other server: `opta config set "
		  "connection.apiKey …` sets it for this one",
	    host, port);
}

void settings_keep_key(struct config *c)
{
	if (config_text(c, "connection.apiKey")[0] && !key_is_noted(c))
		note_key_server(c);
}

/* Does a setting, not a default, name the server? */
static bool server_is_named(const struct config *c)
{
	return config_is_set(c, "connection.host") || config_is_set(c, "connection.port");
}

int settings_set(struct config *c, const char *key, const char *value, struct err *reterr)
{
	bool moves = strcmp(key, "connection.host") == 0 || strcmp(key, "connection.port") == 0;
	bool has_key = config_text(c, "connection.apiKey")[0] != '\0';
	int rc;

	/* A key that was written into the file by hand is for the server of that moment. */
	if (moves && server_is_named(c))
		settings_keep_key(c);
	rc = value ? config_set(c, key, value, reterr) : config_unset(c, key, reterr);
	if (rc != 0)
		return rc;
	if (moves && has_key && key_is_noted(c))
		say_key_server(c);
	if (strcmp(key, "connection.apiKey") == 0) {
		config_unset(c, "connection.apiKeyHost", NULL);
		config_unset(c, "connection.apiKeyPort", NULL);
		if (server_is_named(c))
			settings_keep_key(c);
	}
	return 0;
}

int settings_change(const char *key, const char *value)
{
	struct config *c = NULL;
	struct paths paths;
	struct err err;
	int rc = settings_load(&paths, &c);

	if (rc == EXIT_DONE) {
		rc = settings_set(c, key, value, &err);
		rc = rc == 0 ? settings_save(&paths, c) : cmd_fail(&err);
	}
	config_free(c);
	return rc;
}
