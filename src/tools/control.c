/* What the person's own programs run things from. */
#include "tools/control.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "base/str.h"
#include "tools/mounts.h"

/* Files and directories; capitals do not matter, as they do not for some filesystems. */
static const char *const names[] = {
    /* version control: hooks, filters, monitors */
    ".git", ".gitattributes", ".gitmodules", ".gitconfig", ".hg", ".hgrc", ".jj", ".husky",
    /* shells that look at each directory */
    ".envrc", ".direnv", ".autoenv", ".autoenv.zsh", ".autoenv_leave.zsh", ".mise",
    /* editors: tasks, settings that name programs, files run at the start */
    ".vscode", ".idea", ".devcontainer", ".devcontainer.json", ".zed", ".cursor", ".fleet", ".vs",
    ".helix", ".nova", ".vimrc", ".gvimrc", ".lvimrc", ".exrc", ".nvimrc", ".nvim.lua",
    ".dir-locals.el", ".dir-locals-2.el",
    /* debuggers and interpreters: files run at the start */
    ".gdbinit", ".lldbinit", ".pdbrc", ".irbrc", ".pryrc", ".Rprofile", ".Renviron", ".perldb",
    ".ghci", ".ocamlinit", ".iex.exs", ".octaverc", ".rdbgrc", ".byebugrc",
    /* agents: hooks, servers that they start */
    ".claude", ".mcp.json", ".codex", ".gemini", ".kiro", ".windsurf", ".roo", ".continue",
    ".opencode", "opencode.json", "opencode.jsonc", ".amazonq"};

bool control_name(const char *name, unsigned long n)
{
	static const char *const suffixes[] = {".code-workspace", ".sublime-project"};
	/* mise.ENVIRONMENT.toml, with and without a dot before it. */
	static const char mise[] = "mise.", toml[] = ".toml";
	const char *bare = n && name[0] == '.' ? name + 1 : name;
	size_t left = n - (size_t)(bare - name);

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		if (strlen(names[i]) == n && strncasecmp(names[i], name, n) == 0)
			return true;
	if (left >= sizeof mise - 1 + sizeof toml - 2 &&
	    strncasecmp(bare, mise, sizeof mise - 1) == 0 &&
	    strncasecmp(bare + left - (sizeof toml - 1), toml, sizeof toml - 1) == 0)
		return true;
	for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++) {
		size_t s = strlen(suffixes[i]);

		if (n > s && strncasecmp(name + n - s, suffixes[i], s) == 0)
			return true;
	}
	return false;
}

/* dir holds name, or `also` (n bytes) is it. */
static bool control_holds(const char *dir, const char *name, const char *also, size_t n)
{
	char path[4400];
	struct stat st;

	if (strlen(name) == n && memcmp(name, also, n) == 0)
		return true;
	snprintf(path, sizeof path, "%s/%s", dir, name);
	return lstat(path, &st) == 0;
}

static bool control_completes(const char *dir, const char *also, size_t n)
{
	return control_holds(dir, "HEAD", also, n) &&
	       (control_holds(dir, "commondir", also, n) ||
		   (control_holds(dir, "objects", also, n) && control_holds(dir, "refs", also, n)));
}

bool control_git_directory(const char *path)
{
	return control_completes(path, "", 0);
}

bool control_home(const char *path, const char *home)
{
	static const char *const above[] = {"/home/", "/Users/"};

	if ((home && strcmp(path, home) == 0) || strcmp(path, "/root") == 0)
		return true;
	for (size_t i = 0; i < sizeof above / sizeof above[0]; i++) {
		size_t n = strlen(above[i]);

		if (strncmp(path, above[i], n) == 0 && path[n] && !strchr(path + n, '/'))
			return true;
	}
	return false;
}

bool control_is(const char *path, const char *workspace, const char *home)
{
	struct str rest = str_of(path), part;
	char dir[4200] = "";
	size_t len = 0;

	while (rest.n) {
		rest = str_cut(rest, '/', &part);
		if (!part.n)
			continue;
		if (control_name(part.p, part.n))
			return true;
		if (control_completes(len ? dir : "/", part.p, part.n))
			return true;
		/* A dotfile of a home, unless the person works within it. */
		if (part.p[0] == '.' && control_home(dir, home)) {
			char dot[4200 + 300];

			snprintf(dot, sizeof dot, "%s/%.*s", dir,
			    (int)(part.n < 256 ? part.n : 256), part.p);
			if (!mounts_within(workspace, dot))
				return true;
		}
		/* Longer than any path there is: nobody can say what it is. */
		if (len + part.n + 2 > sizeof dir)
			return true;
		dir[len++] = '/';
		memcpy(dir + len, part.p, part.n);
		len += part.n;
		dir[len] = '\0';
	}
	return false;
}
