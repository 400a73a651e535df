#ifndef TOOLS_WORDS_H
#define TOOLS_WORDS_H

/*
 * The words of a shell command that may be names of files, without running it: as they stand, as a
 * shell would take them apart, and seen from directories that the command goes to. Rather too many
 * than too few; no patterns, and no names that are put together while it runs. Pure; any thread.
 */

#include <stdbool.h>

enum {
	WORDS_MAX = 4096,      /* bytes of one word */
	WORDS_MAX_SAID = 2048, /* words of one command */
};

/* Tell of each, once. word lasts until found returns. False: there are too many. */
bool words_find(const char *command, void *data, void (*found)(void *data, const char *word));

#endif
