/* A walk over files. */
#include "tools/walk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"
#include "tools/ignore.h"
#include "tools/tool.h"
#include "tools/workspace.h"

enum { WALK_MAX_IGNORE = 256 * 1024 };

struct walker {
	const struct walk_opts *opts;
	struct buf path; /* of where we stand, from the workspace */
	size_t files;
	bool stopped, cut;
};

struct entry {
	char *name; /* owned */
	bool directory;
};

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct entry *)a)->name, ((const struct entry *)b)->name);
}

static void read_ignore(int dir, struct buf *out)
{
	int fd = openat(dir, ".gitignore", O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat st;
	ssize_t n;

	if (fd < 0)
		return;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
		while (out->len < WALK_MAX_IGNORE &&
		       (n = read(fd, buf_reserve(out, 16384), 16384)) > 0)
			out->len += (size_t)n;
	close(fd);
}

/* The entries of dir in order; the caller frees them. */
static struct entry *list(int dir, size_t *ret_count)
{
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
	struct entry *entries = NULL;
	size_t count = 0, cap = 0;
	struct dirent *e;

	if (!d && fd >= 0)
		close(fd);
	while (d && count < WALK_MAX_FILES && (e = readdir(d))) {
		struct stat st;
		bool directory = e->d_type == DT_DIR;

		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		if (e->d_type == DT_UNKNOWN)
			directory = fstatat(dir, e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
				    S_ISDIR(st.st_mode);
		if (count == cap) {
			cap = cap ? cap * 2 : 64;
			entries = mem_realloc(entries, cap * sizeof *entries);
		}
		entries[count++] = (struct entry){mem_strdup(e->d_name), directory};
	}
	if (d)
		closedir(d);
	if (count)
		qsort(entries, count, sizeof *entries, by_name);
	*ret_count = count;
	return entries;
}

static void visit(struct walker *w, int dir, const struct ignore *above, unsigned depth);

static void visit_entry(
    struct walker *w, int dir, const struct entry *e, const struct ignore *ignore, unsigned depth)
{
	size_t len = w->path.len;
	int below;

	buf_addf(&w->path, "%s%s", len ? "/" : "", e->name);
	if (!w->opts->all && ignore_has(ignore, buf_cstr(&w->path), e->directory))
		goto out;
	if (w->files++ >= WALK_MAX_FILES) {
		w->cut = w->stopped = true;
		goto out;
	}
	if (!e->directory) {
		w->stopped |= !w->opts->on_file(w->opts->data, dir, e->name, buf_cstr(&w->path));
		goto out;
	}
	if (w->opts->directories) {
		buf_addc(&w->path, '/');
		w->stopped |= !w->opts->on_file(w->opts->data, dir, e->name, buf_cstr(&w->path));
		w->path.len--;
	}
	if (depth >= WALK_MAX_DEPTH) {
		w->cut = true;
		goto out;
	}
	below = openat(dir, e->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (below >= 0 && !w->stopped)
		visit(w, below, ignore, depth + 1);
	if (below >= 0)
		close(below);
out:
	w->path.len = len;
}

static void visit(struct walker *w, int dir, const struct ignore *above, unsigned depth)
{
	struct buf text = {0};
	struct ignore *ignore;
	struct entry *entries;
	size_t count;

	if (!w->opts->all)
		read_ignore(dir, &text);
	ignore = ignore_new(above, buf_cstr(&w->path), text.p, text.len);
	buf_finish(&text);
	entries = list(dir, &count);
	for (size_t i = 0; i < count; i++) {
		if (!w->stopped)
			visit_entry(w, dir, &entries[i], ignore, depth);
		free(entries[i].name);
	}
	free(entries);
	ignore_free(ignore);
}

bool walk(struct tool_call *call, const char *path, const struct walk_opts *opts, bool *ret_cut)
{
	struct walker w = {.opts = opts};
	int dir = workspace_open(call, path, O_RDONLY | O_DIRECTORY);

	*ret_cut = false;
	if (dir < 0)
		return false;
	workspace_plain(call->root, path, &w.path);
	if (strcmp(buf_cstr(&w.path), ".") == 0)
		buf_clear(&w.path);
	visit(&w, dir, NULL, 0);
	close(dir);
	buf_finish(&w.path);
	*ret_cut = w.cut;
	return true;
}
