/* Renaming what nobody agreed to; rename(2). */
#include "tools/shelf.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/ids.h"
#include "base/mem.h"
#include "base/str.h"
#include "tools/aside.h"
#include "tools/guards.h"
#include "tools/look.h"

enum {
	SHELF_DEPTH = 16,      /* of directories looked at for changes */
	SHELF_TRIES = 1000,    /* names of 64 random bits, which nobody has taken before */
	SHELF_NAME = 200,      /* bytes of the old name that are kept */
	SHELF_MAX_TOLD = 8192, /* bytes of what was put aside, and of what was not */
};

/* Names are bytes; what is told is text. */
static void shelf_put_path(struct buf *out, const char *path, const char *name)
{
	size_t from = out->len;
	bool text;

	buf_addf(out, "%s/%s", path, name);
	text = str_utf8_valid(out->p + from, out->len - from) == out->len - from;
	for (size_t i = from; i < out->len; i++) {
		unsigned char c = (unsigned char)out->p[i];

		if (c < 0x20 || c == 0x7F || (c >= 0x80 && !text))
			out->p[i] = '?';
	}
}

static void shelf_tell(struct shelf *s, const char *path, const char *name, const char *to)
{
	struct buf *out = &s->told->put;

	if (out->len > SHELF_MAX_TOLD) {
		s->told->put_more++;
		return;
	}
	buf_addc(out, '[');
	shelf_put_path(out, path, name);
	buf_addf(out,
	    " would make git, a shell or an editor run something, and nobody agreed to it: it "
	    "is put aside, with %s behind its name]\n",
	    strstr(to, ASIDE_SUFFIX));
}

static void shelf_tell_left(struct shelf *s, const char *path, const char *name, int error)
{
	struct buf *out = &s->told->left;

	/* While it runs there is another look. */
	if (!s->ended)
		return;
	if (out->len > SHELF_MAX_TOLD) {
		s->told->left_more++;
		return;
	}
	buf_adds(out, "[DANGER: ");
	shelf_put_path(out, path, name);
	buf_addf(out,
	    " was made by this command and makes git, a shell or an editor run something; it could "
	    "not be put aside (%s): remove it before you run anything there]\n",
	    strerror(error));
}

static int shelf_rename_to(int dir, const char *name, const char *to)
{
	if (renameat2(dir, name, dir, to, RENAME_NOREPLACE) == 0)
		return 0;
	/* A filesystem without it: the name is random. */
	if (errno == EINVAL && !shelf_has(dir, to) && renameat(dir, name, dir, to) == 0)
		return 0;
	return -errno;
}

/* 0 and the name it has now, or -errno. */
static int shelf_rename(int dir, const char *name, char *to, size_t size)
{
	char suffix[64];
	int rc = -EEXIST;

	for (int i = 0; i < SHELF_TRIES && rc == -EEXIST; i++) {
		snprintf(suffix, sizeof suffix, ASIDE_SUFFIX);
		if (i)
			ids_make(ASIDE_SUFFIX ".", 8, suffix, sizeof suffix);
		snprintf(to, size, "%.*s%s", SHELF_NAME, name, suffix);
		rc = shelf_rename_to(dir, name, to);
	}
	return rc;
}

/* The same in a directory of our own that is read-only: it is only so again afterwards. */
static int shelf_rename_in(int dir, const char *name, char *to, size_t size)
{
	int rc = shelf_rename(dir, name, to, size);
	struct stat st;

	if (rc != -EACCES || fstat(dir, &st) != 0 || st.st_uid != geteuid() ||
	    fchmod(dir, (st.st_mode & 07777) | 0300) != 0)
		return rc;
	rc = shelf_rename(dir, name, to, size);
	(void)fchmod(dir, st.st_mode & 07777);
	return rc;
}

void shelf_put(struct shelf *s, int dir, const char *path, const char *name)
{
	char to[SHELF_NAME + 100];
	int rc;

	/* Where not everything was seen before, it may be as old as the rest. */
	if (s->known->missing[0] && !shelf_changed(s, dir, name))
		return;
	rc = shelf_rename_in(dir, name, to, sizeof to);
	if (rc == 0)
		shelf_tell(s, path, name, to);
	else if (rc != -ENOENT)
		shelf_tell_left(s, path, name, -rc);
}

/* --- what is there --- */

static bool shelf_changed_below(struct shelf *s, int dir, const char *name, int depth)
{
	const struct timespec *start = &s->known->start;
	struct stat st;
	bool changed;
	size_t count = 0;
	char **names;
	int fd;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
		return false;
	changed = st.st_ctim.tv_sec > start->tv_sec ||
		  (st.st_ctim.tv_sec == start->tv_sec && st.st_ctim.tv_nsec > start->tv_nsec);
	if (changed || !S_ISDIR(st.st_mode))
		return changed;
	fd = depth > 0 ? look_open(dir, name) : -1;
	if (fd < 0)
		return true;
	names = shelf_names(s, fd, &count);
	changed = s->full;
	for (size_t i = 0; i < count; i++) {
		changed = changed || shelf_changed_below(s, fd, names[i], depth - 1);
		free(names[i]);
	}
	free(names);
	close(fd);
	return changed;
}

bool shelf_changed(struct shelf *s, int dir, const char *name)
{
	return shelf_changed_below(s, dir, name, SHELF_DEPTH);
}

char **shelf_names(struct shelf *s, int dir, size_t *ret_count)
{
	int fd = look_open(dir, ".");
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
	char **names = NULL;
	size_t count = 0, cap = 0;
	struct dirent *e;

	if (!d && fd >= 0)
		close(fd);
	s->full |= !d;
	while (d && (e = readdir(d))) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		if (s->entries++ >= LOOK_ENTRIES) {
			s->full = true;
			break;
		}
		if (count == cap) {
			cap = cap ? cap * 2 : 32;
			names = mem_realloc(names, cap * sizeof *names);
		}
		names[count++] = mem_strdup(e->d_name);
	}
	if (d)
		closedir(d);
	*ret_count = count;
	return names;
}

bool shelf_is_known(const struct shelf *s, const char *path, const struct stat *st)
{
	const struct guards_known *known = guards_known(s->known, path);

	return known && known->dev == st->st_dev && known->ino == st->st_ino;
}

bool shelf_is_held(const struct shelf *s, int dir, const char *name)
{
	struct stat st;

	return fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	       guards_holds(s->known, st.st_dev, st.st_ino);
}

bool shelf_has(int dir, const char *name)
{
	return faccessat(dir, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}
