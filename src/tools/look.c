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
#include "tools/repository.h"

enum {
	LOOK_HEAD = 1, /* what a directory holds that makes it a git directory */
	LOOK_OBJECTS = 2,
	LOOK_REFS = 4,
	LOOK_COMMON = 8,
};

struct look_state {
	const struct look *look;
	int root;
	struct buf path; /* of the directory that is looked at */
	size_t root_len;
	size_t seen;
	uint64_t end_us;
	bool full;
};

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

int look_open(int dir, const char *path)
{
	int fd = look_open_how(dir, path, O_RDONLY), at;
	char link[40];
	struct stat st;

	if (fd >= 0 || errno != EACCES)
		return fd;
	/* Git can pass through what cannot be listed. Whoever owns a directory may list it. */
	at = look_open_how(dir, path, O_PATH);
	if (at >= 0 && fstat(at, &st) == 0 && st.st_uid == geteuid()) {
		snprintf(link, sizeof link, "/proc/self/fd/%d", at);
		if (chmod(link, (st.st_mode & 07777) | 0700) == 0)
			fd = look_open_how(dir, path, O_RDONLY);
	}
	if (at >= 0)
		close(at);
	if (fd < 0)
		errno = EACCES;
	return fd;
}

static int look_reopen(struct look_state *s)
{
	const char *below = buf_cstr(&s->path) + s->root_len;
	int fd = look_open(s->root, below[0] ? below + 1 : ".");

	/* What is gone, or was replaced by a link, holds nothing. */
	if (fd < 0 && errno != ENOENT && errno != ENOTDIR && errno != ELOOP && errno != EACCES)
		s->full = true;
	return fd;
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

/* Of the names in a directory those that matter, taken before any of them is changed. */
static void look_read(struct look_state *s, int fd, struct look_names *ret)
{
	DIR *d = fdopendir(fd);
	struct dirent *e;

	if (!d) {
		close(fd);
		s->full = true;
		return;
	}
	while ((e = readdir(d))) {
		struct look_name *name;
		bool directory, control;
		size_t n;

		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		if (s->seen >= s->look->entries ||
		    (s->seen % 256 == 0 && clock_mono_us() >= s->end_us)) {
			s->full = true;
			break;
		}
		s->seen++;
		ret->parts |= look_part(e->d_name);
		directory = look_is_directory(fd, e);
		control = repository_guards_name(e->d_name);
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

bool look_through(const struct look *look)
{
	struct look_state s = {.look = look,
	    .root = open(look->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC),
	    .root_len = strlen(look->root),
	    .end_us = clock_mono_us() + look->us};

	if (s.root < 0)
		return false;
	buf_adds(&s.path, look->root);
	look_directory(&s);
	buf_finish(&s.path);
	close(s.root);
	return !s.full;
}
