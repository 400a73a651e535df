/* list_dir: one directory, one line an entry. */
#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/json.h"
#include "base/mem.h"
#include "tools/tool.h"
#include "tools/workspace.h"

enum { LIST_MAX_ENTRIES = 2000 };

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void put_entry(struct tool_call *call, int dir, const char *name)
{
	char to[256];
	struct buf line = {0};
	struct stat st;
	ssize_t n;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) != 0) {
		buf_addf(&line, "%s\n", name);
	} else if (S_ISDIR(st.st_mode)) {
		buf_addf(&line, "%s/\n", name);
	} else if (S_ISLNK(st.st_mode)) {
		n = readlinkat(dir, name, to, sizeof to - 1);
		to[n > 0 ? n : 0] = '\0';
		buf_addf(&line, "%s -> %s\n", name, to);
	} else if (S_ISREG(st.st_mode)) {
		buf_addf(&line, "%s  %lld\n", name, (long long)st.st_size);
	} else {
		buf_addf(&line, "%s  (special)\n", name);
	}
	tool_put_text(call, line.p, line.len);
	buf_finish(&line);
}

static void run(struct tool_call *call)
{
	const char *path = json_cstr(call->args, "path", ".");
	int fd = workspace_open(call, path, O_RDONLY | O_DIRECTORY);
	char **names = NULL;
	size_t count = 0, all = 0;
	struct dirent *e;
	DIR *d;

	if (fd < 0)
		return;
	d = fdopendir(fd);
	if (!d) {
		close(fd);
		tool_fail(call, "%.500s cannot be read", path);
		return;
	}
	names = mem_zalloc(LIST_MAX_ENTRIES, sizeof *names);
	while ((e = readdir(d))) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		if (all++ < LIST_MAX_ENTRIES)
			names[count++] = mem_strdup(e->d_name);
	}
	qsort(names, count, sizeof *names, by_name);
	call->ok = true;
	if (!count)
		buf_adds(&call->text, "(the directory is empty)\n");
	for (size_t i = 0; i < count; i++) {
		put_entry(call, dirfd(d), names[i]);
		free(names[i]);
	}
	free(names);
	closedir(d);
	if (all > count) {
		call->truncated = true;
		buf_addf(&call->text, "[and %zu more: find_files takes a pattern]\n", all - count);
	}
}

const struct tool tool_list_dir = {
    .name = "list_dir",
    .kind = TOOL_READ,
    .description =
	"List a directory of the workspace: directories end in /, files have their size in bytes.",
    .schema = "{\"type\":\"object\",\"properties\":{"
	      "\"path\":{\"type\":\"string\",\"minLength\":1,\"maxLength\":4000,"
	      "\"description\":\"path from the workspace; . when not given\"}},"
	      "\"additionalProperties\":false}",
    .path_arg = "path",
    .run = run,
};
