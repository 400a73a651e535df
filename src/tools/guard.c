/* Control files in the way of a file tool. */
#include "tools/guard.h"

#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/control.h"
#include "tools/guards.h"
#include "tools/tool.h"

/* The path of a directory, as the kernel knows it. Where there is no /proc: by going there. */
static bool guard_path(int dir, char *out, size_t size)
{
	char link[40];
	int back;
	ssize_t n;
	bool there;

	snprintf(link, sizeof link, "/proc/self/fd/%d", dir);
	n = readlink(link, out, size - 1);
	if (n > 0 && (size_t)n < size - 1) {
		out[n] = '\0';
		return out[0] == '/';
	}
	back = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	there = fchdir(dir) == 0 && getcwd(out, size) && out[0] == '/';
	if (back >= 0) {
		there = fchdir(back) == 0 && there;
		close(back);
	}
	return there;
}

bool guard_allows(struct tool_call *call, int dir, const char *rest)
{
	char path[PATH_MAX], work[PATH_MAX];
	struct buf full = {0};
	bool good;

	if (!guard_path(dir, path, sizeof path) ||
	    !guard_path(call->workspace, work, sizeof work)) {
		tool_fail(call, "nobody can say where this lies: nothing was written");
		return false;
	}
	buf_addf(&full, "%s%s%s", strcmp(path, "/") == 0 ? "" : path, rest[0] ? "/" : "", rest);
	good = !control_is(buf_cstr(&full), work, call->home) &&
	       !(call->guards &&
		   (call->guards->missing[0] || guards_names(call->guards, buf_cstr(&full))));
	if (!good) {
		snprintf(call->control_found, sizeof call->control_found, "%s", buf_cstr(&full));
		good =
		    call->preview || (call->control && strcmp(call->control, buf_cstr(&full)) == 0);
	}
	if (!good)
		tool_fail(call,
		    "%.500s is a file that git, a shell or an editor of the person runs things "
		    "from: nothing was written, as nobody agreed to that file by name",
		    buf_cstr(&full));
	buf_finish(&full);
	return good;
}
