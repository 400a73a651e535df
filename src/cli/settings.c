/* config.json. */
#include "cli/settings.h"

#include <signal.h>

#include "base/buf.h"
#include "base/config.h"
#include "base/err.h"
#include "base/file.h"
#include "cli/client.h"
#include "cli/cmd.h"

int settings_load(struct paths *ret_paths, struct config **ret)
{
	struct err err;

	if (paths_init(ret_paths, &err) != 0 || config_load(ret_paths->config, ret, &err) != 0)
		return cmd_error("%s", err.text);
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
		return cmd_error("%s", err.text);
	if (client_find(&client) == CLIENT_RUNNING)
		kill(client.pid, SIGHUP);
	return EXIT_DONE;
}

int settings_change(const char *key, const char *value)
{
	struct config *c = NULL;
	struct paths paths;
	struct err err;
	int rc = settings_load(&paths, &c);

	if (rc == EXIT_DONE) {
		rc = value ? config_set(c, key, value, &err) : config_unset(c, key, &err);
		rc = rc == 0 ? settings_save(&paths, c) : cmd_error("%s", err.text);
	}
	config_free(c);
	return rc;
}
