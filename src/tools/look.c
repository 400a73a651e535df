/* Looking through a tree. */
#include "tools/look.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "tools/survey.h"

enum {
	LOOK_HEAD = 1, /* what a directory holds that makes it a git directory */
	LOOK_OBJECTS = 2,
	LOOK_REFS = 4,
	LOOK_COMMON = 8,
};

struct look_state {
	struct look *look;
	int root;
	struct buf path; /* of the directory that is looked at */
	size_t root_len;
	size_t seen;
	uint64_t end_us;
	bool full;
};

/* A directory that is open for the time of a look. */
struct look_opened {
	int fd;
	mode_t was, now;
};

/* The supervisor is one process with one thread, and has one call. */
static struct look_opened opened[LOOK_OPENED];
static size_t opened_count;

struct look_name {
	bool directory, control;
	char text[];
};

struct look_names {
	struct look_name **all;
	size_t count, cap;
	unsigned parts;
};

static int look_open_how(int dir, const char *path, int flags)
{
	struct open_how how = {
	    .flags = (uint64_t)(unsigned)(flags | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC),
	    .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS};
	int fd = -1;

	/* EAGAIN: something was renamed while the kernel looked. */
	for (int i = 0; i < 100; i++) {
		fd = (int)syscall(SYS_openat2, dir, path, &how, sizeof how);
		if (fd >= 0 || errno != EAGAIN)
			break;
	}
	return fd;
}

/* Whoever owns a directory may list it: let us, and remember how it was. False: errno. */
static bool look_let_in(int at)
{
	mode_t now;
	char link[40];
	struct stat st;

	if (fstat(at, &st) != 0)
		return false;
	now = (st.st_mode & 07777) | 0700;
	errno = opened_count == LOOK_OPENED ? EMFILE : EACCES;
	if (opened_count == LOOK_OPENED || st.st_uid != geteuid())
		return false;
	snprintf(link, sizeof link, "/proc/self/fd/%d", at);
	if (chmod(link, now) != 0)
		return false;
	opened[opened_count++] = (struct look_opened){at, st.st_mode & 07777, now};
	return true;
}

int look_open(int dir, const char *path)
{
	int fd = look_open_how(dir, path, O_RDONLY), at;

	/* To list it is not enough: what lies in it must be reached. */
	if (fd >= 0 && faccessat(fd, ".", X_OK, AT_EACCESS) != 0 && errno == EACCES) {
		close(fd);
		fd = -1;
		errno = EACCES;
	}
	if (fd >= 0 || errno != EACCES)
		return fd;
	/* Git can pass through what cannot be listed. */
	at = look_open_how(dir, path, O_PATH);
	if (at < 0)
		return -1;
	if (look_let_in(at))
		return look_open_how(dir, path, O_RDONLY);
	close(at);
	return -1;
}

int look_open_at(const char *path)
{
	int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC), fd, error;

	if (root < 0)
		return -1;
	fd = look_open(root, path[1] ? path + 1 : ".");
	error = errno;
	close(root);
	errno = error;
	return fd;
}

void look_restore(void)
{
	char link[40];
	struct stat st;

	/* The last first: one may lie in another. */
	while (opened_count) {
		const struct look_opened *o = &opened[--opened_count];

		snprintf(link, sizeof link, "/proc/self/fd/%d", o->fd);
		/* Unless somebody has changed it meanwhile. */
		if (fstat(o->fd, &st) == 0 && (st.st_mode & 07777) == o->now)
			(void)chmod(link, o->was);
		close(o->fd);
	}
}

bool look_is_shut(int dir, const char *path)
{
	int at = look_open_how(dir, path, O_PATH);
	struct stat st;
	bool shut = at >= 0 && fstat(at, &st) == 0 && st.st_uid != geteuid() &&
		    faccessat(at, ".", F_OK, AT_EACCESS) != 0;

	if (at >= 0)
		close(at);
	return shut;
}

static void look_stop(struct look_state *s, const char *what)
{
	if (!s->full)
		snprintf(s->look->why, sizeof s->look->why, "%s", what);
	s->full = true;
}

static int look_reopen(struct look_state *s)
{
	const char *below = buf_cstr(&s->path) + s->root_len;
	int fd = look_open(s->root, below[0] ? below + 1 : "."), error = errno;
	char what[LOOK_WHY];

	/* What is gone, or was replaced by a link, holds nothing. */
	if (fd >= 0 || error == ENOENT || error == ENOTDIR || error == ELOOP)
		return fd;
	if (error == EACCES && below[0] && look_is_shut(s->root, below + 1))
		return -1;
	snprintf(
	    what, sizeof what, "%.300s cannot be read: %s", buf_cstr(&s->path), strerror(error));
	look_stop(s, what);
	return -1;
}

static unsigned look_part(const char *name)
{
	static const struct {
		const char *name;
		unsigned part;
	} parts[] = {{"HEAD", LOOK_HEAD}, {"objects", LOOK_OBJECTS}, {"refs", LOOK_REFS},
	    {"commondir", LOOK_COMMON}};

	for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
		if (strcmp(parts[i].name, name) == 0)
			return parts[i].part;
	return 0;
}

static bool look_is_git(unsigned parts)
{
	return (parts & LOOK_HEAD) &&
	       ((parts & LOOK_COMMON) ||
		   (parts & (LOOK_OBJECTS | LOOK_REFS)) == (LOOK_OBJECTS | LOOK_REFS));
}

static bool look_is_directory(int dir, const struct dirent *e)
{
	struct stat st;

	if (e->d_type != DT_UNKNOWN)
		return e->d_type == DT_DIR;
	return fstatat(dir, e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode);
}

static bool look_is_over(struct look_state *s)
{
	char what[LOOK_WHY];

	if (s->seen >= s->look->entries)
		snprintf(
		    what, sizeof what, "the workspace has more than %zu entries", s->look->entries);
	else if (s->seen % 256 == 0 && clock_mono_us() >= s->end_us)
		snprintf(what, sizeof what, "a look at the workspace took longer than %llu ms",
		    (unsigned long long)s->look->us / 1000);
	else
		return false;
	look_stop(s, what);
	return true;
}

/* Of the names in a directory those that matter, taken before any of them is changed. */
static void look_read(struct look_state *s, int fd, struct look_names *ret)
{
	DIR *d = fdopendir(fd);
	struct dirent *e;

	if (!d) {
		close(fd);
		look_stop(s, "a directory cannot be read");
		return;
	}
	while ((e = readdir(d))) {
		struct look_name *name;
		bool directory, control;
		size_t n;

		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		if (look_is_over(s))
			break;
		s->seen++;
		ret->parts |= look_part(e->d_name);
		directory = look_is_directory(fd, e);
		control = survey_name(e->d_name);
		if (!directory && !control)
			continue;
		if (ret->count == ret->cap) {
			ret->cap = ret->cap ? ret->cap * 2 : 16;
			ret->all = mem_realloc(ret->all, ret->cap * sizeof *ret->all);
		}
		n = strlen(e->d_name) + 1;
		name = mem_alloc(sizeof *name + n);
		*name = (struct look_name){.directory = directory, .control = control};
		memcpy(name->text, e->d_name, n);
		ret->all[ret->count++] = name;
	}
	closedir(d);
}

static bool look_goes_into(struct look_state *s, const struct look_name *name)
{
	/* What a git directory holds is looked at by whoever is told of it. */
	if (!name->directory || strcmp(name->text, ".git") == 0)
		return false;
	return !name->control || s->look->enter(s->look->data, buf_cstr(&s->path));
}

static void look_directory(struct look_state *s)
{
	const struct look *l = s->look;
	struct look_names names = {0};
	size_t len = s->path.len;
	bool any = false;
	int fd = look_reopen(s);

	if (fd < 0)
		return;
	look_read(s, fd, &names);
	for (size_t i = 0; i < names.count; i++) {
		any |= names.all[i]->control;
		buf_addf(&s->path, "/%s", names.all[i]->text);
		if (look_goes_into(s, names.all[i]))
			look_directory(s);
		s->path.len = len;
	}
	fd = any || look_is_git(names.parts) ? look_reopen(s) : -1;
	for (size_t i = 0; i < names.count; i++) {
		if (fd >= 0 && names.all[i]->control)
			l->entry(l->data, fd, buf_cstr(&s->path), names.all[i]->text);
		free(names.all[i]);
	}
	if (fd >= 0 && look_is_git(names.parts))
		l->git(l->data, fd, buf_cstr(&s->path));
	if (fd >= 0)
		close(fd);
	free(names.all);
}

bool look_through(struct look *look)
{
	struct look_state s = {.look = look,
	    .root = open(look->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC),
	    .root_len = strlen(look->root),
	    .end_us = clock_mono_us() + look->us};

	look->why[0] = '\0';
	if (s.root < 0) {
		snprintf(look->why, sizeof look->why, "%.300s cannot be opened: %s", look->root,
		    strerror(errno));
		return false;
	}
	buf_adds(&s.path, look->root);
	look_directory(&s);
	buf_finish(&s.path);
	close(s.root);
	look_restore();
	return !s.full;
}
