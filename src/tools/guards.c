/* The list of what is guarded. */
#include "tools/guards.h"

#include <dirent.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"
#include "tools/look.h"
#include "tools/way.h"

enum {
	GUARDS_MAX_DEPTH = 64,	/* of directories that are looked through for links */
	GUARDS_MAX_NESTED = 16, /* of links to directories with links */
};

void guards_init(struct guards *g, const char *workspace, const char *home, bool notes)
{
	*g = (struct guards){.workspace = workspace, .home = home, .notes = notes};
	clock_gettime(CLOCK_REALTIME_COARSE, &g->start);
}

void guards_finish(struct guards *g)
{
	struct guards_known *known;
	struct guards_named *named;
	struct guards_link *link;
	size_t at = 0;

	while ((known = map_next(&g->known, &at))) {
		free(known->path);
		free(known);
	}
	for (at = 0; (named = map_next(&g->named, &at));) {
		free(named->spelled);
		free(named->path);
		free(named);
	}
	for (at = 0; (link = map_next(&g->links, &at));) {
		free(link->path);
		free(link->target);
		free(link);
	}
	for (size_t i = 0; i < g->absent_count; i++)
		free(g->absent[i]);
	map_finish(&g->known);
	map_finish(&g->mounted);
	map_finish(&g->named);
	map_finish(&g->links);
	free(g->absent);
	free(g->all);
	*g = (struct guards){0};
}

void guards_miss(struct guards *g, const char *fmt, ...)
{
	va_list ap;

	if (g->missing[0])
		return;
	va_start(ap, fmt);
	vsnprintf(g->missing, sizeof g->missing, fmt, ap);
	va_end(ap);
}

/* Room for one more of `size` bytes. */
static void *guards_grow(void *p, size_t count, size_t *cap, size_t size)
{
	if (count < *cap)
		return p;
	*cap = *cap ? *cap * 2 : 64;
	return mem_realloc(p, *cap * size);
}

/* --- files and directories --- */

static void guards_put_inode(char *out, size_t size, dev_t dev, ino_t ino)
{
	snprintf(out, size, "%llx:%llx", (unsigned long long)dev, (unsigned long long)ino);
}

bool guards_holds(const struct guards *g, dev_t dev, ino_t ino)
{
	char inode[48];

	guards_put_inode(inode, sizeof inode, dev, ino);
	return map_get(&g->mounted, inode) != NULL;
}

static struct guards_known *guards_know(struct guards *g, const char *path, const struct stat *st)
{
	struct guards_known *known = map_get(&g->known, path);

	if (known)
		return known;
	known = mem_alloc(sizeof *known);
	*known =
	    (struct guards_known){.path = mem_strdup(path), .dev = st->st_dev, .ino = st->st_ino};
	guards_put_inode(known->inode, sizeof known->inode, st->st_dev, st->st_ino);
	map_put(&g->known, known->path, known);
	return known;
}

const struct guards_known *guards_known(const struct guards *g, const char *path)
{
	return map_get(&g->known, path);
}

void guards_watch(struct guards *g, const char *path)
{
	struct stat st;

	if (lstat(path, &st) == 0)
		guards_know(g, path, &st);
}

void guards_add(struct guards *g, const char *path, bool readonly)
{
	struct guards_known *known;
	struct stat st;

	if (lstat(path, &st) != 0)
		return;
	if (S_ISLNK(st.st_mode)) {
		guards_add_named(g, path, true);
		return;
	}
	known = guards_know(g, path, &st);
	if (known->guard) {
		g->all[known->guard - 1].readonly |= readonly;
		return;
	}
	if (g->count == GUARDS_MAX) {
		guards_miss(g,
		    "more repositories here than can be guarded: there are more than %d files and "
		    "directories that git, a shell or an editor runs things from",
		    GUARDS_MAX);
		return;
	}
	g->all = guards_grow(g->all, g->count, &g->cap, sizeof *g->all);
	g->all[g->count++] = (struct mounts_guard){known->path, readonly};
	known->guard = g->count;
	map_put(&g->mounted, known->inode, known);
}

bool guards_add_git(struct guards *g, const char *path)
{
	struct guards_known *known;
	bool before;

	guards_add(g, path, false);
	known = map_get(&g->known, path);
	before = !known || known->surveyed;
	if (known)
		known->surveyed = true;
	return !before;
}

void guards_add_below(struct guards *g, const char *dir, const char *name, bool readonly)
{
	char path[WAY_MAX_PATH + 300];

	snprintf(path, sizeof path, "%s/%s", dir, name);
	guards_add(g, path, readonly);
}

void guards_add_way(struct guards *g, const char *dir)
{
	char path[WAY_MAX_PATH];
	size_t n = strlen(g->workspace);

	for (const char *p = dir + n; *p;) {
		p += strcspn(p + 1, "/") + 1;
		snprintf(path, sizeof path, "%.*s", (int)(p - dir), dir);
		guards_add(g, path, false);
	}
}

void guards_add_absent(struct guards *g, const char *dir, const char *name)
{
	char path[WAY_MAX_PATH + 300];
	struct stat st;

	snprintf(path, sizeof path, "%s/%s", dir, name);
	if (lstat(path, &st) == 0)
		return;
	if (g->absent_count == GUARDS_MAX_ABSENT) {
		guards_miss(g, "more repositories here than can be guarded: there are more than %d",
		    GUARDS_MAX_ABSENT / 2);
		return;
	}
	g->absent = guards_grow(g->absent, g->absent_count, &g->absent_cap, sizeof *g->absent);
	g->absent[g->absent_count++] = mem_strdup(path);
}

/* --- links, and what is named --- */

static bool guards_note_link(void *data, const char *path, const char *target)
{
	struct guards *g = data;
	struct guards_link *link;

	/* Elsewhere no command can change it. */
	if (!mounts_within(path, g->workspace) || map_get(&g->links, path))
		return true;
	if (g->links.len == GUARDS_MAX_LINKS) {
		guards_miss(
		    g, "more than %d links lead to files that are guarded", GUARDS_MAX_LINKS);
		return false;
	}
	link = mem_alloc(sizeof *link);
	*link = (struct guards_link){mem_strdup(path), mem_strdup(target)};
	map_put(&g->links, link->path, link);
	return true;
}

void guards_add_links_of(struct guards *g, const char *path)
{
	char real[WAY_MAX_PATH];

	way_follow(path, real, guards_note_link, g);
}

bool guards_knows_link(const struct guards *g, const char *path, const char *target)
{
	const struct guards_link *link = map_get(&g->links, path);

	return link && strcmp(link->target, target) == 0;
}

/* One entry of a directory whose links are followed. */
static void guards_add_entry(struct guards *g, const char *path, int depth);

static void guards_add_entries(struct guards *g, const char *dir, int depth)
{
	int fd = look_open_at(dir);
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *e;
	char path[WAY_MAX_PATH];

	if (!d && errno != ENOENT && errno != ENOTDIR)
		guards_miss(g, "%.400s cannot be read: %s", dir, strerror(errno));
	while (d && (e = readdir(d))) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		if (snprintf(path, sizeof path, "%s/%s", dir, e->d_name) >= (int)sizeof path)
			guards_miss(g, "a path in %.400s is too long to be looked at", dir);
		else if (e->d_type == DT_LNK || e->d_type == DT_DIR || e->d_type == DT_UNKNOWN)
			guards_add_entry(g, path, depth);
	}
	if (d)
		closedir(d);
}

static void guards_add_entry(struct guards *g, const char *path, int depth)
{
	struct stat st;

	if (lstat(path, &st) != 0)
		return;
	if (S_ISLNK(st.st_mode))
		guards_add_named(g, path, true);
	else if (S_ISDIR(st.st_mode) && depth > 0)
		guards_add_entries(g, path, depth - 1);
	else if (S_ISDIR(st.st_mode))
		guards_miss(g, "%.400s lies too deep to be looked at", path);
}

void guards_add_links_in(struct guards *g, const char *path)
{
	/* A link may lead to a directory with links in turn. */
	if (g->nested == GUARDS_MAX_NESTED) {
		guards_miss(g, "links lead from %.400s to more links", path);
		return;
	}
	g->nested++;
	guards_add_entries(g, path, GUARDS_MAX_DEPTH);
	g->nested--;
}

/* It lies in a directory that is read-only. */
static bool guards_covers(const struct guards *g, const char *path)
{
	char above[WAY_MAX_PATH];
	const struct guards_known *known;
	char *slash;

	snprintf(above, sizeof above, "%s", path);
	while ((slash = strrchr(above, '/')) && slash > above) {
		*slash = '\0';
		if (!mounts_within(above, g->workspace))
			return false;
		known = map_get(&g->known, above);
		if (known && known->guard && g->all[known->guard - 1].readonly)
			return true;
	}
	return false;
}

static void guards_guard_named(struct guards *g, struct guards_named *n, const struct stat *st)
{
	n->there = true;
	n->dev = st->st_dev;
	n->ino = st->st_ino;
	if (!mounts_within(n->path, g->workspace))
		return;
	if (strcmp(n->path, g->workspace) == 0) {
		guards_miss(g, "%.400s leads to the workspace itself", n->spelled);
		return;
	}
	/* Whoever guards a directory follows the links in it. */
	if (guards_covers(g, n->path))
		return;
	guards_add(g, n->path, true);
	if (n->whole && S_ISDIR(st->st_mode))
		guards_add_links_in(g, n->path);
}

void guards_add_named(struct guards *g, const char *spelled, bool whole)
{
	struct guards_named *n = map_get(&g->named, spelled);
	char real[WAY_MAX_PATH];
	enum way_end end;
	struct stat st;

	if (n && (n->whole || !whole))
		return;
	if (n) {
		n->whole = true;
		if (n->there && mounts_within(n->path, g->workspace))
			guards_add_links_in(g, n->path);
		return;
	}
	end = way_follow(spelled, real, guards_note_link, g);
	/* A link in circles leads nowhere, and is noted as it is. */
	if (end == WAY_NOWHERE)
		return;
	if (g->named.len == GUARDS_MAX_NAMED) {
		guards_miss(g, "more than %d files are named by links and by git's configuration",
		    GUARDS_MAX_NAMED);
		return;
	}
	n = mem_alloc(sizeof *n);
	*n = (struct guards_named){
	    .spelled = mem_strdup(spelled), .path = mem_strdup(real), .whole = whole};
	map_put(&g->named, n->spelled, n);
	if (end == WAY_THERE && lstat(real, &st) == 0)
		guards_guard_named(g, n, &st);
}

bool guards_names(const struct guards *g, const char *path)
{
	const struct guards_named *n;
	size_t at = 0;

	if (map_get(&g->links, path))
		return true;
	while ((n = map_next(&g->named, &at)))
		/* What holds the workspace would be all of it; that is missed instead. */
		if (n->whole ? mounts_within(path, n->path) && !mounts_within(g->workspace, n->path)
			     : strcmp(path, n->path) == 0)
			return true;
	return false;
}
