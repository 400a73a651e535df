/* Putting new control files aside. */
#include "tools/aside.h"

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
#include "base/mem.h"
#include "base/str.h"
#include "tools/look.h"
#include "tools/mounts.h"
#include "tools/repository.h"

enum {
	ASIDE_MAX_CONFIG = 256 * 1024,
	ASIDE_TRIES = 100,     /* names for what is put aside again and again */
	ASIDE_HELD_DEPTH = 16, /* of the names of submodules, which may have slashes */
};

struct aside {
	const char *workspace;
	const char *repository; /* the git directory outside that may be written, NULL: none */
	const struct repository_guards *known;
	struct buf *told;
	size_t entries; /* of git directories */
	bool full;
};

/* Names are bytes; what is told is text. */
static void aside_tell(struct aside *a, const char *path, const char *name, const char *to)
{
	struct buf line = {0};
	bool text;

	buf_addf(&line, "%s/%s", path, name);
	text = str_utf8_valid(line.p, line.len) == line.len;
	for (size_t i = 0; i < line.len; i++) {
		unsigned char c = (unsigned char)line.p[i];

		if (c < 0x20 || c == 0x7F || (c >= 0x80 && !text))
			line.p[i] = '?';
	}
	buf_addf(a->told,
	    "[%s would make git, a shell or an editor run something, and nobody agreed to it: it "
	    "is put aside, with %s behind its name]\n",
	    buf_cstr(&line), strstr(to, ASIDE_SUFFIX));
	buf_finish(&line);
}

static char **aside_names(int dir, struct aside *a, size_t *ret_count);

/* Was anything of it changed since the call began? That time is the kernel's, not the command's. */
static bool aside_changed(struct aside *a, int dir, const char *name, int depth)
{
	const struct timespec *start = &a->known->start;
	struct stat st;
	bool changed;
	size_t count = 0;
	char **names;
	int fd;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
		return false;
	changed = st.st_ctim.tv_sec > start->tv_sec ||
		  (st.st_ctim.tv_sec == start->tv_sec && st.st_ctim.tv_nsec > start->tv_nsec);
	if (changed || !S_ISDIR(st.st_mode))
		return changed;
	fd = depth > 0 ? look_open(dir, name) : -1;
	if (fd < 0)
		return true;
	names = aside_names(fd, a, &count);
	changed = a->full;
	for (size_t i = 0; i < count; i++) {
		changed = changed || aside_changed(a, fd, names[i], depth - 1);
		free(names[i]);
	}
	free(names);
	close(fd);
	return changed;
}

static void aside_rename(struct aside *a, int dir, const char *path, const char *name)
{
	char to[300];

	/* Where not everything was seen before, it may be as old as the rest. */
	if (a->known->incomplete && !aside_changed(a, dir, name, ASIDE_HELD_DEPTH))
		return;
	for (int i = 0; i < ASIDE_TRIES; i++) {
		if (i)
			snprintf(to, sizeof to, "%.200s" ASIDE_SUFFIX ".%d", name, i);
		else
			snprintf(to, sizeof to, "%.200s" ASIDE_SUFFIX, name);
		if (faccessat(dir, to, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
			continue;
		if (renameat(dir, name, dir, to) == 0)
			aside_tell(a, path, name, to);
		return;
	}
}

/* What was there before under that path, when what stands there now is the same; or NULL. */
static const struct repository_known *aside_known(
    const struct aside *a, const char *path, const struct stat *st)
{
	const struct repository_known *known = map_get(&a->known->known, path);

	return known && known->dev == st->st_dev && known->ino == st->st_ino ? known : NULL;
}

/* It is the link that it was. */
static bool aside_knows_link(const struct aside *a, const char *path, const char *target)
{
	for (size_t i = 0; i < a->known->link_count; i++)
		if (strcmp(a->known->links[i].path, path) == 0)
			return strcmp(a->known->links[i].target, target) == 0;
	return false;
}

/* The names in a directory, taken before any of them is changed; owned. */
static char **aside_names(int dir, struct aside *a, size_t *ret_count)
{
	int fd = look_open(dir, ".");
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
	char **names = NULL;
	size_t count = 0, cap = 0;
	struct dirent *e;

	if (!d && fd >= 0)
		close(fd);
	while (d && (e = readdir(d))) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		if (a->entries++ >= LOOK_ENTRIES) {
			a->full = true;
			break;
		}
		if (count == cap) {
			cap = cap ? cap * 2 : 32;
			names = mem_realloc(names, cap * sizeof *names);
		}
		names[count++] = mem_strdup(e->d_name);
	}
	if (d)
		closedir(d);
	*ret_count = count;
	return names;
}

/* --- a new repository --- */

/* Settings that git itself and a clone write, none of which names a program. */
static bool aside_harmless(struct str section, struct str key)
{
	static const struct {
		const char *section, *keys;
	} known[] = {
	    {"core", " repositoryformatversion filemode bare logallrefupdates ignorecase symlinks "
		     "precomposeunicode worktree autocrlf eol "},
	    {"remote", " url fetch "},
	    {"branch", " remote merge rebase "},
	    {"user", " name email "},
	    {"init", " defaultbranch "},
	    {"submodule", " url active "},
	    {"extensions", " objectformat refstorage "},
	};
	char word[64];

	if (key.n + 3 > sizeof word)
		return false;
	snprintf(word, sizeof word, " %.*s ", (int)key.n, key.p);
	for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
		if (strlen(known[i].section) == section.n &&
		    strncasecmp(known[i].section, section.p, section.n) == 0)
			return strcasestr(known[i].keys, word) != NULL;
	return false;
}

/* Is each line of the configuration one of those? What is written in an odd way is not. */
static bool aside_config_ok(struct str rest)
{
	struct str line, section = {"", 0}, key;
	const char *end;

	while (rest.n) {
		rest = str_cut(rest, '\n', &line);
		line = str_trim(line);
		if (!line.n || line.p[0] == '#' || line.p[0] == ';')
			continue;
		if (line.p[line.n - 1] == '\\')
			return false;
		if (line.p[0] == '[') {
			end = memchr(line.p, ']', line.n);
			if (!end)
				return false;
			section = (struct str){line.p + 1, strcspn(line.p + 1, " \"].")};
			line = str_trim((struct str){end + 1, (size_t)(line.p + line.n - end - 1)});
			if (!line.n)
				continue;
		}
		str_cut(line, '=', &key);
		if (!aside_harmless(section, str_trim(key)))
			return false;
	}
	return true;
}

static void aside_config(struct aside *a, int git, const char *path, const char *name)
{
	int fd = openat(git, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct buf text = {0};
	struct stat st;
	ssize_t n;

	if (fd < 0 && errno != ELOOP)
		return;
	if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
		while (text.len <= ASIDE_MAX_CONFIG &&
		       (n = read(fd, buf_reserve(&text, 16384), 16384)) > 0)
			text.len += (size_t)n;
	buf_addc(&text, '\n');
	if (fd < 0 || text.len > ASIDE_MAX_CONFIG ||
	    !aside_config_ok((struct str){text.p, text.len}))
		aside_rename(a, git, path, name);
	if (fd >= 0)
		close(fd);
	buf_finish(&text);
}

static void aside_hooks(struct aside *a, int git, const char *path)
{
	static const char sample[] = ".sample";
	int hooks = look_open(git, "hooks");
	struct buf below = {0};
	size_t count = 0;
	char **names;

	if (hooks < 0) {
		if (errno == ELOOP || errno == ENOTDIR)
			aside_rename(a, git, path, "hooks");
		return;
	}
	buf_addf(&below, "%s/hooks", path);
	names = aside_names(hooks, a, &count);
	for (size_t i = 0; i < count; i++) {
		size_t n = strlen(names[i]), s = sizeof sample - 1;

		if (!(n > s && strcmp(names[i] + n - s, sample) == 0) &&
		    !strstr(names[i], ASIDE_SUFFIX))
			aside_rename(a, hooks, buf_cstr(&below), names[i]);
		free(names[i]);
	}
	free(names);
	buf_finish(&below);
	close(hooks);
}

/* In a worktree's own directory it names the repository, and git writes it in one way. */
static bool aside_common_ok(int git, bool linked)
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

static bool aside_has(int dir, const char *name)
{
	return faccessat(dir, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static void aside_held(
    struct aside *a, int git, const char *path, const char *name, bool linked, int depth);

/* linked: where git has the directory of a linked worktree. */
static void aside_git(struct aside *a, int git, const char *path, bool linked, int depth)
{
	struct buf below = {0};
	struct stat st;
	int info;

	if (fstat(git, &st) != 0)
		return;
	if (!aside_known(a, path, &st)) {
		aside_config(a, git, path, "config");
		aside_config(a, git, path, "config.worktree");
		aside_hooks(a, git, path);
		if (aside_has(git, "commondir") && !aside_common_ok(git, linked))
			aside_rename(a, git, path, "commondir");
		buf_addf(&below, "%s/info", path);
		info = look_open(git, "info");
		if (info < 0 && errno != ENOENT)
			aside_rename(a, git, path, "info");
		if (info >= 0 && aside_has(info, "attributes"))
			aside_rename(a, info, buf_cstr(&below), "attributes");
		if (info >= 0)
			close(info);
		buf_finish(&below);
	}
	aside_held(a, git, path, "modules", false, depth);
	aside_held(a, git, path, "worktrees", true, depth);
}

/* What a git directory has for itself: nothing in it is another one. */
static bool aside_own(const char *name)
{
	static const char *const own[] = {
	    "objects", "refs", "logs", "hooks", "info", "modules", "worktrees"};

	for (size_t i = 0; i < sizeof own / sizeof own[0]; i++)
		if (strcmp(own[i], name) == 0)
			return true;
	return false;
}

/* The git directories of submodules, whose names may have slashes, or of linked worktrees: `name`
 * in the directory dir. */
static void aside_held(
    struct aside *a, int dir, const char *path, const char *name, bool linked, int depth)
{
	struct buf full = {0}, below = {0};
	int holder = look_open(dir, name);
	size_t count = 0;
	char **names;
	bool own;

	if (holder < 0) {
		if ((errno == ELOOP || errno == ENOTDIR) && aside_changed(a, dir, name, 0))
			aside_rename(a, dir, path, name);
		return;
	}
	if (depth <= 0)
		a->full = true;
	buf_addf(&full, "%s/%s", path, name);
	own = aside_has(holder, "HEAD");
	names = aside_names(holder, a, &count);
	for (size_t i = 0; i < count && depth > 0; i++) {
		struct stat st;
		int one;

		if ((own && aside_own(names[i])) ||
		    fstatat(holder, names[i], &st, AT_SYMLINK_NOFOLLOW) != 0)
			continue;
		if (S_ISLNK(st.st_mode) && aside_changed(a, holder, names[i], 0))
			aside_rename(a, holder, buf_cstr(&full), names[i]);
		one = S_ISDIR(st.st_mode) ? look_open(holder, names[i]) : -1;
		if (one < 0)
			continue;
		buf_clear(&below);
		buf_addf(&below, "%s/%s", buf_cstr(&full), names[i]);
		if (aside_has(one, "HEAD") || aside_has(one, "config") ||
		    aside_has(one, "commondir"))
			aside_git(a, one, buf_cstr(&below), linked, depth - 1);
		close(one);
		aside_held(a, holder, buf_cstr(&full), names[i], false, depth - 1);
	}
	for (size_t i = 0; i < count; i++)
		free(names[i]);
	free(names);
	close(holder);
	buf_finish(&full);
	buf_finish(&below);
}

/* The git directory at path, a real one, wherever it lies. */
static void aside_git_at(struct aside *a, const char *path)
{
	int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	int git = root >= 0 && path[0] == '/' && path[1] ? look_open(root, path + 1) : -1;
	const char *last = strrchr(path, '/'), *holder = strstr(path, "/.git/worktrees/");
	bool linked = holder && holder + sizeof "/.git/worktrees/" - 2 == last;

	if (git >= 0) {
		aside_git(a, git, path, linked, ASIDE_HELD_DEPTH);
		close(git);
	}
	if (root >= 0)
		close(root);
}

/* --- all of the workspace --- */

static bool aside_enter(void *data, const char *path)
{
	const struct aside *a = data;
	const struct repository_known *known = map_get(&a->known->known, path);

	/* In what is read-only there is nothing new. */
	return !known || !known->guard;
}

/* A `.git` file that is not known. */
static void aside_git_file(struct aside *a, int dir, const char *path)
{
	char at[REPOSITORY_MAX_PATH];

	if (!repository_file_is_sound(path, a->workspace, a->known, at)) {
		aside_rename(a, dir, path, ".git");
		return;
	}
	if (mounts_within(at, a->workspace) || (a->repository && mounts_within(at, a->repository)))
		aside_git_at(a, at);
}

/* A control file that may be new. */
static void aside_entry(void *data, int dir, const char *path, const char *name)
{
	struct aside *a = data;
	const struct repository_known *known;
	char target[REPOSITORY_MAX_PATH];
	struct buf full = {0};
	struct stat st;
	ssize_t n;
	int git;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
		return;
	buf_addf(&full, "%s/%s", path, name);
	known = aside_known(a, buf_cstr(&full), &st);
	if (S_ISLNK(st.st_mode)) {
		n = readlinkat(dir, name, target, sizeof target - 1);
		target[n > 0 ? n : 0] = '\0';
		if (!aside_knows_link(a, buf_cstr(&full), target))
			aside_rename(a, dir, path, name);
	} else if (strcmp(name, ".git") == 0 && S_ISDIR(st.st_mode)) {
		git = look_open(dir, name);
		if (git >= 0) {
			aside_git(a, git, buf_cstr(&full), false, ASIDE_HELD_DEPTH);
			close(git);
		}
	} else if (known && (known->guard || !aside_changed(a, dir, name, ASIDE_HELD_DEPTH))) {
		/* It is what it was. */
	} else if (strcmp(name, ".git") == 0) {
		aside_git_file(a, dir, path);
	} else {
		aside_rename(a, dir, path, name);
	}
	buf_finish(&full);
}

static void aside_bare(void *data, int dir, const char *path)
{
	aside_git(data, dir, path, false, ASIDE_HELD_DEPTH);
}

/* Files that the configuration names: another one than before stands in the place, or the first. */
static void aside_named(struct aside *a)
{
	int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);

	for (size_t i = 0; root >= 0 && i < a->known->named_count; i++) {
		const struct repository_named *n = &a->known->named[i];
		char parent[PATH_MAX], way[PATH_MAX];
		const char *slash;
		struct stat st;
		int dir;

		if (strlen(n->spelled) >= sizeof way || stat(n->spelled, &st) != 0 ||
		    (!n->whole && S_ISDIR(st.st_mode)) ||
		    (n->real && st.st_dev == n->dev && st.st_ino == n->ino))
			continue;
		slash = strrchr(n->spelled, '/');
		snprintf(way, sizeof way, "%.*s", (int)(slash - n->spelled), n->spelled);
		if (!realpath(way, parent) || !mounts_within(parent, a->workspace))
			continue;
		dir = look_open(root, parent + 1);
		if (dir >= 0) {
			aside_rename(a, dir, parent, slash + 1);
			close(dir);
		}
	}
	if (root >= 0)
		close(root);
}

void aside_put(const char *workspace, const char *repository, const struct repository_guards *known,
    bool ended, struct buf *told)
{
	struct aside a = {
	    .workspace = workspace, .repository = repository, .known = known, .told = told};
	struct look look = {.root = workspace,
	    .entries = LOOK_ENTRIES,
	    .us = ended ? LOOK_US : LOOK_SOON_US,
	    .data = &a,
	    .enter = aside_enter,
	    .entry = aside_entry,
	    .git = aside_bare};
	bool through = look_through(&look);

	aside_named(&a);
	if (repository)
		aside_git_at(&a, repository);
	if (ended && (!through || a.full || known->incomplete))
		buf_addf(told,
		    "[not all of the workspace was searched for files that make git, a shell or an "
		    "editor run something: it has more than %d entries, or the search took longer "
		    "than %d seconds; look at what this command left before running git there]\n",
		    LOOK_ENTRIES, LOOK_US / 1000000);
}
