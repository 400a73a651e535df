/* What may run. */
#include "session/rules.h"

#include <stdarg.h>
#include <string.h>

#include "base/buf.h"
#include "base/config.h"
#include "base/json.h"
#include "tools/tool.h"
#include "tools/workspace.h"

static bool changes(const struct tool *tool)
{
	switch (tool->kind) {
	case TOOL_EDIT:
	case TOOL_DELETE:
	case TOOL_COMMAND:
	case TOOL_BACKGROUND:
		return true;
	case TOOL_READ:
	case TOOL_QUESTION:
		return false;
	}
	return true;
}

static bool mode_only_looks(const char *mode)
{
	return strcmp(mode, "plan") == 0 || strcmp(mode, "review") == 0 ||
	       strcmp(mode, "research") == 0;
}

/* "allow", "ask" or "deny". Borrowed. */
static const char *setting(const struct config *config, const struct tool *tool)
{
	char key[80];

	snprintf(key, sizeof key, "permissions.%s", tool->name);
	return config_text(config, key);
}

bool rules_outside(
    const struct tool *tool, const json_t *args, const char *workspace, struct buf *ret_path)
{
	const char *path = tool->path_arg ? json_cstr(args, tool->path_arg, NULL) : NULL;

	return path && !workspace_plain(workspace, path, ret_path);
}

bool rules_match(
    const struct tool *tool, const json_t *args, const char *workspace, struct buf *out)
{
	struct buf path = {0};
	bool outside = rules_outside(tool, args, workspace, &path);

	buf_finish(&path);
	if (outside || tool->kind == TOOL_QUESTION)
		return false;
	/* A command is remembered as this very text in this very place. */
	if (tool->kind == TOOL_COMMAND || strcmp(tool->name, "bg_start") == 0) {
		buf_addc(out, '[');
		json_put_cstr(out, json_cstr(args, "command", ""));
		buf_addc(out, ',');
		json_put_cstr(out, json_cstr(args, "cwd", "."));
		buf_addc(out, ']');
	}
	return true;
}

static const char *remembered(const struct rules_question *q)
{
	struct buf match = {0};
	const char *decision = NULL;
	const json_t *rule;
	size_t i;

	if (!q->remembered || !rules_match(q->tool, q->args, q->workspace, &match))
		goto out;
	json_array_foreach (q->remembered, i, rule) {
		if (strcmp(json_cstr(rule, "tool", ""), q->tool->name) == 0 &&
		    strcmp(json_cstr(rule, "match", ""), buf_cstr(&match)) == 0)
			decision = json_cstr(rule, "decision", NULL);
	}
out:
	buf_finish(&match);
	return decision;
}

static enum rules_verdict deny(char *why, size_t size, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

static enum rules_verdict deny(char *why, size_t size, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, size, fmt, ap);
	va_end(ap);
	return RULES_DENY;
}

/*
 * Whoever may not do one thing may not do it by another name: a tool, and those whose denial denies
 * it as well. (A search shows what is in files. So does an edit by its answer, which is hidden.)
 */
static const struct {
	const char *tool, *by[2];
} denied_with[] = {
    {"search_files", {"read_file"}},
    {"edit_file", {"write_file", "multi_edit"}},
    {"multi_edit", {"write_file", "edit_file"}},
    {"find_files", {"list_dir"}},
    {"bg_start", {"run_command"}},
};

/* The i-th tool whose denial counts for this one: itself first. NULL: there are no more. */
static const char *denied_by(const struct tool *tool, size_t i)
{
	const size_t most = sizeof denied_with[0].by / sizeof denied_with[0].by[0];

	if (i == 0)
		return tool->name;
	for (size_t k = 0; k < sizeof denied_with / sizeof denied_with[0]; k++)
		if (strcmp(denied_with[k].tool, tool->name) == 0)
			return i <= most ? denied_with[k].by[i - 1] : NULL;
	return NULL;
}

/* The tool whose setting denies this one, or NULL. */
static const char *denied_by_setting(const struct config *config, const struct tool *tool)
{
	const char *name;

	for (size_t i = 0; (name = denied_by(tool, i)); i++)
		if (strcmp(setting(config, tool_find(name)), "deny") == 0)
			return name;
	return NULL;
}

/* A person denied one of the other tools for the session, for whatever it is called with. */
static bool denied_for_session(const struct rules_question *q)
{
	const json_t *rule;
	const char *name;
	size_t k;

	for (size_t i = 1; (name = denied_by(q->tool, i)); i++)
		json_array_foreach (q->remembered, k, rule)
			if (strcmp(json_cstr(rule, "tool", ""), name) == 0 &&
			    strcmp(json_cstr(rule, "match", "?"), "") == 0 &&
			    strcmp(json_cstr(rule, "decision", ""), "deny") == 0)
				return true;
	return false;
}

bool rules_never(const struct config *config, const char *mode,
    const struct turn_overrides *overrides, const struct tool *tool)
{
	return (mode_only_looks(mode) && changes(tool)) ||
	       strcmp(setting(config, tool), "deny") == 0 ||
	       (tool->kind == TOOL_QUESTION && overrides->non_interactive);
}

/* What the settings alone say of it, without asking anybody. */
static bool allowed(const struct rules_question *q, bool outside)
{
	if (q->tool->kind == TOOL_QUESTION)
		return false;
	if (q->overrides->allow_all)
		return true;
	/* Outside the workspace only a decision that saw the path counts. */
	if (outside)
		return false;
	return strcmp(setting(q->config, q->tool), "allow") == 0 ||
	       (q->overrides->allow_edits && q->tool->kind == TOOL_EDIT);
}

enum rules_verdict rules_decide(const struct rules_question *q, char *why, size_t size)
{
	const char *name = q->tool->name, *decision, *denied;
	struct buf path = {0};
	bool outside;

	why[0] = '\0';
	if (mode_only_looks(q->mode) && changes(q->tool))
		return deny(why, size,
		    "%s was not run: in mode %s nothing is changed and nothing is run", name,
		    q->mode);
	denied = denied_by_setting(q->config, q->tool);
	if (denied)
		return deny(why, size, "%s was not run: the setting permissions.%s denies it", name,
		    denied);
	outside = rules_outside(q->tool, q->args, q->workspace, &path);
	buf_finish(&path);
	decision = remembered(q);
	if ((decision && strcmp(decision, "deny") == 0) || denied_for_session(q))
		return deny(
		    why, size, "%s was not run: the person denied it for this session", name);
	if (decision || allowed(q, outside))
		return RULES_ALLOW;
	if (!q->overrides->non_interactive)
		return RULES_ASK;
	if (q->tool->kind == TOOL_QUESTION)
		return deny(why, size,
		    "%s was not asked: nobody is there to answer (--non-interactive)", name);
	if (outside)
		return deny(why, size,
		    "%s was not run: it names a path outside the workspace and nobody is there to "
		    "allow that (--non-interactive); start in a directory that holds it, or use "
		    "--dangerous",
		    name);
	return deny(why, size,
	    "%s was not run: nobody is there to ask (--non-interactive); `opta config set "
	    "permissions.%s allow` would allow it",
	    name, name);
}

json_t *rules_repositories(const json_t *remembered)
{
	json_t *paths = json_array();
	const json_t *rule;
	size_t i;

	json_array_foreach (remembered, i, rule)
		if (strcmp(json_cstr(rule, "tool", ""), RULES_REPOSITORY) == 0 &&
		    strcmp(json_cstr(rule, "decision", ""), "allow") == 0)
			json_array_append_new(paths, json_string(json_cstr(rule, "match", "")));
	if (json_array_size(paths))
		return paths;
	json_decref(paths);
	return NULL;
}

bool rules_speaks_of_git(const json_t *args)
{
	return strstr(json_cstr(args, "command", ""), "git") != NULL;
}

json_t *rules_sockets(const struct config *config)
{
	json_t *paths = NULL;
	const char *path;

	for (size_t i = 0; (path = config_list(config, "tools.sockets", i)); i++) {
		if (!paths)
			paths = json_array();
		json_array_append_new(paths, json_string(path));
	}
	return paths;
}

bool rules_hides_content(const struct config *config, const struct tool *tool)
{
	return tool->kind == TOOL_EDIT &&
	       strcmp(setting(config, tool_find("read_file")), "deny") == 0;
}
