/* Putting new control files aside. */
#include "tools/aside.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tools/control.h"
#include "tools/fresh.h"
#include "tools/guards.h"
#include "tools/look.h"
#include "tools/mounts.h"
#include "tools/repository.h"
#include "tools/shelf.h"
#include "tools/way.h"

struct aside {
	const char *workspace;
	const char *repository; /* the git directory outside that may be written, NULL: none */
	struct shelf shelf;
};

/* Put the file at path (real but for itself) aside. */
static void aside_at(struct shelf *s, const char *path)
{
	char parent[WAY_MAX_PATH];
	int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC), dir = -1;
	char *slash;

	snprintf(parent, sizeof parent, "%s", path);
	slash = strrchr(parent, '/');
	*slash = '\0';
	if (root >= 0 && parent[0])
		dir = look_open(root, parent + 1);
	if (dir >= 0)
		shelf_put(s, dir, parent, slash + 1);
	else if (errno != ENOENT && errno != ENOTDIR && errno != ELOOP)
		s->full = true;
	if (dir >= 0)
		close(dir);
	if (root >= 0)
		close(root);
}

/* --- links, and what is named --- */

/* What was a link of the person's is another one, or none. */
static void aside_links(struct shelf *s)
{
	const struct guards_link *link;
	size_t at = 0;

	while ((link = map_next(&s->known->links, &at))) {
		char target[WAY_MAX_PATH];
		ssize_t n = readlink(link->path, target, sizeof target - 1);

		if (n < 0 && errno != EINVAL)
			continue;
		target[n > 0 ? n : 0] = '\0';
		if (n < 0 || strcmp(target, link->target) != 0)
			aside_at(s, link->path);
	}
}

/* A link that was not there leads to a named file: it is what is new. */
static bool aside_new_link(void *data, const char *path, const char *target)
{
	struct shelf *s = data;

	if (!mounts_within(path, s->known->workspace) || guards_knows_link(s->known, path, target))
		return true;
	aside_at(s, path);
	return false;
}

/* Named files: another one than before stands in the place, or the first. */
static void aside_named(struct shelf *s)
{
	const struct guards_named *n;
	size_t at = 0;

	while ((n = map_next(&s->known->named, &at))) {
		char real[WAY_MAX_PATH];
		struct stat st;

		if (way_follow(n->spelled, real, aside_new_link, s) != WAY_THERE ||
		    !mounts_within(real, s->known->workspace) || lstat(real, &st) != 0 ||
		    (!n->whole && S_ISDIR(st.st_mode)) ||
		    (n->there && st.st_dev == n->dev && st.st_ino == n->ino))
			continue;
		aside_at(s, real);
	}
}

/* --- all of the workspace --- */

static bool aside_enter(void *data, const char *path)
{
	const struct aside *a = data;
	const struct guards_known *known = guards_known(a->shelf.known, path);

	/* In what is read-only there is nothing new. */
	return !known || !known->guard;
}

/* Would the person see another directory there? These are private for a command. */
static bool aside_is_private(const char *path)
{
	static const char *const covered[] = {"/tmp", "/run", "/dev", "/proc", "/sys"};

	for (size_t i = 0; i < sizeof covered / sizeof covered[0]; i++)
		if (mounts_within(path, covered[i]))
			return true;
	return false;
}

/* Where the new `.git` file in dir leads. False: to nothing that may be one. */
static bool aside_leads_to(const struct aside *a, const char *dir, char *at)
{
	char path[REPOSITORY_MAX_PATH + 8], line[REPOSITORY_MAX_PATH];

	if (strlen(dir) >= REPOSITORY_MAX_PATH)
		return false;
	snprintf(path, sizeof path, "%s/.git", dir);
	if (!repository_line(path, "gitdir: ", line, sizeof line) ||
	    !repository_resolve(dir, line, at))
		return false;
	if (!mounts_within(at, a->workspace))
		return !aside_is_private(at) && control_git_directory(at);
	return guards_known(a->shelf.known, at) || strstr(at, "/.git/modules/") ||
	       strstr(at, "/.git/worktrees/");
}

/* A `.git` file that is not known. */
static void aside_git_file(struct aside *a, int dir, const char *path)
{
	char at[REPOSITORY_MAX_PATH];

	if (!aside_leads_to(a, path, at)) {
		shelf_put(&a->shelf, dir, path, ".git");
		return;
	}
	if (mounts_within(at, a->workspace) || (a->repository && mounts_within(at, a->repository)))
		fresh_git_at(&a->shelf, at);
	fresh_worktree(&a->shelf, &(struct fresh_worktree){dir, path, ".git", at});
}

/* A `.git` directory. */
static void aside_git_directory(struct aside *a, int dir, const char *path, const char *full)
{
	int git = look_open(dir, ".git");
	struct stat st;

	if (git < 0) {
		if (errno != ENOENT && !look_is_shut(dir, ".git"))
			shelf_put(&a->shelf, dir, path, ".git");
		return;
	}
	fresh_git(&a->shelf, git, full, false);
	if (fstat(git, &st) == 0 && !shelf_is_known(&a->shelf, full, &st))
		fresh_worktree(&a->shelf, &(struct fresh_worktree){dir, path, ".git", full});
	close(git);
}

static void aside_link(struct aside *a, int dir, const char *path, const char *name)
{
	char full[WAY_MAX_PATH], target[WAY_MAX_PATH];
	ssize_t n = readlinkat(dir, name, target, sizeof target - 1);

	target[n > 0 ? n : 0] = '\0';
	if (snprintf(full, sizeof full, "%s/%s", path, name) >= (int)sizeof full ||
	    !guards_knows_link(a->shelf.known, full, target))
		shelf_put(&a->shelf, dir, path, name);
}

/* A control file that may be new. */
static void aside_entry(void *data, int dir, const char *path, const char *name)
{
	struct aside *a = data;
	const struct guards_known *known;
	struct buf full = {0};
	struct stat st;
	bool git = strcmp(name, ".git") == 0;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
		return;
	buf_addf(&full, "%s/%s", path, name);
	known = guards_known(a->shelf.known, buf_cstr(&full));
	if (known && !shelf_is_known(&a->shelf, buf_cstr(&full), &st))
		known = NULL;
	if (!known && !(git && S_ISDIR(st.st_mode)) && shelf_is_held(&a->shelf, dir, name))
		; /* It was moved here, and is what it was. */
	else if (S_ISLNK(st.st_mode))
		aside_link(a, dir, path, name);
	else if (git && S_ISDIR(st.st_mode))
		aside_git_directory(a, dir, path, buf_cstr(&full));
	else if (!known || !(known->guard || !shelf_changed(&a->shelf, dir, name))) {
		if (git)
			aside_git_file(a, dir, path);
		else
			shelf_put(&a->shelf, dir, path, name);
	}
	buf_finish(&full);
}

static void aside_bare(void *data, int dir, const char *path)
{
	struct aside *a = data;
	struct stat st;

	fresh_git(&a->shelf, dir, path, false);
	if (fstat(dir, &st) == 0 && !shelf_is_known(&a->shelf, path, &st) &&
	    strcmp(path, a->workspace) != 0)
		fresh_worktree(&a->shelf, &(struct fresh_worktree){dir, path, "HEAD", path});
}

/* Not everything was looked at. */
static void aside_tell_unseen(const struct guards *known, const char *why, struct aside_told *told)
{
	/* Who was told before the call that this is so agreed to it. */
	struct buf *out = known->missing[0] ? &told->note : &told->left;

	buf_addf(out,
	    "[not all of the workspace was searched for files that make git, a shell or an editor "
	    "run something (%s): look at what this command left before running git there]\n",
	    why);
}

void aside_put(
    const char *repository, const struct guards *known, bool ended, struct aside_told *told)
{
	struct aside a = {.workspace = known->workspace,
	    .repository = repository,
	    .shelf = {.known = known, .told = told, .ended = ended}};
	struct look look = {.root = known->workspace,
	    .entries = LOOK_ENTRIES,
	    .us = ended ? LOOK_US : LOOK_SOON_US,
	    .data = &a,
	    .enter = aside_enter,
	    .entry = aside_entry,
	    .git = aside_bare};
	bool through;

	aside_put_absent(known, ended, told);
	aside_links(&a.shelf);
	aside_named(&a.shelf);
	through = look_through(&look);
	if (repository)
		fresh_git_at(&a.shelf, repository);
	look_restore();
	if (ended && (!through || a.shelf.full || known->missing[0]))
		aside_tell_unseen(known,
		    !through ? look.why
		    : known->missing[0]
			? known->missing
			: "a directory of a repository cannot be read, is too large or too deep",
		    told);
}

void aside_put_absent(const struct guards *known, bool ended, struct aside_told *told)
{
	struct shelf s = {.known = known, .told = told, .ended = ended};

	for (size_t i = 0; i < known->absent_count; i++)
		if (faccessat(AT_FDCWD, known->absent[i], F_OK, AT_SYMLINK_NOFOLLOW) == 0)
			aside_at(&s, known->absent[i]);
	look_restore();
}

static void aside_told_more(struct buf *out, size_t more)
{
	if (more)
		buf_addf(out, "[and so %zu more]\n", more);
}

void aside_told_put(const struct aside_told *told, struct buf *out)
{
	buf_add(out, told->left.p, told->left.len);
	aside_told_more(out, told->left_more);
	buf_add(out, told->put.p, told->put.len);
	aside_told_more(out, told->put_more);
	buf_add(out, told->note.p, told->note.len);
}

void aside_told_finish(struct aside_told *told)
{
	buf_finish(&told->put);
	buf_finish(&told->left);
	buf_finish(&told->note);
	*told = (struct aside_told){0};
}
