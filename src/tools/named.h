#ifndef TOOLS_NAMED_H
#define TOOLS_NAMED_H

/*
 * Files that git's configuration names: hooks, included settings, and the words of commands that
 * git runs (monitors, filters, drivers, editors, aliases, …). Reads files and runs nothing. For the
 * supervisor; blocks.
 */

#include <stdbool.h>
#include <stddef.h>

enum { NAMED_MAX_BASES = 256 };

enum named_kind {
	NAMED_PATH, /* the value is a path, and may be a directory */
	NAMED_FILE, /* a word of a command that has the look of a path */
	NAMED_WORD, /* another: a path only when a file of that name is there */
};

struct named {
	/* Directories that a relative path may be meant from. */
	const char *bases[NAMED_MAX_BASES];
	size_t base_count;
	const char *home; /* of `~/`, NULL: none */
	void *data;
	/* path is absolute, but may go through links and may not be there. */
	void (*found)(void *data, const char *path, enum named_kind kind);
};

/*
 * Of the configuration file and those it includes. What is not there, or cannot be read, names
 * nothing. False: it is too large, or has too many files, for all of it to be understood.
 */
bool named_find(const struct named *named, const char *file);

#endif
