#ifndef TOOLS_SHELF_H
#define TOOLS_SHELF_H

/*
 * Putting one file or directory aside, under a name that no program looks for, and telling of it. A
 * part of aside.h. For the supervisor; blocks.
 */

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

struct aside_told;
struct guards;

struct shelf {
	const struct guards *known;
	struct aside_told *told;
	bool ended;	/* the call has: what cannot be put aside stays */
	size_t entries; /* of directories, looked at so far */
	bool full;	/* not everything was looked at */
};

/* Put `name` in the directory dir (at path) aside, or tell that it cannot be. Where not everything
 * was known before the call, only what was changed since. */
void shelf_put(struct shelf *s, int dir, const char *path, const char *name);

/* Was anything of it changed since the call began? That time is the kernel's, not the command's. */
bool shelf_changed(struct shelf *s, int dir, const char *name);

/* The names in a directory, taken before any of them is changed; both owned by the caller. What
 * cannot be read, or is too much, sets full. */
char **shelf_names(struct shelf *s, int dir, size_t *ret_count);

/* It is what was there before the call under that path. */
bool shelf_is_known(const struct shelf *s, const char *path, const struct stat *st);

/* It is guarded, and was moved here with what holds it: it stayed as it was. */
bool shelf_is_held(const struct shelf *s, int dir, const char *name);

/* Is there an entry of that name? */
bool shelf_has(int dir, const char *name);

#endif
