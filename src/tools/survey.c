/* Looking at a workspace; gitrepository-layout(5), git-worktree(1). */
#include "tools/survey.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tools/control.h"
#include "tools/guards.h"
#include "tools/look.h"
#include "tools/repository.h"
#include "tools/settings.h"
#include "tools/way.h"

enum {
	SURVEY_HELD_DEPTH = 16, /* of submodules' names, which may have slashes */
};

bool survey_name(const char *name)
{
	/* Checkouts and merges change these; what they name must be in the configuration too. */
	return strcasecmp(name, ".gitattributes") != 0 && strcasecmp(name, ".gitmodules") != 0 &&
	       control_name(name, strlen(name));
}

/* --- one git directory --- */

/* What is not there could be made: empty it does nothing, and then it is there to be guarded. */
static void survey_make_places(const char *git)
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

static void survey_git(struct guards *g, const char *git, int depth);

/* What lies in the directory can be seen now, until the end of the look. */
static void survey_open(struct guards *g, const char *path)
{
	int fd = look_open_at(path);

	if (fd >= 0)
		close(fd);
	else if (errno != ENOENT && errno != ENOTDIR)
		guards_miss(g, "%.400s cannot be read: %s", path, strerror(errno));
}

static void survey_held(struct guards *g, const char *holder, int depth);

/* What lies at path: a git directory, a directory on the way to some, or a link to one of these. */
static void survey_held_at(struct guards *g, const char *path, int depth)
{
	char real[WAY_MAX_PATH];
	bool link = repository_is_kind(path, S_IFLNK);

	if (way_follow(path, real, NULL, NULL) != WAY_THERE || !repository_is_kind(real, S_IFDIR))
		return;
	if (link)
		guards_add_links_of(g, path);
	/* Elsewhere nothing can be written. */
	if (link && !mounts_within(real, g->workspace))
		return;
	survey_open(g, real);
	if (depth <= 0)
		guards_miss(g, "the repositories in %.400s lie too deep", real);
	else if (repository_was(real))
		survey_git(g, real, depth - 1);
	else
		survey_held(g, real, depth - 1);
}

/* The git directories of submodules, whose names may have slashes, or of linked worktrees. */
static void survey_held(struct guards *g, const char *holder, int depth)
{
	int fd = look_open_at(holder);
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
	char path[REPOSITORY_MAX_PATH];
	struct dirent *e;

	if (!d) {
		guards_miss(g, "%.400s cannot be read: %s", holder, strerror(errno));
		return;
	}
	guards_add(g, holder, false);
	while ((e = readdir(d))) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		if (snprintf(path, sizeof path, "%s/%s", holder, e->d_name) >= (int)sizeof path)
			guards_miss(g, "a path in %.400s is too long to be looked at", holder);
		else
			survey_held_at(g, path, depth);
	}
	closedir(d);
}

/* The directory stays where it is; within it, what makes git run something stays as it is. */
static void survey_git(struct guards *g, const char *git, int depth)
{
	static const char *const fixed[] = {
	    "config", "config.worktree", "hooks", "info", "commondir", "gitdir"};
	static const char *const places[] = {"hooks", "info"};
	static const char *const holders[] = {"modules", "worktrees"};
	char path[REPOSITORY_MAX_PATH + 300];

	if (!guards_add_git(g, git))
		return;
	survey_open(g, git);
	/* A linked worktree has these in the common directory. */
	snprintf(path, sizeof path, "%s/commondir", git);
	if (!g->notes && !repository_is_kind(path, S_IFREG))
		survey_make_places(git);
	for (size_t i = 0; i < sizeof fixed / sizeof fixed[0]; i++)
		guards_add_below(g, git, fixed[i], true);
	for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
		snprintf(path, sizeof path, "%s/%s", git, places[i]);
		if (repository_is_kind(path, S_IFDIR))
			guards_add_links_in(g, path);
	}
	guards_add_absent(g, git, "commondir");
	guards_add_absent(g, git, "config.worktree");
	settings_guard(g, git, NULL);
	for (size_t i = 0; i < sizeof holders / sizeof holders[0]; i++) {
		snprintf(path, sizeof path, "%s/%s", git, holders[i]);
		survey_held_at(g, path, depth);
	}
}

/* --- all of the workspace --- */

/* Package managers remove and replace these, which nothing that is mounted allows. */
static bool survey_only_watches(const char *path)
{
	return strstr(path, "/node_modules/") != NULL;
}

static bool survey_enter(void *data, const char *path)
{
	const struct guards *g = data;

	/* What is not read-only as a whole may get more. */
	return survey_only_watches(path) || g->missing[0];
}

/* A `.git` that leads elsewhere: a file, or a link to one or to a directory. */
static void survey_git_file(struct guards *g, const char *path, const char *dir)
{
	char line[REPOSITORY_MAX_PATH], at[REPOSITORY_MAX_PATH], common[REPOSITORY_MAX_PATH];
	bool file = repository_line(path, "gitdir: ", line, sizeof line);

	if (file ? !repository_resolve(dir, line, at) : !repository_resolve("/", path, at))
		return;
	/* A submodule: the repository around it goes into it. */
	if (file && mounts_within(at, g->workspace))
		guards_add_way(g, dir);
	if (!control_git_directory(at) && !repository_was(at))
		return;
	repository_common(at, common);
	if (mounts_within(at, g->workspace))
		survey_git(g, at, SURVEY_HELD_DEPTH);
	settings_guard(g, common, dir);
	if (strcmp(at, common) != 0)
		settings_guard(g, at, dir);
}

/* A control file that is a link, or a directory that may hold some. */
static void survey_control(struct guards *g, const char *path)
{
	if (survey_only_watches(path)) {
		guards_watch(g, path);
		if (repository_is_kind(path, S_IFLNK))
			guards_add_links_of(g, path);
		return;
	}
	guards_add(g, path, true);
	if (repository_is_kind(path, S_IFDIR))
		guards_add_links_in(g, path);
}

static void survey_entry(void *data, int dir, const char *at_dir, const char *name)
{
	struct guards *g = data;
	char path[REPOSITORY_MAX_PATH];
	bool git = strcmp(name, ".git") == 0;

	if (snprintf(path, sizeof path, "%s/%s", at_dir, name) >= (int)sizeof path) {
		guards_miss(g, "a path in %.400s is too long to be looked at", at_dir);
		return;
	}
	if (git && repository_is_kind(path, S_IFDIR)) {
		/* Also what a command has left of one: git makes it whole again around its
		   configuration. */
		survey_git(g, path, SURVEY_HELD_DEPTH);
		return;
	}
	if (git && repository_is_kind(path, S_IFLNK))
		guards_add_links_of(g, path);
	if (git)
		survey_git_file(g, path, at_dir);
	if (!git || repository_is_kind(path, S_IFREG))
		survey_control(g, path);
}

/* A bare one. */
static void survey_bare(void *data, int dir, const char *path)
{
	struct guards *g = data;

	if (strcmp(path, g->workspace) != 0 && strlen(path) < REPOSITORY_MAX_PATH)
		survey_git(g, path, SURVEY_HELD_DEPTH);
}

void survey(struct guards *g, const struct repository *r, bool writable)
{
	struct look look = {.root = g->workspace,
	    .entries = LOOK_ENTRIES,
	    .us = LOOK_US,
	    .data = g,
	    .enter = survey_enter,
	    .entry = survey_entry,
	    .git = survey_bare};

	/* Outside the workspace it is read-only as it is. */
	if (r->git[0] && (!r->outside || writable)) {
		survey_git(g, r->common, SURVEY_HELD_DEPTH);
		if (strcmp(r->git, r->common) != 0)
			survey_git(g, r->git, SURVEY_HELD_DEPTH);
	}
	if (r->git[0])
		settings_guard(g, r->common, r->top);
	if (r->git[0] && strcmp(r->git, r->common) != 0)
		settings_guard(g, r->git, r->top);
	if (!look_through(&look))
		guards_miss(g, "%s", look.why);
	if (!g->notes && g->home && mounts_within(g->home, g->workspace) &&
	    strcmp(g->home, g->workspace) != 0)
		guards_add(g, g->home, true);
}
