/* opta config list|get|set|unset */
#include <signal.h>

#include "base/buf.h"
#include "base/config.h"
#include "base/err.h"
#include "base/file.h"
#include "cli/client.h"
#include "cli/cmd.h"

static void list_one(const struct config *c, const struct config_key *k)
{
	struct buf value = {0};

	config_show(c, k->name, &value);
	if (k->secret && value.len) {
		buf_clear(&value);
		buf_adds(&value, "(set)");
	}
	printf("%-30s %-24s %s%s\n", k->name, value.len ? buf_cstr(&value) : "-",
	    config_is_set(c, k->name) ? "* " : "  ", k->help);
	buf_finish(&value);
}

static void list(const struct config *c)
{
	for (const struct config_key *k = config_keys; k->name; k++)
		list_one(c, k);
	printf("\n* set in config.json; the others are defaults\n");
}

static int get(const struct config *c, const char *name)
{
	const char *nearest = NULL;
	struct buf value = {0};

	if (!config_find(name, &nearest)) {
		if (nearest)
			return cmd_error(
			    "there is no setting \"%s\"; did you mean %s?", name, nearest);
		return cmd_error(
		    "there is no setting \"%s\"; `opta config list` names them all", name);
	}
	config_show(c, name, &value);
	printf("%s\n", buf_cstr(&value));
	buf_finish(&value);
	return EXIT_DONE;
}

/* Write the file; a running daemon reads it again. */
static int save(const struct paths *paths, const struct config *c)
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

/* Where the settings are and what they say. EXIT_DONE, or it was said why not. */
static int load(struct paths *paths, struct config **ret)
{
	struct err err;

	if (paths_init(paths, &err) != 0 || config_load(paths->config, ret, &err) != 0)
		return cmd_error("%s", err.text);
	return EXIT_DONE;
}

int cmd_config_list(const struct cmd_line *line)
{
	struct config *c = NULL;
	struct paths paths;
	int rc = load(&paths, &c);

	if (rc == EXIT_DONE)
		list(c);
	config_free(c);
	return rc;
}

int cmd_config_get(const struct cmd_line *line)
{
	struct config *c = NULL;
	struct paths paths;
	int rc = load(&paths, &c);

	if (rc == EXIT_DONE)
		rc = get(c, line->words[0]);
	config_free(c);
	return rc;
}

/* value NULL: back to the default. */
static int change(const char *key, const char *value)
{
	struct config *c = NULL;
	struct paths paths;
	struct err err;
	int rc = load(&paths, &c);

	if (rc == EXIT_DONE) {
		rc = value ? config_set(c, key, value, &err) : config_unset(c, key, &err);
		rc = rc == 0 ? save(&paths, c) : cmd_error("%s", err.text);
	}
	config_free(c);
	return rc;
}

int cmd_config_set(const struct cmd_line *line)
{
	return change(line->words[0], line->words[1]);
}

int cmd_config_unset(const struct cmd_line *line)
{
	return change(line->words[0], NULL);
}
