/* Finding a repository, and what of it is guarded; gitrepository-layout(5), git-worktree(1). */
#include "tools/repository.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"
#include "tools/control.h"
#include "tools/look.h"
#include "tools/named.h"

enum {
	REPOSITORY_MAX_TEXT = 256 * 1024, /* of a configuration that is looked at */
};

/* --- finding it --- */

static bool repository_is_kind(const char *path, mode_t kind)
{
	struct stat st;

	return lstat(path, &st) == 0 && (st.st_mode & S_IFMT) == kind;
}

/* Read the one line of a small file, without what follows `head`. False: there is none. */
static bool repository_line(const char *path, const char *head, char *out, size_t size)
{
	struct buf text = {0};
	struct str line;
	size_t n = strlen(head);
	bool good;

	if (!repository_is_kind(path, S_IFREG) ||
	    file_read(path, REPOSITORY_MAX_PATH, &text, NULL) != 0)
		return false;
	line = str_trim((struct str){text.p, text.len});
	good = line.n > n && line.n - n < size && memcmp(line.p, head, n) == 0 &&
	       !memchr(line.p, '\0', line.n);
	if (good)
		snprintf(out, size, "%.*s", (int)(line.n - n), line.p + n);
	buf_finish(&text);
	return good;
}

/* The real path of `to`, as it is written in a file of dir. */
static bool repository_resolve(const char *dir, const char *to, char *out)
{
	char joined[3 * REPOSITORY_MAX_PATH], real[PATH_MAX];

	if (to[0] == '/')
		snprintf(joined, sizeof joined, "%s", to);
	else
		snprintf(joined, sizeof joined, "%s/%s", dir, to);
	if (!realpath(joined, real) || strlen(real) >= REPOSITORY_MAX_PATH)
		return false;
	snprintf(out, REPOSITORY_MAX_PATH, "%s", real);
	return true;
}

/* The git directory at `at` (a real path), reached by the entry `entry`. */
static bool repository_take(const char *at, const char *entry, struct repository *ret)
{
	char path[REPOSITORY_MAX_PATH + 16], line[REPOSITORY_MAX_PATH], back[REPOSITORY_MAX_PATH];

	if (!control_git_directory(at))
		return false;
	snprintf(ret->git, sizeof ret->git, "%s", at);
	snprintf(ret->common, sizeof ret->common, "%s", at);
	snprintf(path, sizeof path, "%s/commondir", at);
	if (!repository_line(path, "", line, sizeof line))
		return true;
	/* A linked worktree: its own directory names the file that names it. */
	if (!repository_resolve(at, line, ret->common) || !control_git_directory(ret->common))
		return false;
	snprintf(path, sizeof path, "%s/gitdir", at);
	return repository_line(path, "", line, sizeof line) && repository_resolve(at, line, back) &&
	       strcmp(back, entry) == 0;
}

/* What stands at dir/.git, or dir itself. */
static bool repository_look(const char *dir, struct repository *ret)
{
	char path[REPOSITORY_MAX_PATH + 8], line[REPOSITORY_MAX_PATH], at[REPOSITORY_MAX_PATH];

	snprintf(path, sizeof path, "%s/.git", strcmp(dir, "/") == 0 ? "" : dir);
	if (repository_resolve("/", path, at)) {
		if (repository_is_kind(at, S_IFDIR))
			return repository_take(at, path, ret);
		return repository_line(at, "gitdir: ", line, sizeof line) &&
		       repository_resolve(dir, line, at) && repository_take(at, path, ret);
	}
	return control_git_directory(dir) && repository_take(dir, dir, ret);
}

void repository_find(const char *workspace, struct repository *ret)
{
	char dir[REPOSITORY_MAX_PATH];

	*ret = (struct repository){0};
	if (strlen(workspace) >= sizeof dir)
		return;
	snprintf(dir, sizeof dir, "%s", workspace);
	for (;;) {
		char *slash = strrchr(dir, '/');

		if (repository_look(dir, ret)) {
			memcpy(ret->top, dir, sizeof dir);
			break;
		}
		ret->git[0] = ret->common[0] = '\0';
		if (!slash || !dir[1])
			return;
		slash[slash == dir ? 1 : 0] = '\0';
	}
	ret->outside =
	    !mounts_within(ret->git, workspace) || !mounts_within(ret->common, workspace);
}

/* --- guarding --- */

static struct repository_known *guards_know(
    struct repository_guards *g, const char *path, const struct stat *st)
{
	struct repository_known *known = map_get(&g->known, path);

	if (known)
		return known;
	known = mem_alloc(sizeof *known);
	*known = (struct repository_known){mem_strdup(path), st->st_dev, st->st_ino, 0};
	map_put(&g->known, known->path, known);
	return known;
}

static void guards_watch(struct repository_guards *g, const char *path)
{
	struct stat st;

	if (lstat(path, &st) == 0)
		guards_know(g, path, &st);
}

static void guards_add(struct repository_guards *g, const char *path, bool readonly)
{
	struct repository_known *known;
	struct stat st;

	/* A link is not mounted over. */
	if (lstat(path, &st) != 0 || S_ISLNK(st.st_mode))
		return;
	known = guards_know(g, path, &st);
	if (known->guard) {
		g->all[known->guard - 1].readonly |= readonly;
		return;
	}
	if (g->count == REPOSITORY_MAX_GUARDS)
		return;
	g->all[g->count++] = (struct mounts_guard){known->path, readonly};
	known->guard = g->count;
}

static void guards_add_below(
    struct repository_guards *g, const char *dir, const char *name, bool readonly)
{
	char path[REPOSITORY_MAX_PATH + 300];

	snprintf(path, sizeof path, "%s/%s", dir, name);
	guards_add(g, path, readonly);
}

/* All directories from below the workspace down to dir stay where they are, so that nothing else
 * can take the place of what lies there. */
static void guards_add_way(struct repository_guards *g, const char *workspace, const char *dir)
{
	char path[REPOSITORY_MAX_PATH];
	size_t n = strlen(workspace);

	for (const char *p = dir + n; *p;) {
		p += strcspn(p + 1, "/") + 1;
		snprintf(path, sizeof path, "%.*s", (int)(p - dir), dir);
		guards_add(g, path, false);
	}
}

/* The `.git` file of a submodule's worktree: the repository around it goes where it leads. */
static void guards_add_submodule(
    struct repository_guards *g, const char *git, const char *value, const char *workspace)
{
	char at[REPOSITORY_MAX_PATH];

	if (!repository_resolve(git, value, at) || !mounts_within(at, workspace) ||
	    strcmp(at, workspace) == 0)
		return;
	guards_add_way(g, workspace, at);
	guards_add_below(g, at, ".git", true);
}

struct guards_name {
	struct repository_guards *guards;
	const char *git, *workspace;
};

/* The path without a link but its last part, as far as it is there: what follows is kept. */
static bool guards_plain(const char *spelled, char *out)
{
	char way[3 * REPOSITORY_MAX_PATH], real[PATH_MAX];
	const char *rest = spelled + strlen(spelled);

	while (rest > spelled && rest[-1] == '/')
		rest--;
	for (;;) {
		while (rest > spelled && rest[-1] != '/')
			rest--;
		if (rest == spelled)
			return false;
		snprintf(way, sizeof way, "%.*s", (int)(rest - spelled), spelled);
		if (realpath(way, real))
			break;
		while (rest > spelled && rest[-1] == '/')
			rest--;
	}
	/* `..` behind what is not there leads nowhere. */
	return !strstr(rest, "..") &&
	       snprintf(out, REPOSITORY_MAX_PATH, "%s/%s", strcmp(real, "/") == 0 ? "" : real,
		   rest) < REPOSITORY_MAX_PATH;
}

static void guards_add_name(struct repository_guards *g, const char *spelled, const char *plain,
    const char *real, bool whole)
{
	struct repository_named *n;
	struct stat st = {0};

	for (size_t i = 0; i < g->named_count; i++)
		if (strcmp(g->named[i].spelled, spelled) == 0)
			return;
	if (g->named_count == REPOSITORY_MAX_NAMED) {
		g->incomplete = true;
		return;
	}
	if (real && stat(real, &st) != 0)
		real = NULL;
	n = &g->named[g->named_count++];
	*n = (struct repository_named){.spelled = mem_strdup(spelled),
	    .path = mem_strdup(plain),
	    .real = real ? mem_strdup(real) : NULL,
	    .whole = whole,
	    .dev = st.st_dev,
	    .ino = st.st_ino};
	if (real)
		guards_add(g, real, true);
}

/* A directory of hooks that is the workspace, or holds it: all of it cannot be read-only. */
static void guards_add_hooks(struct repository_guards *g, const char *dir)
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
		guards_add_name(g, path, path, path, false);
	}
}

static void guards_take_name(void *data, const char *spelled, enum named_kind kind)
{
	const struct guards_name *n = data;
	char plain[REPOSITORY_MAX_PATH], real[REPOSITORY_MAX_PATH];
	bool there = repository_resolve("/", spelled, real), whole = kind == NAMED_PATH;

	if (there && whole && strcmp(real, n->workspace) == 0) {
		guards_add_hooks(n->guards, real);
		return;
	}
	/* A word of a command may be any directory. */
	if (there ? !whole && !repository_is_kind(real, S_IFREG) : kind == NAMED_WORD)
		return;
	if (!guards_plain(spelled, plain))
		return;
	if (there && !mounts_within(real, n->workspace))
		there = false;
	/* Git's own directory is guarded for itself, and must stay writable where it is. */
	if ((!there && !mounts_within(plain, n->workspace)) ||
	    mounts_within(there ? real : plain, n->git) || strcmp(plain, n->workspace) == 0)
		return;
	guards_add_name(n->guards, spelled, plain, there ? real : NULL, whole);
}

/* The directory of the worktree that git (of a linked one, or a submodule) belongs to. */
static bool guards_worktree(const char *git, char *out)
{
	char path[REPOSITORY_MAX_PATH + 16], line[REPOSITORY_MAX_PATH];
	char *slash;

	snprintf(path, sizeof path, "%s/gitdir", git);
	if (!repository_line(path, "", line, sizeof line) || !repository_resolve(git, line, out))
		return false;
	slash = strrchr(out, '/');
	if (slash)
		*slash = '\0';
	return slash && out[0];
}

struct guards_bases {
	char all[NAMED_MAX_BASES][REPOSITORY_MAX_PATH];
	size_t count;
};

static char *guards_base(struct guards_bases *b)
{
	return b->all[b->count < NAMED_MAX_BASES ? b->count : NAMED_MAX_BASES - 1];
}

/* All directories that a relative path in the configuration of git may start from. */
static void guards_find_bases(
    const char *git, const char *top, const char *workspace, struct guards_bases *b)
{
	char holder[REPOSITORY_MAX_PATH + 16], one[2 * REPOSITORY_MAX_PATH];
	const char *slash = strrchr(git, '/');
	struct dirent *e;
	DIR *d;

	b->count = 0;
	snprintf(b->all[b->count++], REPOSITORY_MAX_PATH, "%s", git);
	snprintf(
	    b->all[b->count++], REPOSITORY_MAX_PATH, "%.*s", (int)(slash ? slash - git : 0), git);
	snprintf(b->all[b->count++], REPOSITORY_MAX_PATH, "%s", workspace);
	if (top && top[0])
		snprintf(b->all[b->count++], REPOSITORY_MAX_PATH, "%s", top);
	if (guards_worktree(git, guards_base(b)))
		b->count++;
	snprintf(holder, sizeof holder, "%s/worktrees", git);
	d = opendir(holder);
	while (d && b->count < NAMED_MAX_BASES && (e = readdir(d))) {
		snprintf(one, sizeof one, "%s/%s", holder, e->d_name);
		if (e->d_name[0] != '.' && strlen(one) < REPOSITORY_MAX_PATH &&
		    guards_worktree(one, guards_base(b)) &&
		    mounts_within(guards_base(b), workspace))
			b->count++;
	}
	if (d)
		closedir(d);
}

/* The worktree that the configuration itself gives: a submodule's. */
static void guards_take_worktree(
    struct repository_guards *g, const char *git, const char *workspace, struct guards_bases *b)
{
	char path[REPOSITORY_MAX_PATH + 16], value[REPOSITORY_MAX_PATH];
	struct buf text = {0};
	struct str rest, line, key;

	snprintf(path, sizeof path, "%s/config", git);
	if (!repository_is_kind(path, S_IFREG) ||
	    file_read(path, REPOSITORY_MAX_TEXT, &text, NULL) != 0)
		return;
	for (rest = (struct str){text.p, text.len}; rest.n;) {
		rest = str_cut(rest, '\n', &line);
		line = str_trim(str_cut(line, '=', &key));
		key = str_trim(key);
		if (line.n > 1 && line.p[0] == '"' && line.p[line.n - 1] == '"')
			line = (struct str){line.p + 1, line.n - 2};
		if (!line.n || line.n >= sizeof value || key.n != 8 ||
		    strncasecmp(key.p, "worktree", 8) != 0)
			continue;
		snprintf(value, sizeof value, "%.*s", (int)line.n, line.p);
		guards_add_submodule(g, git, value, workspace);
		if (b->count < NAMED_MAX_BASES && repository_resolve(git, value, guards_base(b)))
			b->count++;
	}
	buf_finish(&text);
}

/* Files in the workspace that the configuration names. top: of the worktree, NULL or "": unknown.
 */
static void guards_add_named(
    struct repository_guards *g, const char *git, const char *top, const char *workspace)
{
	static const char *const files[] = {"config", "config.worktree"};
	static struct guards_bases bases; /* large */
	struct guards_name name = {g, git, workspace};
	struct named named = {.home = g->home, .data = &name, .found = guards_take_name};
	char path[REPOSITORY_MAX_PATH + 32];

	guards_find_bases(git, top, workspace, &bases);
	guards_take_worktree(g, git, workspace, &bases);
	for (size_t i = 0; i < bases.count; i++)
		named.bases[named.base_count++] = bases.all[i];
	for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
		snprintf(path, sizeof path, "%s/%s", git, files[i]);
		named_find(&named, path);
	}
	/* The person's own settings hold in each repository. */
	if (top && g->home) {
		snprintf(path, sizeof path, "%s/.gitconfig", g->home);
		named_find(&named, path);
		snprintf(path, sizeof path, "%s/.config/git/config", g->home);
		named_find(&named, path);
		named_find(&named, "/etc/gitconfig");
	}
}

bool repository_names(const struct repository_guards *g, const char *path)
{
	for (size_t i = 0; i < g->named_count; i++) {
		const struct repository_named *n = &g->named[i];
		const char *const places[] = {n->path, n->real};

		for (size_t k = 0; k < 2; k++)
			if (places[k] && (n->whole ? mounts_within(path, places[k])
						   : strcmp(path, places[k]) == 0))
				return true;
	}
	return false;
}

static void guards_add_absent(struct repository_guards *g, const char *git, const char *name)
{
	char path[REPOSITORY_MAX_PATH + 300];
	struct stat st;

	snprintf(path, sizeof path, "%s/%s", git, name);
	if (g->absent_count < REPOSITORY_MAX_ABSENT && lstat(path, &st) != 0)
		g->absent[g->absent_count++] = mem_strdup(path);
}

/* What is not there could be made: empty it does nothing, and then it is there to be guarded. */
static void guards_make_places(const char *git)
{
	static const char *const places[] = {"hooks", "info"};
	char path[REPOSITORY_MAX_PATH + 300];
	int fd;

	for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
		snprintf(path, sizeof path, "%s/%s", git, places[i]);
		/* Without power to make it neither can a tool. */
		(void)mkdir(path, 0755);
	}
	snprintf(path, sizeof path, "%s/config", git);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
	if (fd >= 0)
		close(fd);
}

/* A git directory, or what a command has left of one. */
static bool repository_was(const char *path)
{
	static const char *const parts[] = {"config", "commondir", "HEAD"};
	char part[REPOSITORY_MAX_PATH + 16];

	for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
		snprintf(part, sizeof part, "%s/%s", path, parts[i]);
		if (repository_is_kind(part, S_IFREG))
			return true;
	}
	return false;
}

static void guards_add_git(
    struct repository_guards *g, const char *git, const char *workspace, int depth);

/* The git directories of submodules, whose names may have slashes, or of linked worktrees. */
static void guards_add_held(
    struct repository_guards *g, const char *holder, const char *workspace, int depth)
{
	DIR *d = repository_is_kind(holder, S_IFDIR) ? opendir(holder) : NULL;
	struct dirent *e;

	if (!d)
		return;
	guards_add(g, holder, false);
	while ((e = readdir(d))) {
		char path[REPOSITORY_MAX_PATH];
		int n = snprintf(path, sizeof path, "%s/%s", holder, e->d_name);

		if (e->d_name[0] == '.' || n >= (int)sizeof path ||
		    !repository_is_kind(path, S_IFDIR))
			continue;
		if (repository_was(path))
			guards_add_git(g, path, workspace, depth);
		else if (depth > 0)
			guards_add_held(g, path, workspace, depth - 1);
	}
	closedir(d);
}

/* The directory stays where it is; within it, what makes git run something stays as it is. */
static void guards_add_git(
    struct repository_guards *g, const char *git, const char *workspace, int depth)
{
	static const char *const fixed[] = {
	    "config", "config.worktree", "hooks", "info", "commondir", "gitdir"};
	char path[REPOSITORY_MAX_PATH + 300];

	guards_add(g, git, false);
	/* A linked worktree has these in the common directory. */
	snprintf(path, sizeof path, "%s/commondir", git);
	if (!g->notes && !repository_is_kind(path, S_IFREG))
		guards_make_places(git);
	for (size_t i = 0; i < sizeof fixed / sizeof fixed[0]; i++)
		guards_add_below(g, git, fixed[i], true);
	guards_add_absent(g, git, "commondir");
	guards_add_absent(g, git, "config.worktree");
	guards_add_named(g, git, NULL, workspace);
	if (depth <= 0)
		return;
	snprintf(path, sizeof path, "%s/modules", git);
	guards_add_held(g, path, workspace, depth - 1);
	snprintf(path, sizeof path, "%s/worktrees", git);
	guards_add_held(g, path, workspace, depth - 1);
}

struct guards_look {
	struct repository_guards *guards;
	const char *workspace;
};

bool repository_guards_name(const char *name)
{
	/* Checkouts and merges change these; what they name must be in the configuration too. */
	return strcmp(name, ".gitattributes") != 0 && strcmp(name, ".gitmodules") != 0 &&
	       control_name(name, strlen(name));
}

bool repository_file_is_sound(
    const char *dir, const char *workspace, const struct repository_guards *known, char *at)
{
	char path[REPOSITORY_MAX_PATH + 8], line[REPOSITORY_MAX_PATH];

	if (strlen(dir) >= REPOSITORY_MAX_PATH)
		return false;
	snprintf(path, sizeof path, "%s/.git", dir);
	if (!repository_line(path, "gitdir: ", line, sizeof line) ||
	    !repository_resolve(dir, line, at))
		return false;
	return !mounts_within(at, workspace) || map_get(&known->known, at) ||
	       strstr(at, "/.git/modules/") != NULL || strstr(at, "/.git/worktrees/") != NULL;
}

static void guards_add_link(struct repository_guards *g, const char *path)
{
	char target[REPOSITORY_MAX_PATH];
	ssize_t n = readlink(path, target, sizeof target - 1);

	if (n <= 0 || g->link_count == REPOSITORY_MAX_LINKS)
		return;
	target[n] = '\0';
	g->links[g->link_count].path = mem_strdup(path);
	g->links[g->link_count++].target = mem_strdup(target);
}

/* Package managers remove and replace these, which nothing that is mounted allows. */
static bool look_only_watches(const char *path)
{
	return strstr(path, "/node_modules/") != NULL;
}

static bool look_enter(void *data, const char *path)
{
	const struct guards_look *l = data;

	return look_only_watches(path) || l->guards->count == REPOSITORY_MAX_GUARDS;
}

static void look_at_entry(void *data, int dir, const char *at_dir, const char *name)
{
	struct guards_look *l = data;
	char path[REPOSITORY_MAX_PATH], line[REPOSITORY_MAX_PATH], at[REPOSITORY_MAX_PATH];

	if (snprintf(path, sizeof path, "%s/%s", at_dir, name) >= (int)sizeof path) {
		l->guards->incomplete = true;
		return;
	}
	if (repository_is_kind(path, S_IFLNK)) {
		guards_add_link(l->guards, path);
		return;
	}
	if (strcmp(name, ".git") == 0 && repository_is_kind(path, S_IFDIR)) {
		/* Also what a command has left of one: git makes it whole again around its
		   configuration. */
		guards_add_git(l->guards, path, l->workspace, 3);
		return;
	}
	if (strcmp(name, ".git") != 0 && look_only_watches(path)) {
		guards_watch(l->guards, path);
		return;
	}
	/* A submodule: the repository around it goes into it. */
	if (strcmp(name, ".git") == 0 && repository_line(path, "gitdir: ", line, sizeof line) &&
	    repository_resolve(at_dir, line, at) && mounts_within(at, l->workspace))
		guards_add_way(l->guards, l->workspace, at_dir);
	guards_add(l->guards, path, true);
}

/* A bare one. */
static void look_at_git(void *data, int dir, const char *path)
{
	struct guards_look *l = data;

	if (strcmp(path, l->workspace) != 0 && strlen(path) < REPOSITORY_MAX_PATH)
		guards_add_git(l->guards, path, l->workspace, 3);
}

static void guards_find(
    const char *workspace, const struct repository *r, bool writable, struct repository_guards *ret)
{
	struct guards_look data = {.guards = ret, .workspace = workspace};
	struct look look = {.root = workspace,
	    .entries = LOOK_ENTRIES,
	    .us = LOOK_US,
	    .data = &data,
	    .enter = look_enter,
	    .entry = look_at_entry,
	    .git = look_at_git};

	clock_gettime(CLOCK_REALTIME_COARSE, &ret->start);
	/* Outside the workspace it is read-only as it is. */
	if (r->git[0] && (!r->outside || writable)) {
		guards_add_git(ret, r->common, workspace, 3);
		if (strcmp(r->git, r->common) != 0)
			guards_add_git(ret, r->git, workspace, 0);
	}
	if (r->git[0])
		guards_add_named(ret, r->common, r->top, workspace);
	if (r->git[0] && strcmp(r->git, r->common) != 0)
		guards_add_named(ret, r->git, r->top, workspace);
	if (!look_through(&look))
		ret->incomplete = true;
}

static void guards_reset(struct repository_guards *g, const char *home, bool notes)
{
	memset(g, 0, sizeof *g);
	g->home = home;
	g->notes = notes;
}

void repository_guard(const char *workspace, const struct repository *r, bool writable,
    const char *home, struct repository_guards *ret)
{
	guards_reset(ret, home, false);
	guards_find(workspace, r, writable, ret);
	if (home && mounts_within(home, workspace) && strcmp(home, workspace) != 0)
		guards_add(ret, home, true);
}

void repository_note(const char *workspace, const struct repository *r, const char *home,
    struct repository_guards *ret)
{
	guards_reset(ret, home, true);
	guards_find(workspace, r, false, ret);
}

void repository_guards_finish(struct repository_guards *g)
{
	struct repository_known *known;
	size_t at = 0;

	while ((known = map_next(&g->known, &at))) {
		free(known->path);
		free(known);
	}
	map_finish(&g->known);
	for (size_t i = 0; i < g->named_count; i++) {
		free(g->named[i].spelled);
		free(g->named[i].path);
		free(g->named[i].real);
	}
	g->named_count = 0;
	for (size_t i = 0; i < g->absent_count; i++)
		free(g->absent[i]);
	for (size_t i = 0; i < g->link_count; i++) {
		free(g->links[i].path);
		free(g->links[i].target);
	}
	g->count = g->absent_count = g->link_count = 0;
}
