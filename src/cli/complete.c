/* Candidates for shells. */
#include "cli/complete.h"

#include <dirent.h>

#include "base/buf.h"
#include "base/config.h"
#include "base/json.h"
#include "base/str.h"
#include "cli/client.h"
#include "cli/cmd.h"
#include "cli/term.h"

struct complete {
	struct buf *out;
	const char *typed; /* the beginning of what is sought */
	size_t count;
};

/* Descriptions come from others as well (titles): one line, nothing a terminal would obey. */
static void add(struct complete *c, const char *word, const char *about)
{
	if (strncmp(word, c->typed, strlen(c->typed)) != 0 || c->count++ >= COMPLETE_MAX)
		return;
	term_put_flat(c->out, word, strlen(word));
	if (about && about[0]) {
		buf_addc(c->out, '\t');
		term_put_flat(c->out, about, strlen(about));
	}
	buf_addc(c->out, '\n');
}

/* Words separated by `separator`. */
static void add_each(struct complete *c, const char *list, char separator)
{
	struct str rest = str_of(list), one;
	char word[64];

	while (rest.n) {
		rest = str_cut(rest, separator, &one);
		snprintf(word, sizeof word, "%.*s", (int)one.n, one.p);
		add(c, word, NULL);
	}
}

/* --- from the daemon --- */

static json_t *ask(const char *target)
{
	struct client client = {0};

	if (paths_init(&client.paths, NULL) != 0 || client_find(&client) != CLIENT_RUNNING)
		return NULL;
	return client_json(&client, "GET", target, NULL, COMPLETE_ASK_MS, NULL, NULL);
}

static void add_all(struct complete *c, const json_t *list, const char *id, const char *about)
{
	const json_t *one;
	size_t i;

	json_array_foreach (list, i, one)
		add(c, json_cstr(one, id, ""), about ? json_cstr(one, about, "") : NULL);
}

static void add_sessions(struct complete *c)
{
	json_t *list = ask("/v3/sessions?limit=200");

	add_all(c, list, "id", "title");
	json_decref(list);
}

static void add_models(struct complete *c)
{
	json_t *root = ask("/v3/models");

	add_all(c, json_object_get(root, "models"), "id", NULL);
	json_decref(root);
}

static void add_requests(struct complete *c)
{
	json_t *root = ask("/v3/permissions");

	add_all(c, json_object_get(root, "pending"), "requestId", "toolName");
	json_decref(root);
}

/* --- from tables and files --- */

static void add_keys(struct complete *c)
{
	for (const struct config_key *k = config_keys; k->name; k++)
		add(c, k->name, k->help);
}

static void add_environments(struct complete *c)
{
	struct buf dir = {0};
	struct paths paths;
	struct dirent *e;
	DIR *d;

	if (paths_init(&paths, NULL) != 0)
		return;
	buf_addf(&dir, "%s/profiles", paths.home);
	d = opendir(buf_cstr(&dir));
	while (d && (e = readdir(d))) {
		char *dot = strrchr(e->d_name, '.');

		if (!dot || dot == e->d_name || strcmp(dot, ".json") != 0)
			continue;
		*dot = '\0';
		add(c, e->d_name, NULL);
	}
	if (d)
		closedir(d);
	buf_finish(&dir);
}

static void add_values(struct complete *c, const char *key)
{
	const struct config_key *k = config_find(key, NULL);

	if (k && k->type == CONFIG_ENUM)
		add_each(c, k->choices, '|');
	else if (k && k->type == CONFIG_BOOL)
		add_each(c, "true|false", '|');
	else if (k && strncmp(k->name, "model.default", 13) == 0)
		add_models(c);
}

/* First words: commands, and each family once. */
static void add_commands(struct complete *c)
{
	const char *last = "";
	size_t last_n = 0;

	for (const struct cmd *row = cmds; row->name; row++) {
		size_t n = strcspn(row->name, " ");
		char word[32];

		if (n == last_n && memcmp(last, row->name, n) == 0)
			continue;
		last = row->name;
		last_n = n;
		snprintf(word, sizeof word, "%.*s", (int)n, row->name);
		add(c, word, row->name[n] ? NULL : row->summary);
	}
}

static void add_family(struct complete *c, const char *family)
{
	size_t n = strlen(family);

	for (const struct cmd *row = cmds; row->name; row++)
		if (strncmp(row->name, family, n) == 0 && row->name[n] == ' ')
			add(c, row->name + n + 1, row->summary);
}

/* What each option's value may be. */
static const struct {
	const char *option, *words;
	void (*add)(struct complete *c);
} values[] = {
    {"--session", NULL, add_sessions},
    {"--resume", NULL, add_sessions},
    {"--model", NULL, add_models},
    {"--level", "debug|info|warn|error", NULL},
    {"--since", "10m|1h|1d", NULL},
};

static void add_option_values(struct complete *c, const struct cmd *cmd, const char *option)
{
	if (strcmp(option, "--format") == 0)
		add_each(
		    c, strcmp(cmd->name, "do") == 0 ? "markdown|text|json" : "json|markdown", '|');
	for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
		if (strcmp(values[i].option, option) != 0)
			continue;
		if (values[i].add)
			values[i].add(c);
		else
			add_each(c, values[i].words, '|');
	}
}

/* What a command's words are. every: each of them, not only the first. */
static const struct {
	const char *command, *words;
	void (*add)(struct complete *c);
	bool every;
} positions[] = {
    {"sessions show", NULL, add_sessions, false},
    {"sessions export", NULL, add_sessions, false},
    {"sessions rename", NULL, add_sessions, false},
    {"sessions delete", NULL, add_sessions, true},
    {"models use", NULL, add_models, false},
    {"models info", NULL, add_models, false},
    {"env use", NULL, add_environments, false},
    {"env show", NULL, add_environments, false},
    {"env delete", NULL, add_environments, false},
    {"config get", NULL, add_keys, false},
    {"config set", NULL, add_keys, false},
    {"config unset", NULL, add_keys, false},
    {"approve", NULL, add_requests, false},
    {"deny", NULL, add_requests, false},
    {"man", "opta.1|opta-daemon.8|opta-config.5", NULL, false},
    {"completions", "bash|zsh|fish", NULL, false},
    {"help", NULL, add_commands, false},
};

static void add_position(
    struct complete *c, const struct cmd *cmd, char *const *words, size_t before)
{
	if (strcmp(cmd->name, "config set") == 0 && before == 1)
		add_values(c, words[0]);
	if (strcmp(cmd->name, "help") == 0 && before == 1)
		add_family(c, words[0]);
	for (size_t i = 0; i < sizeof positions / sizeof positions[0]; i++) {
		if (strcmp(positions[i].command, cmd->name) != 0 || (before && !positions[i].every))
			continue;
		if (positions[i].add)
			positions[i].add(c);
		else
			add_each(c, positions[i].words, '|');
	}
}

static const struct cmd_option *option_of(const struct cmd *cmd, const char *name)
{
	for (const struct cmd_option *o = cmd->options; o && o->name; o++)
		if (strcmp(o->name, name) == 0)
			return o;
	return NULL;
}

void complete_put(struct buf *out, char *const *words, size_t count)
{
	struct complete c = {out, count ? words[count - 1] : "", 0};
	const struct cmd *cmd = NULL;
	const struct cmd_option *open = NULL; /* its value is being typed */
	char *const *first = NULL;	      /* the command's first word that is no option */
	size_t used = 0, before = 0;

	for (const struct cmd *row = cmds; count > 1 && row->name && !cmd; row++) {
		size_t n = strlen(words[0]);

		if (strcmp(row->name, words[0]) == 0)
			used = 1;
		else if (count > 2 && strncmp(row->name, words[0], n) == 0 && row->name[n] == ' ' &&
			 strcmp(row->name + n + 1, words[1]) == 0)
			used = 2;
		else
			continue;
		cmd = row;
	}
	if (!cmd) {
		if (count <= 1)
			add_commands(&c);
		else if (count == 2)
			add_family(&c, words[0]);
		return;
	}
	for (size_t i = used; i + 1 < count; i++) {
		if (open) {
			open = NULL;
		} else if (words[i][0] == '-') {
			open = option_of(cmd, words[i]);
			open = open && open->value ? open : NULL;
		} else if (!before++) {
			first = &words[i];
		}
	}
	if (open)
		add_option_values(&c, cmd, open->name);
	else if (c.typed[0] == '-')
		for (const struct cmd_option *o = cmd->options; o && o->name; o++)
			add(&c, o->name, o->help);
	else
		add_position(&c, cmd, first, before);
}
