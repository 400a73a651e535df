/* delete_file: remove one file, or a link itself, or an empty directory. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/json.h"
#include "tools/guard.h"
#include "tools/tool.h"
#include "tools/workspace.h"

static const char *kind_of(mode_t mode)
{
	if (S_ISREG(mode))
		return "file";
	if (S_ISDIR(mode))
		return "directory";
	return S_ISLNK(mode) ? "symbolic link" : "special file";
}

/* What stands at path; the parent's descriptor and the last part. -1 with a sentence. */
static int look(struct tool_call *call, const char *path, char *name, struct stat *st)
{
	int dir = workspace_open_parent(call, path, false, name);

	if (dir >= 0 && !guard_allows(call, dir, name)) {
		close(dir);
		return -1;
	}
	if (dir >= 0 && fstatat(dir, name, st, AT_SYMLINK_NOFOLLOW) != 0) {
		tool_fail(call, "%.500s does not exist", path);
		close(dir);
		dir = -1;
	}
	return dir;
}

/* Binds a decision to this very inode as it is. */
static void state_of(const struct stat *st, char ret[TOOL_STATE_SIZE])
{
	snprintf(ret, TOOL_STATE_SIZE, "%llx-%llx-%llx-%llx", (unsigned long long)st->st_dev,
	    (unsigned long long)st->st_ino, (unsigned long long)st->st_size,
	    (unsigned long long)st->st_mtim.tv_sec * 1000000000ULL +
		(unsigned long long)st->st_mtim.tv_nsec);
}

static void preview(struct tool_call *call)
{
	const char *path = json_cstr(call->args, "path", "");
	char name[256];
	struct stat st;
	int dir = look(call, path, name, &st);

	if (dir < 0)
		return;
	close(dir);
	buf_addf(&call->text, "delete the %s %s (%lld bytes)", kind_of(st.st_mode), path,
	    (long long)st.st_size);
	state_of(&st, call->state);
	call->ok = true;
}

static void run(struct tool_call *call)
{
	const char *path = json_cstr(call->args, "path", "");
	char name[256], now[TOOL_STATE_SIZE];
	struct stat st;
	int dir = look(call, path, name, &st);

	if (dir < 0)
		return;
	state_of(&st, now);
	if (call->expect && strcmp(now, call->expect) != 0) {
		tool_fail(call, "%.500s changed after it was shown: nothing was deleted", path);
		call->changed = true;
	} else if (unlinkat(dir, name, S_ISDIR(st.st_mode) ? AT_REMOVEDIR : 0) != 0) {
		tool_fail(call,
		    errno == ENOTEMPTY || errno == EEXIST
			? "%.500s is a directory that is not empty: delete its files first"
			: "%.500s cannot be deleted: %s",
		    path, strerror(errno));
	} else {
		call->ok = true;
		buf_addf(&call->text, "deleted the %s %s", kind_of(st.st_mode), path);
	}
	close(dir);
}

const struct tool tool_delete_file = {
    .name = "delete_file",
    .kind = TOOL_DELETE,
    .description = "Delete one file, or an empty directory.",
    .schema = "{\"type\":\"object\",\"properties\":{"
	      "\"path\":{\"type\":\"string\",\"minLength\":1,\"maxLength\":4000,"
	      "\"description\":\"path from the workspace\"}},"
	      "\"required\":[\"path\"],\"additionalProperties\":false}",
    .path_arg = "path",
    .preview = preview,
    .run = run,
};
