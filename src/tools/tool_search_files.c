/*
 * search_files: lines that fit a regular expression. ripgrep does it where it is
 * installed; else PCRE2 over our own walk. Both show path:line:text.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/json.h"
#include "base/str.h"
#include "tools/ignore.h"
#include "tools/search.h"
#include "tools/tool.h"
#include "tools/walk.h"
#include "tools/workspace.h"

enum {
	SEARCH_MAX_FILE = 4 * 1024 * 1024, /* larger files are passed over */
};

struct files {
	struct search search;
	struct tool_call *call;
	const char *glob; /* NULL: all files */
	struct buf content;
	size_t too_large;
};

static bool on_file(void *data, int dir, const char *name, const char *path)
{
	struct files *s = data;
	struct stat st;
	ssize_t n;
	int fd;

	if (s->glob && !ignore_glob(s->glob, path))
		return true;
	fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		return true;
	buf_clear(&s->content);
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode)) {
		s->too_large += st.st_size > SEARCH_MAX_FILE;
		while (st.st_size <= SEARCH_MAX_FILE && s->content.len <= SEARCH_MAX_FILE &&
		       (n = read(fd, buf_reserve(&s->content, 65536), 65536)) > 0)
			s->content.len += (size_t)n;
	}
	close(fd);
	return search_content(&s->search, path, &s->content);
}

static void say_rest(struct files *s, bool cut)
{
	if (!s->search.found)
		buf_adds(&s->call->text, "nothing fits\n");
	if (cut || s->call->truncated || s->search.found > SEARCH_MAX_FOUND) {
		s->call->truncated = true;
		buf_adds(
		    &s->call->text, "[there is more: narrow the pattern, the path or the glob]\n");
	}
	if (s->too_large)
		buf_addf(&s->call->text, "[%zu files larger than %d bytes were passed over]\n",
		    s->too_large, SEARCH_MAX_FILE);
}

/* A single file may be searched as well. True when path is one, and all is done. */
static bool search_one(struct files *s, const char *path)
{
	int fd = workspace_open(s->call, path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
	struct buf plain = {0};
	char name[256];
	struct stat st;
	bool file = fd >= 0 && fstat(fd, &st) == 0 && !S_ISDIR(st.st_mode);
	int dir;

	if (fd >= 0)
		close(fd);
	if (!file)
		return fd < 0;
	dir = workspace_open_parent(s->call, path, false, name);
	if (dir < 0)
		return true;
	workspace_plain(s->call->root, path, &plain);
	s->glob = NULL;
	on_file(s, dir, name, buf_cstr(&plain));
	close(dir);
	buf_finish(&plain);
	s->call->ok = true;
	say_rest(s, false);
	return true;
}

/* --- ripgrep --- */

static const char *find_ripgrep(void)
{
	static const char *const places[] = {"/usr/bin/rg", "/usr/local/bin/rg"};

	for (size_t i = 0; i < sizeof places / sizeof places[0]; i++)
		if (access(places[i], X_OK) == 0)
			return places[i];
	return NULL;
}

/* Run rg with its output in out. Its exit status, or -1. */
static int run_ripgrep(const char *rg, struct tool_call *call, const char *path, struct buf *out)
{
	const char *glob = json_cstr(call->args, "glob", NULL);
	const char *argv[32] = {rg, "--no-config", "--line-number", "--no-heading",
	    "--with-filename", "--color=never", "--sort=path", "--hidden", "--glob=!.git",
	    "--no-require-git", "--max-columns=400", "--max-columns-preview", "--max-filesize=4M",
	    "--no-messages", "--engine=auto",
	    /* Ignore files above the workspace are not ours to read. */
	    "--no-ignore-parent", "--no-ignore-global"};
	int n = 17, pipes[2], status;
	ssize_t got;
	pid_t pid;

	if (json_is_true(json_object_get(call->args, "anyCase")))
		argv[n++] = "--ignore-case";
	if (json_is_true(json_object_get(call->args, "all")))
		argv[n++] = "--no-ignore";
	if (glob) {
		argv[n++] = "--glob";
		argv[n++] = glob;
	}
	argv[n++] = "--regexp";
	argv[n++] = json_cstr(call->args, "pattern", "");
	argv[n++] = "--";
	argv[n] = path;
	if (pipe2(pipes, O_CLOEXEC) != 0)
		return -1;
	pid = fork();
	if (pid == 0) {
		int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

		/* Its complaints would stand in the midst of our answer. */
		dup2(null, STDERR_FILENO);
		dup2(pipes[1], STDOUT_FILENO);
		execv(rg, (char *const *)(uintptr_t)argv);
		_exit(127);
	}
	close(pipes[1]);
	while (pid > 0 && out->len < TOOL_MAX_TEXT &&
	       (got = read(pipes[0], buf_reserve(out, 16384), 16384)) > 0)
		out->len += (size_t)got;
	/* Closing ends it when there is more than anybody reads. */
	close(pipes[0]);
	if (pid < 0 || waitpid(pid, &status, 0) < 0)
		return -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 0;
}

/* True when ripgrep gave the answer. */
static bool by_ripgrep(struct files *s, const char *path)
{
	const char *rg = find_ripgrep();
	struct buf out = {0}, plain = {0};
	const char *p, *end;
	bool inside;
	int rc;

	if (!rg)
		return false;
	inside = workspace_plain(s->call->root, path, &plain);
	rc =
	    fchdir(s->call->workspace) == 0 ? run_ripgrep(rg, s->call, buf_cstr(&plain), &out) : -1;
	/* 2: it did not take something (an expression of the other dialect): ours looks then. */
	if (rc == 2 || rc < 0 || rc == 127) {
		buf_finish(&out);
		buf_finish(&plain);
		return false;
	}
	for (p = out.p, end = p + out.len; p < end;) {
		const char *eol = memchr(p, '\n', (size_t)(end - p));
		size_t n = (size_t)((eol ? eol : end) - p);

		if (s->search.found++ >= SEARCH_MAX_FOUND) {
			s->call->truncated = true;
			break;
		}
		if (inside && n > 2 && p[0] == '.' && p[1] == '/')
			p += 2, n -= 2;
		if (!tool_put_text(s->call, p, n))
			break;
		tool_put_text(s->call, "\n", 1);
		p += n + 1;
	}
	if (out.len >= TOOL_MAX_TEXT)
		s->call->truncated = true;
	buf_finish(&out);
	buf_finish(&plain);
	s->call->ok = true;
	say_rest(s, false);
	return true;
}

static void run(struct tool_call *call)
{
	struct files s = {.call = call, .glob = json_cstr(call->args, "glob", NULL)};
	const char *path = json_cstr(call->args, "path", ".");
	bool cut = false;

	if (!search_init(&s.search, call, json_cstr(call->args, "pattern", ""),
		json_is_true(json_object_get(call->args, "anyCase"))))
		return;
	if (search_one(&s, path) || by_ripgrep(&s, path))
		goto out;
	if (walk(call, path,
		&(struct walk_opts){.all = json_is_true(json_object_get(call->args, "all")),
		    .on_file = on_file,
		    .data = &s},
		&cut)) {
		call->ok = true;
		say_rest(&s, cut);
	}
out:
	buf_finish(&s.content);
	search_finish(&s.search);
}

const struct tool tool_search_files = {
    .name = "search_files",
    .kind = TOOL_READ,
    .description = "Find lines that fit a regular expression in the files of the workspace, as "
		   "path:line:text. "
		   "Files that .gitignore names and binary files are left out.",
    .schema = "{\"type\":\"object\",\"properties\":{"
	      "\"pattern\":{\"type\":\"string\",\"minLength\":1,\"maxLength\":2000,"
	      "\"description\":\"regular expression\"},"
	      "\"path\":{\"type\":\"string\",\"minLength\":1,\"maxLength\":4000,"
	      "\"description\":\"directory or file; . when not given\"},"
	      "\"glob\":{\"type\":\"string\",\"minLength\":1,\"maxLength\":1000,"
	      "\"description\":\"only files whose name fits, e.g. *.c\"},"
	      "\"anyCase\":{\"type\":\"boolean\",\"description\":\"capitals do not matter\"},"
	      "\"all\":{\"type\":\"boolean\",\"description\":\"ignored files too\"}},"
	      "\"required\":[\"pattern\"],\"additionalProperties\":false}",
    .path_arg = "path",
    .run = run,
};
