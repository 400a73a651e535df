/* Following a path; path_resolution(7). */
#include "tools/way.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/str.h"

struct way {
	struct buf done; /* the real path so far, "" for the root */
	struct buf rest; /* what is still to go */
	int links;
	bool absent;
};

static bool way_links_to(struct way *w, struct str rest, way_link_cb *link, void *data)
{
	char target[WAY_MAX_PATH];
	ssize_t n = readlink(buf_cstr(&w->done), target, sizeof target - 1);
	struct buf next = {0};

	if (n <= 0 || ++w->links > WAY_MAX_LINKS)
		return false;
	target[n] = '\0';
	if (link && !link(data, buf_cstr(&w->done), target))
		return false;
	buf_addf(&next, "%s/%.*s", target, (int)rest.n, rest.p);
	buf_finish(&w->rest);
	w->rest = next;
	if (target[0] == '/')
		w->done.len = 0;
	else
		w->done.len = (size_t)(strrchr(buf_cstr(&w->done), '/') - w->done.p);
	return w->rest.len < 2 * WAY_MAX_PATH;
}

/* Take one part; *ret_rest is what follows it. */
static bool way_step(struct way *w, struct str part, struct str rest, way_link_cb *link, void *data)
{
	struct stat st;

	if (!part.n || str_eq(part, "."))
		return true;
	if (str_eq(part, "..")) {
		while (w->done.len && w->done.p[--w->done.len] != '/')
			;
		return !w->absent;
	}
	buf_addf(&w->done, "/%.*s", (int)part.n, part.p);
	if (w->done.len >= WAY_MAX_PATH)
		return false;
	if (!w->absent && lstat(buf_cstr(&w->done), &st) != 0)
		w->absent = true;
	return w->absent || !S_ISLNK(st.st_mode) || way_links_to(w, rest, link, data);
}

enum way_end way_follow(const char *path, char *out, way_link_cb *link, void *data)
{
	struct way w = {0};
	bool good = path[0] == '/' && strlen(path) < (size_t)WAY_MAX_PATH;

	if (good)
		buf_adds(&w.rest, path);
	while (good && w.rest.len) {
		struct str part, rest = str_cut((struct str){w.rest.p, w.rest.len}, '/', &part);
		int links = w.links;

		good = way_step(&w, part, rest, link, data);
		if (good && w.links == links) {
			memmove(w.rest.p, w.rest.p + (w.rest.len - rest.n), rest.n);
			w.rest.len = rest.n;
		}
	}
	snprintf(out, WAY_MAX_PATH, "%s", good && w.done.len ? buf_cstr(&w.done) : "/");
	buf_finish(&w.done);
	buf_finish(&w.rest);
	return !good ? WAY_NOWHERE : w.absent ? WAY_ABSENT : WAY_THERE;
}
