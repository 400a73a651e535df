/* Putting new control files aside. */
#include "tools/aside.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/str.h"
#include "tools/control.h"
#include "tools/repository.h"

enum {
	ASIDE_MAX_CONFIG = 256 * 1024,
	ASIDE_TRIES = 100, /* names for what is put aside again and again */
	ASIDE_GIT_DEPTH = 3,
};

struct aside {
	const char *workspace;
	const struct repository_guards *known;
	struct buf *told;
	size_t entries;
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

static void aside_rename(struct aside *a, int dir, const char *path, const char *name)
{
	char to[300];

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

static bool aside_knows(const struct aside *a, const char *path)
{
	for (size_t i = 0; i < a->known->count; i++)
		if (strcmp(a->known->all[i].path, path) == 0)
			return true;
	return false;
}

/* It is the link that it was. */
static bool aside_knows_link(const struct aside *a, const char *path, const char *target)
{
	for (size_t i = 0; i < a->known->link_count; i++)
		if (strcmp(a->known->links[i].path, path) == 0)
			return strcmp(a->known->links[i].target, target) == 0;
	return false;
}

static int aside_open_dir(int dir, const char *name)
{
	return openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

/* The names in a directory, taken before any of them is changed; owned. */
static char **aside_names(int dir, struct aside *a, size_t *ret_count)
{
	int fd = aside_open_dir(dir, ".");
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
	char **names = NULL;
	size_t count = 0, cap = 0;
	struct dirent *e;

	if (!d && fd >= 0)
		close(fd);
	while (d && a->entries < REPOSITORY_LOOK_ENTRIES && (e = readdir(d))) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		a->entries++;
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
	int hooks = aside_open_dir(git, "hooks");
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

static void aside_git(struct aside *a, int git, const char *path, int depth)
{
	struct buf below = {0};
	char **names;
	size_t count = 0;
	int info, modules;

	if (aside_knows(a, path))
		return;
	aside_config(a, git, path, "config");
	aside_config(a, git, path, "config.worktree");
	aside_hooks(a, git, path);
	if (faccessat(git, "commondir", F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		aside_rename(a, git, path, "commondir");
	buf_addf(&below, "%s/info", path);
	info = aside_open_dir(git, "info");
	if (info >= 0 && faccessat(info, "attributes", F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		aside_rename(a, info, buf_cstr(&below), "attributes");
	if (info >= 0)
		close(info);
	modules = depth > 0 ? aside_open_dir(git, "modules") : -1;
	if (modules >= 0) {
		names = aside_names(modules, a, &count);
		for (size_t i = 0; i < count; i++) {
			int one = aside_open_dir(modules, names[i]);

			buf_clear(&below);
			buf_addf(&below, "%s/modules/%s", path, names[i]);
			if (one >= 0)
				aside_git(a, one, buf_cstr(&below), depth - 1);
			if (one >= 0)
				close(one);
			free(names[i]);
		}
		free(names);
		close(modules);
	}
	buf_finish(&below);
}

/* --- all of the workspace --- */

static bool aside_is_git(int dir)
{
	static const char *const parts[] = {"HEAD", "objects", "refs"};

	for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
		if (faccessat(dir, parts[i], F_OK, AT_SYMLINK_NOFOLLOW) != 0)
			return false;
	return true;
}

/* A control file that may be new. */
static void aside_entry(struct aside *a, int dir, const char *path, const char *name)
{
	char target[REPOSITORY_MAX_PATH];
	struct buf full = {0};
	struct stat st;
	ssize_t n;
	int git;

	buf_addf(&full, "%s/%s", path, name);
	if (aside_knows(a, buf_cstr(&full)) || fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
		goto out;
	if (S_ISLNK(st.st_mode)) {
		n = readlinkat(dir, name, target, sizeof target - 1);
		target[n > 0 ? n : 0] = '\0';
		if (!aside_knows_link(a, buf_cstr(&full), target))
			aside_rename(a, dir, path, name);
	} else if (strcmp(name, ".git") == 0 && S_ISDIR(st.st_mode)) {
		git = aside_open_dir(dir, name);
		if (git >= 0) {
			aside_git(a, git, buf_cstr(&full), ASIDE_GIT_DEPTH);
			close(git);
		}
	} else if (strcmp(name, ".git") != 0 ||
		   !repository_file_is_sound(path, a->workspace, a->known)) {
		aside_rename(a, dir, path, name);
	}
out:
	buf_finish(&full);
}

static void aside_dir(struct aside *a, int dir, const char *path, int depth)
{
	size_t count = 0;
	char **names;

	if (strcmp(path, a->workspace) != 0 && aside_is_git(dir)) {
		aside_git(a, dir, path, ASIDE_GIT_DEPTH);
		return;
	}
	names = aside_names(dir, a, &count);
	for (size_t i = 0; i < count; i++) {
		const char *name = names[i];
		struct buf below = {0};
		int sub = -1;

		if (repository_guards_name(name))
			aside_entry(a, dir, path, name);
		else if (depth > 0 && name[0] != '.' && strcmp(name, "node_modules") != 0)
			sub = aside_open_dir(dir, name);
		if (sub >= 0) {
			buf_addf(&below, "%s/%s", path, name);
			aside_dir(a, sub, buf_cstr(&below), depth - 1);
			close(sub);
		}
		buf_finish(&below);
		free(names[i]);
	}
	free(names);
}

void aside_put(const char *workspace, const struct repository_guards *known, struct buf *told)
{
	struct aside a = {.workspace = workspace, .known = known, .told = told};
	int dir = open(workspace, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (dir < 0)
		return;
	aside_dir(&a, dir, workspace, REPOSITORY_LOOK_DEPTH);
	close(dir);
}
