/* opta env save|use|list|show|delete: named copies of the configuration, under profiles/. */
#include <dirent.h>
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/config.h"
#include "base/err.h"
#include "base/file.h"
#include "base/paths.h"
#include "cli/cmd.h"
#include "cli/settings.h"
#include "cli/table.h"
#include "cli/term.h"

enum { PROFILE_MAX_NAME = 64 };

/* A name is a file's name: letters, digits, - and _. False: it was said. */
static bool is_name(const char *name)
{
	static const char allowed[] =
	    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";
	size_t n = strlen(name);

	if (n && n <= PROFILE_MAX_NAME && strspn(name, allowed) == n)
		return true;
	cmd_usage("env", "a name is up to %d letters, digits, - and _ (home, office), not \"%s\"",
	    PROFILE_MAX_NAME, name);
	return false;
}

static void put_path(struct buf *out, const struct paths *paths, const char *name)
{
	buf_addf(out, "%s/profiles/%s.json", paths->home, name);
}

/* The profile's settings (config_free). EXIT_DONE, or it was said why not. */
static int load(const struct paths *paths, const char *name, struct config **ret)
{
	struct buf path = {0};
	struct err err;
	int rc = EXIT_DONE;

	put_path(&path, paths, name);
	if (access(buf_cstr(&path), F_OK) != 0)
		rc = cmd_error("there is no environment \"%s\"; `opta env list` names them", name);
	else if (config_load(buf_cstr(&path), ret, &err) != 0)
		rc = cmd_fail(&err);
	buf_finish(&path);
	return rc;
}

static int open_paths(struct paths *paths)
{
	struct err err;

	return paths_init(paths, &err) == 0 ? EXIT_DONE : cmd_fail(&err);
}

int cmd_env_save(const struct cmd_line *line)
{
	const char *name = line->words[0];
	struct buf dir = {0}, file = {0}, text = {0};
	struct config *config = NULL;
	struct paths paths;
	struct err err;
	int rc;

	if (!is_name(name))
		return EXIT_USAGE;
	rc = settings_load(&paths, &config);
	if (rc == EXIT_DONE) {
		config_write(config, &text);
		buf_addf(&dir, "%s/profiles", paths.home);
		buf_addf(&file, "%s.json", name);
		if (file_make_dir(buf_cstr(&dir), &err) != 0 ||
		    file_replace(buf_cstr(&dir), buf_cstr(&file), text.p, text.len, 0600, &err) !=
			0)
			rc = cmd_fail(&err);
		else
			term_line("saved as \"%s\"; `opta env use %s` brings it back", name, name);
	}
	config_free(config);
	buf_finish(&dir);
	buf_finish(&file);
	buf_finish(&text);
	return rc;
}

int cmd_env_use(const struct cmd_line *line)
{
	const char *name = line->words[0];
	struct config *config = NULL;
	struct paths paths;
	int rc;

	if (!is_name(name))
		return EXIT_USAGE;
	rc = open_paths(&paths);
	if (rc == EXIT_DONE)
		rc = load(&paths, name, &config);
	if (rc == EXIT_DONE)
		rc = settings_save(&paths, config);
	if (rc == EXIT_DONE)
		term_line("using \"%s\": model server %s, port %d", name,
		    config_text(config, "connection.host"),
		    (int)config_int(config, "connection.port"));
	config_free(config);
	return rc;
}

/* Do both hold the same settings? */
static bool is_same(const struct config *a, const struct config *b)
{
	struct buf one = {0}, other = {0};
	bool same;

	config_write(a, &one);
	config_write(b, &other);
	same = one.len == other.len && memcmp(one.p, other.p, one.len) == 0;
	buf_finish(&one);
	buf_finish(&other);
	return same;
}

static int is_json(const struct dirent *e)
{
	size_t n = strlen(e->d_name);

	return n > 5 && strcmp(e->d_name + n - 5, ".json") == 0 && e->d_name[0] != '.';
}

int cmd_env_list(const struct cmd_line *line)
{
	static const char *const heads[] = {"", "NAME", "MODEL SERVER", "MODEL"};
	struct config *now = NULL;
	struct dirent **names = NULL;
	struct buf dir = {0};
	struct paths paths;
	struct table *t;
	int count;

	if (settings_load(&paths, &now) != EXIT_DONE)
		return EXIT_ERROR;
	buf_addf(&dir, "%s/profiles", paths.home);
	count = scandir(buf_cstr(&dir), &names, is_json, alphasort);
	buf_finish(&dir);
	t = table_new(4, heads);
	for (int i = 0; i < count; i++) {
		struct config *c = NULL;
		struct buf path = {0};

		names[i]->d_name[strlen(names[i]->d_name) - 5] = '\0';
		put_path(&path, &paths, names[i]->d_name);
		if (config_load(buf_cstr(&path), &c, NULL) == 0) {
			table_add(t, "%s", is_same(now, c) ? "*" : "");
			table_add(t, "%s", names[i]->d_name);
			table_add(t, "%s", config_text(c, "connection.host"));
			table_add(t, "%s", config_text(c, "model.default"));
		} else {
			table_add(t, "!");
			table_add(t, "%s", names[i]->d_name);
			table_add(t, "damaged");
			table_add(t, "%s", "");
		}
		config_free(c);
		buf_finish(&path);
		free(names[i]);
	}
	free(names);
	if (count > 0)
		table_print(t);
	else
		printf("no environment is saved; `opta env save NAME` keeps today's settings\n");
	table_free(t);
	config_free(now);
	return EXIT_DONE;
}

int cmd_env_show(const struct cmd_line *line)
{
	struct config *config = NULL;
	struct paths paths;
	const char *name;
	int rc;

	if (!is_name(line->words[0]))
		return EXIT_USAGE;
	rc = open_paths(&paths);
	if (rc == EXIT_DONE)
		rc = load(&paths, line->words[0], &config);
	for (size_t i = 0; rc == EXIT_DONE && (name = config_nth_set(config, i)); i++) {
		struct buf value = {0};

		config_show(config, name, &value);
		term_line("%-30s %s", name,
		    config_find(name, NULL)->secret && value.len ? "(set)" : buf_cstr(&value));
		buf_finish(&value);
	}
	config_free(config);
	return rc;
}

int cmd_env_delete(const struct cmd_line *line)
{
	struct buf path = {0};
	struct paths paths;
	int rc;

	if (!is_name(line->words[0]))
		return EXIT_USAGE;
	rc = open_paths(&paths);
	if (rc != EXIT_DONE)
		return rc;
	put_path(&path, &paths, line->words[0]);
	if (unlink(buf_cstr(&path)) == 0)
		term_line("deleted: %s", line->words[0]);
	else
		rc = cmd_error("%s: %s", line->words[0],
		    errno == ENOENT ? "there is no such environment" : strerror(errno));
	buf_finish(&path);
	return rc;
}
