/* New git directories; gitrepository-layout(5). */
#include "tools/fresh.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "tools/aside.h"
#include "tools/guards.h"
#include "tools/look.h"
#include "tools/plain_config.h"
#include "tools/repository.h"
#include "tools/settings.h"
#include "tools/shelf.h"
#include "tools/way.h"

enum { FRESH_HELD_DEPTH = 16 }; /* of the names of submodules, which may have slashes */

static void fresh_free(char **names, size_t count)
{
	for (size_t i = 0; i < count; i++)
		free(names[i]);
	free(names);
}

static void fresh_config(struct shelf *s, int git, const char *path, const char *name)
{
	if (!shelf_is_held(s, git, name) && !plain_config(git, path, name, s->known->workspace))
		shelf_put(s, git, path, name);
}

static void fresh_hooks(struct shelf *s, int git, const char *path)
{
	static const char sample[] = ".sample";
	int hooks = look_open(git, "hooks");
	struct buf below = {0};
	size_t count = 0;
	char **names;

	if (hooks < 0) {
		if (errno != ENOENT)
			shelf_put(s, git, path, "hooks");
		return;
	}
	buf_addf(&below, "%s/hooks", path);
	names = shelf_names(s, hooks, &count);
	for (size_t i = 0; i < count; i++) {
		size_t n = strlen(names[i]), end = sizeof sample - 1;

		if (!(n > end && strcmp(names[i] + n - end, sample) == 0) &&
		    !strstr(names[i], ASIDE_SUFFIX))
			shelf_put(s, hooks, buf_cstr(&below), names[i]);
	}
	fresh_free(names, count);
	buf_finish(&below);
	close(hooks);
}

static void fresh_info(struct shelf *s, int git, const char *path)
{
	int info = look_open(git, "info");
	struct buf below = {0};

	if (info < 0) {
		if (errno != ENOENT)
			shelf_put(s, git, path, "info");
		return;
	}
	buf_addf(&below, "%s/info", path);
	if (shelf_has(info, "attributes"))
		shelf_put(s, info, buf_cstr(&below), "attributes");
	buf_finish(&below);
	close(info);
}

/* In a worktree's own directory it names the repository, and git writes it in one way. */
static bool fresh_common_ok(int git, bool linked)
{
	static const char usual[] = "../..\n";
	int fd =
	    linked ? openat(git, "commondir", O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC) : -1;
	char text[sizeof usual];
	bool good = fd >= 0 && read(fd, text, sizeof text) == (ssize_t)sizeof usual - 1 &&
		    memcmp(text, usual, sizeof usual - 1) == 0;

	if (fd >= 0)
		close(fd);
	return good;
}

static void fresh_held(
    struct shelf *s, int dir, const char *path, const char *name, bool linked, int depth);

static void fresh_git_in(struct shelf *s, int git, const char *path, bool linked, int depth)
{
	struct stat st;

	if (fstat(git, &st) != 0)
		return;
	if (!shelf_is_known(s, path, &st)) {
		fresh_config(s, git, path, "config");
		fresh_config(s, git, path, "config.worktree");
		if (!shelf_is_held(s, git, "hooks"))
			fresh_hooks(s, git, path);
		if (!shelf_is_held(s, git, "info"))
			fresh_info(s, git, path);
		if (shelf_has(git, "commondir") && !shelf_is_held(s, git, "commondir") &&
		    !fresh_common_ok(git, linked))
			shelf_put(s, git, path, "commondir");
	}
	fresh_held(s, git, path, "modules", false, depth);
	fresh_held(s, git, path, "worktrees", true, depth);
}

void fresh_git(struct shelf *s, int git, const char *path, bool linked)
{
	fresh_git_in(s, git, path, linked, FRESH_HELD_DEPTH);
}

/* What a git directory has for itself: nothing in it is another one. */
static bool fresh_is_gits_own(const char *name)
{
	static const char *const own[] = {
	    "objects", "refs", "logs", "hooks", "info", "modules", "worktrees"};

	for (size_t i = 0; i < sizeof own / sizeof own[0]; i++)
		if (strcmp(own[i], name) == 0)
			return true;
	return false;
}

/* One entry of a directory of git directories. */
static void fresh_held_entry(
    struct shelf *s, int holder, const char *path, const char *name, bool linked, int depth)
{
	struct buf below = {0};
	struct stat st;
	int one;

	if (fstatat(holder, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
		return;
	if (S_ISLNK(st.st_mode) && shelf_changed(s, holder, name))
		shelf_put(s, holder, path, name);
	if (!S_ISDIR(st.st_mode))
		return;
	one = look_open(holder, name);
	if (one < 0 && errno != ENOENT && !look_is_shut(holder, name))
		s->full = true;
	if (one < 0)
		return;
	buf_addf(&below, "%s/%s", path, name);
	if (shelf_has(one, "HEAD") || shelf_has(one, "config") || shelf_has(one, "commondir"))
		fresh_git_in(s, one, buf_cstr(&below), linked, depth - 1);
	close(one);
	fresh_held(s, holder, path, name, false, depth - 1);
	buf_finish(&below);
}

/* The git directories of submodules, whose names may have slashes, or of linked worktrees: `name`
 * in the directory dir. */
static void fresh_held(
    struct shelf *s, int dir, const char *path, const char *name, bool linked, int depth)
{
	struct buf full = {0};
	int holder = look_open(dir, name);
	size_t count = 0;
	char **names;
	bool own;

	if (holder < 0) {
		if (errno != ENOENT && shelf_changed(s, dir, name))
			shelf_put(s, dir, path, name);
		return;
	}
	s->full |= depth <= 0;
	buf_addf(&full, "%s/%s", path, name);
	own = shelf_has(holder, "HEAD");
	names = shelf_names(s, holder, &count);
	for (size_t i = 0; i < count && depth > 0; i++)
		if (!own || !fresh_is_gits_own(names[i]))
			fresh_held_entry(s, holder, buf_cstr(&full), names[i], linked, depth);
	fresh_free(names, count);
	close(holder);
	buf_finish(&full);
}

void fresh_git_at(struct shelf *s, const char *path)
{
	int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	int git = root >= 0 && path[0] == '/' && path[1] ? look_open(root, path + 1) : -1;
	const char *last = strrchr(path, '/'), *holder = strstr(path, "/.git/worktrees/");
	bool linked = holder && holder + sizeof "/.git/worktrees/" - 2 == last;

	s->full |= git < 0 && errno != ENOENT;
	if (git >= 0) {
		fresh_git(s, git, path, linked);
		close(git);
	}
	if (root >= 0)
		close(root);
}

/* --- worktrees --- */

struct fresh_names {
	struct shelf *shelf;
	bool older; /* one of them is as old as the person's own files */
};

static void fresh_take_name(void *data, const char *spelled, bool whole)
{
	struct fresh_names *n = data;
	struct shelf *s = n->shelf;
	char real[WAY_MAX_PATH], parent[WAY_MAX_PATH];
	struct stat st;
	char *slash;
	int dir;

	if (way_follow(spelled, real, NULL, NULL) != WAY_THERE ||
	    !mounts_within(real, s->known->workspace) || lstat(real, &st) != 0 ||
	    shelf_is_known(s, real, &st) || guards_holds(s->known, st.st_dev, st.st_ino))
		return;
	snprintf(parent, sizeof parent, "%s", real);
	slash = strrchr(parent, '/');
	*slash = '\0';
	dir = open(parent, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (dir >= 0 && shelf_changed(s, dir, slash + 1))
		shelf_put(s, dir, parent, slash + 1);
	else
		n->older = true;
	if (dir >= 0)
		close(dir);
}

void fresh_worktree(struct shelf *s, const struct fresh_worktree *w)
{
	char common[REPOSITORY_MAX_PATH];
	struct fresh_names names = {.shelf = s};
	bool clear;

	repository_common(w->git, common);
	clear = settings_name(common, w->path, s->known, &names, fresh_take_name);
	if (strcmp(common, w->git) != 0)
		clear &= settings_name(w->git, w->path, s->known, &names, fresh_take_name);
	if (!clear || names.older)
		shelf_put(s, w->dir, w->path, w->name);
}
