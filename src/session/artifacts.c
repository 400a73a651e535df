/* Removing artifacts. */
#include "session/artifacts.h"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>
#include <uv.h>

#include "base/mem.h"
#include "session/core.h"

struct removal {
	uv_work_t work;
	char *parent; /* owned */
	char *name;   /* owned */
};

static void run(uv_work_t *work)
{
	struct removal *r = work->data;
	int parent = open(r->parent, O_PATH | O_DIRECTORY | O_CLOEXEC), fd;
	struct dirent *e;
	DIR *d;

	if (parent < 0)
		return;
	fd = openat(parent, r->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	d = fd >= 0 ? fdopendir(fd) : NULL;
	/* The tool host makes plain files in it, nothing below. */
	while (d && (e = readdir(d)))
		unlinkat(fd, e->d_name, 0);
	if (d)
		closedir(d);
	else if (fd >= 0)
		close(fd);
	unlinkat(parent, r->name, AT_REMOVEDIR);
	close(parent);
}

static void done(uv_work_t *work, int status)
{
	struct removal *r = work->data;

	free(r->parent);
	free(r->name);
	free(r);
}

void artifacts_remove(struct core *core, const char *session_id)
{
	struct removal *r;

	if (!core->opts.artifacts)
		return;
	r = mem_zalloc(1, sizeof *r);
	r->work.data = r;
	r->parent = mem_strdup(core->opts.artifacts);
	r->name = mem_strdup(session_id);
	uv_queue_work(core->opts.loop, &r->work, run, done);
}
