#ifndef CLI_TABLE_H
#define CLI_TABLE_H

/*
 * Rows and columns for people: aligned by what is shown (wide characters count two),
 * the last column cut to the terminal's width. Cells may be hostile text. Pure.
 */

#include <stdbool.h>
#include <stddef.h>

struct buf;
struct table;

enum { TABLE_MAX_COLUMNS = 8 };

/* heads: as many as columns; static. */
struct table *table_new(size_t columns, const char *const *heads);
void table_free(struct table *t);

/* Add one cell, row by row; copied. Control characters become spaces. */
void table_add(struct table *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Append all of it as lines. width 0: no limit. color: the heads are bold. */
void table_put(const struct table *t, struct buf *out, unsigned width, bool color);

/* To standard output, as wide as it is when that is a terminal. */
void table_print(const struct table *t);

#endif
