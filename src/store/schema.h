#ifndef STORE_SCHEMA_H
#define STORE_SCHEMA_H

/*
 * The tables, and how an older database becomes today's.
 *
 * To change the schema: append one migration to the table in schema.c; never
 * edit one that was released. SCHEMA_VERSION follows from the table.
 */

struct db;
struct err;

/*
 * Bring the database to today's schema, each migration in a transaction of its
 * own. ERR_VERSION with a sentence when it is newer than we are, ERR_CORRUPT when it
 * is no database of ours.
 */
int schema_migrate(struct db *db, const char *path, struct err *reterr);

#endif
