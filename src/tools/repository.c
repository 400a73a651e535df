/* Finding a repository; gitrepository-layout(5), git-worktree(1). */
#include "tools/repository.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/str.h"
#include "tools/control.h"
#include "tools/mounts.h"

bool repository_is_kind(const char *path, mode_t kind)
{
	struct stat st;

	return lstat(path, &st) == 0 && (st.st_mode & S_IFMT) == kind;
}

bool repository_line(const char *path, const char *head, char *out, size_t size)
{
	struct buf text = {0};
	size_t n = strlen(head), len;
	char real[PATH_MAX];
	bool good;

	if (!realpath(path, real) || file_read(real, REPOSITORY_MAX_PATH, &text, NULL) != 0)
		return false;
	/* As git does it: blanks belong to the path. */
	for (len = text.len; len && (text.p[len - 1] == '\n' || text.p[len - 1] == '\r'); len--)
		;
	good =
	    len > n && len - n < size && memcmp(text.p, head, n) == 0 && !memchr(text.p, '\0', len);
	if (good)
		snprintf(out, size, "%.*s", (int)(len - n), text.p + n);
	buf_finish(&text);
	return good;
}

bool repository_resolve(const char *dir, const char *to, char *out)
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

void repository_common(const char *git, char *out)
{
	char path[REPOSITORY_MAX_PATH + 16], line[REPOSITORY_MAX_PATH];

	snprintf(path, sizeof path, "%s/commondir", git);
	if (!repository_line(path, "", line, sizeof line) || !repository_resolve(git, line, out))
		snprintf(out, REPOSITORY_MAX_PATH, "%s", git);
}

bool repository_was(const char *path)
{
	const char *const parts[] = {"config", "commondir", "HEAD"};
	char part[REPOSITORY_MAX_PATH + 16];

	for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
		snprintf(part, sizeof part, "%s/%s", path, parts[i]);
		if (repository_is_kind(part, S_IFREG))
			return true;
	}
	return false;
}
