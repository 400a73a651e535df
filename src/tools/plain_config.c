/* Reading a new configuration; git-config(1), "Syntax". */
#include "tools/plain_config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/str.h"
#include "tools/mounts.h"
#include "tools/repository.h"

enum { PLAIN_MAX_CONFIG = 256 * 1024 };

struct plain {
	const char *git, *workspace;
};

/* Settings that git itself and a clone write, none of which names a program. */
static bool plain_setting(struct str section, struct str key)
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

/* Git writes what a repository holds into its worktree: only where the command may write too, and
 * where the person sees that repository. */
static bool plain_worktree(const struct plain *p, struct str value)
{
	char text[REPOSITORY_MAX_PATH], top[REPOSITORY_MAX_PATH], back[REPOSITORY_MAX_PATH];
	char file[REPOSITORY_MAX_PATH + 8], line[REPOSITORY_MAX_PATH];

	if (!value.n || value.n >= sizeof text)
		return false;
	snprintf(text, sizeof text, "%.*s", (int)value.n, value.p);
	if (strpbrk(text, "\"\\;#") || !repository_resolve(p->git, text, top) ||
	    !mounts_within(top, p->workspace))
		return false;
	snprintf(file, sizeof file, "%s/.git", top);
	if (repository_line(file, "gitdir: ", line, sizeof line))
		return repository_resolve(top, line, back) && strcmp(back, p->git) == 0;
	return repository_resolve("/", file, back) && strcmp(back, p->git) == 0;
}

static bool plain_value(const struct plain *p, struct str key, struct str value)
{
	if (str_ieq(key, "worktree"))
		return plain_worktree(p, value);
	/* A remote of that form is a program: git-remote-ext(1). */
	return !value.n || !memmem(value.p, value.n, "::", 2);
}

/* Is each line of the configuration one of those? What is written in an odd way is not. */
static bool plain_text(const struct plain *p, struct str rest)
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
		line = str_trim(str_cut(line, '=', &key));
		key = str_trim(key);
		if (!plain_setting(section, key) || !plain_value(p, key, line))
			return false;
	}
	return true;
}

bool plain_config(int git, const char *path, const char *name, const char *workspace)
{
	int fd = openat(git, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct plain plain = {path, workspace};
	struct buf text = {0};
	struct stat st;
	ssize_t n = -1;
	bool good;

	/* What is there and may not be read is read by somebody else. */
	if (fd < 0)
		return errno == ENOENT;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
		while (text.len <= PLAIN_MAX_CONFIG &&
		       (n = read(fd, buf_reserve(&text, 16384), 16384)) > 0)
			text.len += (size_t)n;
	close(fd);
	buf_addc(&text, '\n');
	good = n == 0 && !memchr(text.p, '\0', text.len) && text.len <= PLAIN_MAX_CONFIG &&
	       plain_text(&plain, (struct str){text.p, text.len});
	buf_finish(&text);
	return good;
}
