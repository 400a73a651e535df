/* The view of one call. */
#include "tools/view.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "tools/control.h"
#include "tools/limits.h"
#include "tools/mounts.h"
#include "tools/sandbox.h"
#include "tools/survey.h"

/* The pid of its supervisor follows: whoever finds it later knows whether that is gone. */
#define VIEW_TEMP_NAME "opta-tool-"

enum {
	VIEW_LEFT_SECONDS = 3600,
	VIEW_ASIDE_US = 500 * 1000, /* between two looks for new control files */
	VIEW_ASIDE_SHARE = 50,	    /* and so many times what the last one took */
	VIEW_LOOK_ABSENT = 256,	    /* so many files are looked for more often */
};

/* The private directories lie over these. */
static bool view_is_covered(const char *path)
{
	static const char *const covered[] = {"/tmp", "/run", "/dev/shm"};

	for (size_t i = 0; i < sizeof covered / sizeof covered[0]; i++) {
		size_t n = strlen(covered[i]);

		if (strncmp(path, covered[i], n) == 0 && (path[n] == '/' || !path[n]))
			return true;
	}
	return false;
}

/* Which directory must be seen for the path outside: itself, or what holds it. */
static void view_find_extra(struct view *v)
{
	const char *path = v->opts.request->outside, *slash;
	struct stat st;

	if (!path || (!v->opts.request->outside_write && !view_is_covered(path)))
		return;
	snprintf(v->extra, sizeof v->extra, "%s", path);
	if (v->opts.request->outside_write || stat(path, &st) != 0 || !S_ISDIR(st.st_mode)) {
		slash = strrchr(v->extra, '/');
		v->extra[slash ? slash - v->extra : 0] = '\0';
	}
	/* What is not there needs no view, and the root is never made writable. */
	if (v->extra[0] && stat(v->extra, &st) != 0)
		v->extra[0] = '\0';
}

/* The real path of the person's home directory, NULL: none. */
const char *view_home(char *real)
{
	const char *home = getenv("HOME");

	return home && home[0] == '/' ? realpath(home, real) : NULL;
}

/* Files that are switches of the kernel, the limits of control groups among them. */
static bool view_is_kernel(const char *real)
{
	return mounts_within(real, "/sys") || mounts_within(real, "/proc");
}

/*
 * A workspace that is everything, or a home: what lies in it is what shells, desktops and all
 * programs of the person are told to do. However it is spelled.
 */
static int view_check_workspace(const char *real, const char *home, struct err *reterr)
{
	if (strcmp(real, "/") == 0)
		return err_set(reterr, -EPERM,
		    "the workspace is the whole system: make a session in a directory of the "
		    "project");
	if (view_is_kernel(real))
		return err_set(reterr, -EPERM,
		    "the workspace %.200s lies in the kernel's own files: make a session in a "
		    "directory of the project",
		    real);
	if (control_home(real, home))
		return err_set(reterr, -EPERM,
		    "the workspace %.200s is a home directory, whose files tell shells and "
		    "programs what to do: make a session in a directory of the project",
		    real);
	return 0;
}

static bool view_may_write(const struct tool_request *r, const char *path)
{
	const json_t *one;
	size_t i;

	if (r->any_repository)
		return true;
	json_array_foreach (r->repositories, i, one)
		if (json_is_string(one) && strcmp(json_string_value(one), path) == 0)
			return true;
	return false;
}

/* What a command may write of a repository, and what of all it may not. */
static void view_find_repository(struct view *v, const char *home)
{
	bool notes = !v->opts.command || v->opts.request->step == STEP_PREVIEW;

	repository_find(v->workspace, &v->repository);
	v->repository_write = v->opts.command && v->repository.outside &&
			      view_may_write(v->opts.request, v->repository.common);
	guards_init(&v->guards, v->workspace, home, notes);
	survey(&v->guards, &v->repository, v->repository_write);
}

void view_look(struct view *v, struct aside_told *told)
{
	if (v->opts.command && v->workspace[0] && v->guards.absent_count <= VIEW_LOOK_ABSENT)
		aside_put_absent(&v->guards, false, told);
}

void view_put_aside(struct view *v, bool ended, struct aside_told *told)
{
	uint64_t now = clock_mono_us();

	if (!v->opts.command || !v->workspace[0] ||
	    (!ended && (!v->opts.init || now < v->aside_us)))
		return;
	aside_put(view_repository(v, 0), &v->guards, ended, told);
	v->aside_us = clock_mono_us() + VIEW_ASIDE_US + VIEW_ASIDE_SHARE * (clock_mono_us() - now);
}

static int view_failed(struct err *reterr, int rc, const struct err *why)
{
	return err_set(
	    reterr, rc, "the sandbox could not be made, so nothing was run: %s", why->text);
}

/* Without namespaces: what is ours in directories that everybody shares. */
static void view_make_shared(struct view *v)
{
	snprintf(v->temp, sizeof v->temp, "/tmp/" VIEW_TEMP_NAME "%d-XXXXXX", (int)getpid());
	if (!mkdtemp(v->temp))
		v->temp[0] = '\0';
}

const char *view_repository(const struct view *v, int i)
{
	if (!v->repository_write)
		return NULL;
	if (i == 0)
		return v->repository.common;
	return i == 1 && !mounts_within(v->repository.git, v->repository.common) ? v->repository.git
										 : NULL;
}

static int view_mount(struct view *v, struct err *reterr)
{
	const struct view_opts *o = &v->opts;
	struct mounts_opts mounts = {.workspace = o->request->workspace,
	    .hidden = o->request->hidden,
	    .extra = v->extra[0] ? v->extra : NULL,
	    .extra_write = o->request->outside_write,
	    .repository = {view_repository(v, 0), view_repository(v, 1)},
	    .sockets = o->command ? o->request->sockets : NULL,
	    .guards = v->guards.all,
	    .guard_count = v->guards.notes ? 0 : v->guards.count,
	    .proc = o->support->proc,
	    .memory_mb = o->request->memory_mb,
	    .ret_memory = o->command ? &v->memory : NULL};
	struct err err = {0};
	int rc = o->support->user_ns ? mounts_map_user(o->uid, o->gid) : 0;

	if (rc != 0)
		err_set(&err, rc, "user namespace: %s", strerror(-rc));
	/* A view of its own, which stays writable when the rest is not. */
	if (rc == 0 && o->request->artifacts)
		v->artifacts = mounts_keep(o->request->artifacts);
	if (rc == 0)
		rc = mounts_make(&mounts, &err);
	if (rc == 0 && o->support->proc) {
		limits_bound_pids();
		rc = mounts_seal_proc(&err);
	}
	if (rc != 0)
		return view_failed(reterr, rc, &err);
	if (!o->request->network && o->support->net_ns)
		mounts_loopback_up();
	return 0;
}

static bool view_writes(const struct tool_request *r)
{
	const struct tool *tool = tool_find(r->tool);

	return tool && (tool->kind == TOOL_EDIT || tool->kind == TOOL_DELETE);
}

int view_make(struct view *v, const struct view_opts *opts, struct err *reterr)
{
	static char real[PATH_MAX], real_home[PATH_MAX];
	const char *home = view_home(real_home);
	int rc = 0;

	*v = (struct view){.opts = *opts, .artifacts = -1, .memory = -1};
	/* A workspace that is not there any more is told of by whoever opens it. */
	if (!realpath(opts->request->workspace, real))
		real[0] = '\0';
	if (real[0])
		rc = view_check_workspace(real, home, reterr);
	if (rc != 0)
		return rc;
	if (strlen(real) >= sizeof v->workspace)
		return err_set(reterr, -ENAMETOOLONG, "the path of the workspace is too long");
	memcpy(v->workspace, real, strlen(real) + 1);
	view_find_extra(v);
	if (real[0] && (opts->command || view_writes(opts->request)))
		view_find_repository(v, home);
	if (opts->init)
		rc = view_mount(v, reterr);
	else
		view_make_shared(v);
	if (!opts->init && opts->request->artifacts)
		v->artifacts = open(opts->request->artifacts, O_PATH | O_DIRECTORY | O_CLOEXEC);
	v->aside_us = clock_mono_us() + VIEW_ASIDE_US;
	return rc;
}

static void view_remove(const char *path)
{
	/* A program does it better than we could, and it is only for kernels without namespaces. */
	pid_t pid = fork();

	if (pid == 0) {
		execl("/bin/rm", "rm", "-rf", "--", path, (char *)NULL);
		_exit(127);
	}
	if (pid > 0)
		waitpid(pid, NULL, 0);
}

void view_finish(struct view *v)
{
	guards_finish(&v->guards);
	if (v->temp[0])
		view_remove(v->temp);
}

/* Was it made by one of ours that is gone? Of all, only what is old: its number may mean somebody
 * else where /tmp is shared between containers. */
static bool view_is_left(const char *path, pid_t maker, pid_t supervisor)
{
	struct stat st;

	if (lstat(path, &st) != 0 || !S_ISDIR(st.st_mode) || st.st_uid != getuid())
		return false;
	if (supervisor)
		return maker == supervisor;
	return kill(maker, 0) != 0 && errno == ESRCH &&
	       time(NULL) - st.st_mtime > VIEW_LEFT_SECONDS;
}

void view_remove_left(pid_t supervisor)
{
	DIR *d = opendir("/tmp");
	struct dirent *e;

	while (d && (e = readdir(d))) {
		char path[300];
		int maker, used = 0;

		if (sscanf(e->d_name, VIEW_TEMP_NAME "%d-%n", &maker, &used) != 1 || !used ||
		    maker <= 0)
			continue;
		snprintf(path, sizeof path, "/tmp/%s", e->d_name);
		if (view_is_left(path, (pid_t)maker, supervisor))
			view_remove(path);
	}
	if (d)
		closedir(d);
}
