#ifndef CLI_HISTORY_H
#define CLI_HISTORY_H

/*
 * What was typed in chat, kept over sessions in OPTA_HOME/history: one JSON
 * string a line, mode 0600, bounded. Best effort: a history that cannot be read or written is none.
 * Blocks.
 */

#include <stddef.h>

struct edit;
struct paths;

enum { HISTORY_MAX_BYTES = 256 * 1024 }; /* of the file; past it the older half goes */

void history_load(const struct paths *paths, struct edit *e);
void history_add(const struct paths *paths, const char *text, size_t n);

#endif
