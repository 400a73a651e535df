/* From git's configuration to files of the workspace; git-config(1). */
#include "tools/settings.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/str.h"
#include "tools/control.h"
#include "tools/guards.h"
#include "tools/named.h"
#include "tools/repository.h"
#include "tools/way.h"

enum {
	SETTINGS_MAX_TEXT = 256 * 1024, /* of a configuration that is looked at */
};

/* Directories that a relative path in the configuration of git may start from. */
struct settings_bases {
	char all[NAMED_MAX_BASES][REPOSITORY_MAX_PATH];
	size_t count;
	bool full;
};

static void settings_add_base(struct settings_bases *b, const char *path)
{
	for (size_t i = 0; i < b->count; i++)
		if (strcmp(b->all[i], path) == 0)
			return;
	if (b->count == NAMED_MAX_BASES) {
		b->full = true;
		return;
	}
	snprintf(b->all[b->count++], REPOSITORY_MAX_PATH, "%s", path);
}

static void settings_add_parent(struct settings_bases *b, const char *path)
{
	char parent[REPOSITORY_MAX_PATH];
	const char *slash = strrchr(path, '/');

	snprintf(parent, sizeof parent, "%.*s", (int)(slash ? slash - path : 0), path);
	if (parent[0])
		settings_add_base(b, parent);
}

/* The worktree that git (of a linked one, or a submodule) belongs to. */
static void settings_add_worktree(struct settings_bases *b, const char *git, const char *workspace)
{
	char path[REPOSITORY_MAX_PATH + 16], line[REPOSITORY_MAX_PATH], out[REPOSITORY_MAX_PATH];

	snprintf(path, sizeof path, "%s/gitdir", git);
	if (repository_line(path, "", line, sizeof line) && repository_resolve(git, line, out) &&
	    (!workspace || mounts_within(out, workspace)))
		settings_add_parent(b, out);
}

static void settings_add_linked(struct settings_bases *b, const char *git, const char *workspace)
{
	char holder[REPOSITORY_MAX_PATH + 16], one[2 * REPOSITORY_MAX_PATH];
	struct dirent *e;
	DIR *d;

	snprintf(holder, sizeof holder, "%s/worktrees", git);
	d = opendir(holder);
	while (d && (e = readdir(d))) {
		snprintf(one, sizeof one, "%s/%s", holder, e->d_name);
		if (e->d_name[0] != '.' && strlen(one) < REPOSITORY_MAX_PATH)
			settings_add_worktree(b, one, workspace);
	}
	if (d)
		closedir(d);
}

static void settings_find_bases(
    const char *git, const char *top, const char *workspace, struct settings_bases *b)
{
	char worktree[REPOSITORY_MAX_PATH];

	b->count = 0;
	b->full = false;
	settings_add_base(b, git);
	settings_add_parent(b, git);
	settings_add_base(b, workspace);
	if (top && top[0])
		settings_add_base(b, top);
	settings_add_worktree(b, git, NULL);
	if (settings_worktree(git, worktree))
		settings_add_base(b, worktree);
	settings_add_linked(b, git, workspace);
}

bool settings_worktree(const char *git, char *out)
{
	char path[REPOSITORY_MAX_PATH + 16], value[REPOSITORY_MAX_PATH], real[REPOSITORY_MAX_PATH];
	struct buf text = {0};
	struct str rest, line, key;
	bool found = false;

	snprintf(path, sizeof path, "%s/config", git);
	if (!repository_resolve("/", path, real) ||
	    file_read(real, SETTINGS_MAX_TEXT, &text, NULL) != 0)
		return false;
	for (rest = (struct str){text.p, text.len}; rest.n;) {
		rest = str_cut(rest, '\n', &line);
		line = str_trim(str_cut(line, '=', &key));
		if (line.n > 1 && line.p[0] == '"' && line.p[line.n - 1] == '"')
			line = (struct str){line.p + 1, line.n - 2};
		if (!line.n || line.n >= sizeof value || !str_ieq(str_trim(key), "worktree"))
			continue;
		snprintf(value, sizeof value, "%.*s", (int)line.n, line.p);
		found = repository_resolve(git, value, out) || found;
	}
	buf_finish(&text);
	return found;
}

/* --- what they name --- */

struct settings_reader {
	const char *git, *workspace;
	void *data;
	void (*found)(void *data, const char *path, bool whole);
};

/* A directory of hooks that is the workspace: all of it cannot be read-only. */
static void settings_find_hooks(const struct settings_reader *r, const char *dir)
{
	static const char *const hooks[] = {"applypatch-msg", "pre-applypatch", "post-applypatch",
	    "pre-commit", "pre-merge-commit", "prepare-commit-msg", "commit-msg", "post-commit",
	    "pre-rebase", "post-checkout", "post-merge", "pre-push", "pre-auto-gc", "post-rewrite",
	    "sendemail-validate", "fsmonitor-watchman", "post-index-change", "pre-receive",
	    "update", "proc-receive", "post-receive", "post-update", "reference-transaction",
	    "push-to-checkout"};
	char path[REPOSITORY_MAX_PATH + 32];

	for (size_t i = 0; i < sizeof hooks / sizeof hooks[0]; i++) {
		snprintf(path, sizeof path, "%s/%s", dir, hooks[i]);
		r->found(r->data, path, false);
	}
}

/* Of a git directory, what git itself writes there all the time: no program. */
static bool settings_is_gits_own(const char *below)
{
	static const char *const own[] = {
	    "objects", "refs", "logs", "index", "packed-refs", "modules", "worktrees", "lfs"};
	size_t n = strcspn(below, "/");

	/* HEAD, MERGE_MSG and their kin. */
	if (strspn(below, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_") == n)
		return true;
	for (size_t i = 0; i < sizeof own / sizeof own[0]; i++)
		if (strlen(own[i]) == n && strncmp(own[i], below, n) == 0)
			return true;
	return false;
}

/* May it be read-only as a whole? Not git's directory, nor what holds it or the workspace. */
static bool settings_may_guard(const struct settings_reader *r, const char *path)
{
	if (mounts_within(r->workspace, path) || mounts_within(r->git, path))
		return false;
	return !mounts_within(path, r->git) || !settings_is_gits_own(path + strlen(r->git) + 1);
}

static void settings_take(void *data, const char *spelled, enum named_kind kind)
{
	const struct settings_reader *r = data;
	bool whole = kind == NAMED_PATH;
	char real[WAY_MAX_PATH];
	enum way_end end = way_follow(spelled, real, NULL, NULL);

	if (end == WAY_NOWHERE)
		return;
	if (end == WAY_THERE && whole && strcmp(real, r->workspace) == 0)
		settings_find_hooks(r, real);
	/* A word of a command may be any directory. */
	if (end == WAY_THERE ? !whole && !repository_is_kind(real, S_IFREG) : kind == NAMED_WORD)
		return;
	if (settings_may_guard(r, real))
		r->found(r->data, spelled, whole);
}

static bool settings_read(
    struct settings_reader *r, const struct settings_bases *bases, const char *home)
{
	static const char *const own[] = {"config", "config.worktree"};
	static const char *const persons[] = {".gitconfig", ".config/git/config"};
	struct named named = {.home = home, .data = r, .found = settings_take};
	char path[REPOSITORY_MAX_PATH + 32];
	bool good = true;

	for (size_t i = 0; i < bases->count; i++)
		named.bases[named.base_count++] = bases->all[i];
	for (size_t i = 0; i < sizeof own / sizeof own[0]; i++) {
		snprintf(path, sizeof path, "%s/%s", r->git, own[i]);
		good &= named_find(&named, path);
	}
	for (size_t i = 0; home && i < sizeof persons / sizeof persons[0]; i++) {
		snprintf(path, sizeof path, "%s/%s", home, persons[i]);
		good &= named_find(&named, path);
	}
	return named_find(&named, "/etc/gitconfig") && good;
}

static void settings_add(void *data, const char *path, bool whole)
{
	guards_add_named(data, path, whole);
}

/* The `.git` file of a submodule's worktree: the repository around it goes where it leads. */
static void settings_add_submodule(struct guards *g, const char *git)
{
	char at[REPOSITORY_MAX_PATH];

	if (!settings_worktree(git, at) || !mounts_within(at, g->workspace) ||
	    strcmp(at, g->workspace) == 0)
		return;
	guards_add_way(g, at);
	guards_add_below(g, at, ".git", true);
}

void settings_guard(struct guards *g, const char *git, const char *top)
{
	static struct settings_bases bases; /* large */
	struct settings_reader r = {
	    .git = git, .workspace = g->workspace, .data = g, .found = settings_add};

	settings_find_bases(git, top, g->workspace, &bases);
	settings_add_submodule(g, git);
	if (bases.full)
		guards_miss(g, "the repository %.400s has more than %d worktrees here", git,
		    NAMED_MAX_BASES - 4);
	if (!settings_read(&r, &bases, g->home))
		guards_miss(
		    g, "the git configuration of %.400s is too large to be understood", git);
}

bool settings_name(const char *git, const char *top, const struct guards *g, void *data,
    void (*found)(void *data, const char *path, bool whole))
{
	static struct settings_bases bases; /* large */
	struct settings_reader r = {
	    .git = git, .workspace = g->workspace, .data = data, .found = found};

	bases.count = 0;
	settings_add_base(&bases, top);
	settings_add_base(&bases, git);
	return settings_read(&r, &bases, g->home);
}
