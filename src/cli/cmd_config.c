/* opta config list|get|set|unset */
#include <unistd.h>

#include "base/buf.h"
#include "base/config.h"
#include "base/paths.h"
#include "cli/cmd.h"
#include "cli/settings.h"
#include "cli/term.h"

static void list_one(const struct config *c, const struct config_key *k, const char *name)
{
	struct buf value = {0};

	config_show(c, name, &value);
	if (k->secret && value.len) {
		buf_clear(&value);
		buf_adds(&value, "(set)");
	}
	term_line("%-30s %-24s %s%s", name, value.len ? buf_cstr(&value) : "-",
	    config_is_set(c, name) ? "* " : "  ", k->help);
	buf_finish(&value);
}

static void list(const struct config *c)
{
	const char *set;

	for (const struct config_key *k = config_keys; k->name; k++)
		list_one(c, k, k->name);
	for (size_t i = 0; (set = config_nth_set(c, i)); i++) {
		const struct config_key *k = config_find(set, NULL);

		/* One of many that a row stands for. */
		if (strcmp(k->name, set) != 0)
			list_one(c, k, set);
	}
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
	/* A script gets the value as it is. */
	if (term_is_terminal(STDOUT_FILENO))
		term_line("%s", buf_cstr(&value));
	else
		printf("%s\n", buf_cstr(&value));
	buf_finish(&value);
	return EXIT_DONE;
}

int cmd_config_list(const struct cmd_line *line)
{
	struct config *c = NULL;
	struct paths paths;
	int rc = settings_load(&paths, &c);

	if (rc == EXIT_DONE)
		list(c);
	config_free(c);
	return rc;
}

int cmd_config_get(const struct cmd_line *line)
{
	struct config *c = NULL;
	struct paths paths;
	int rc = settings_load(&paths, &c);

	if (rc == EXIT_DONE)
		rc = get(c, line->words[0]);
	config_free(c);
	return rc;
}

int cmd_config_set(const struct cmd_line *line)
{
	return settings_change(line->words[0], line->words[1]);
}

int cmd_config_unset(const struct cmd_line *line)
{
	return settings_change(line->words[0], NULL);
}
