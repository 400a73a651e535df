#ifndef BASE_CONFIG_H
#define BASE_CONFIG_H

/*
 * The settings: one const table of keys (type, default, range, help), and the
 * values of one config.json over it. A struct config is immutable once loaded
 * but for config_set / config_unset, which the command line uses before it
 * writes the file. One thread at a time.
 *
 * To add a key: one row in config_keys. Validation, `config list`, the man page
 * and the nearest-name hint come from the row.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;
struct config;
struct err;

/* A configuration file larger than this is refused. */
enum {
	CONFIG_MAX_BYTES = 256 * 1024,
	CONFIG_MAX_SERVERS = 32,     /* named model servers */
	CONFIG_MAX_SERVER_NAME = 32, /* bytes: letters, digits, "-" and "_" */
};

enum config_type {
	CONFIG_TEXT,  /* a string; min..max is its length */
	CONFIG_INT,   /* a whole number in min..max */
	CONFIG_BOOL,  /* true or false */
	CONFIG_LIST,  /* strings; on the command line separated by commas */
	CONFIG_RANGE, /* "low-high", both in min..max */
	CONFIG_DIR,   /* an absolute path of at most max bytes, or nothing */
	CONFIG_ENUM,  /* one of the words in help's choices */
};

struct config_key {
	const char *name; /* "daemon.port"; "servers.NAME.url": one for each name there is */
	enum config_type type;
	const char *fallback; /* the default, as it is typed on the command line */
	int64_t min, max;
	const char *choices; /* CONFIG_ENUM: words separated by | */
	const char *help;
	bool secret; /* never printed by list */
};

/* All keys, ended by a row whose name is NULL. */
extern const struct config_key config_keys[];

/* The defaults. */
struct config *config_new(void);

/*
 * Read the file at path over the defaults. A missing or empty file is no
 * configuration. Unknown keys are kept and counted, a value of the wrong type
 * or out of range is ERR_RANGE, a file that is no JSON object is ERR_SYNTAX; the sentence
 * names the file, the key and what was expected. Blocks on the disk.
 */
int config_load(const char *path, struct config **ret, struct err *reterr);

/* The same from n bytes in memory; name is the file's name for messages. */
int config_parse(
    const char *p, size_t n, const char *name, struct config **ret, struct err *reterr);

/* Free c; NULL is allowed. */
void config_free(struct config *c);

/* The row for a key's name, or NULL and in *ret_nearest (if not NULL) the nearest name there is, or
 * NULL. */
const struct config_key *config_find(const char *name, const char **ret_nearest);

/* Was the key set in the file (as against the default)? */
bool config_is_set(const struct config *c, const char *name);

/* Values; the key must exist with that type (assert). Texts are borrowed from c. */
int64_t config_int(const struct config *c, const char *name);
bool config_bool(const struct config *c, const char *name);
const char *config_text(const struct config *c, const char *name);
void config_range(const struct config *c, const char *name, int64_t *ret_low, int64_t *ret_high);

/* The i-th string of a CONFIG_LIST, NULL past its end. Borrowed from c. */
const char *config_list(const struct config *c, const char *name, size_t i);

/* --- named model servers --- */

/* Can a server have that name? "default" is that of connection.host. */
bool config_server_name_ok(const char *name);

/* The name of the i-th server that has a url, into out. False past the last. */
bool config_server(const struct config *c, size_t i, char out[CONFIG_MAX_SERVER_NAME + 1]);

/* The key servers.NAME.FIELD into out, which it fits for a name that is ok. */
void config_server_key(const char *name, const char *field, char *out, size_t size);

/* Append the value as it would be typed (a secret too: the caller decides). */
void config_show(const struct config *c, const char *name, struct buf *out);

/* The name of the i-th key that is set, NULL past the last. Borrowed from c. */
const char *config_nth_set(const struct config *c, size_t i);

/* Set a key from the command line's spelling. ERR_UNKNOWN or ERR_RANGE with a sentence that says
 * what is allowed. */
int config_set(struct config *c, const char *name, const char *value, struct err *reterr);

/* Back to the default. ERR_UNKNOWN for a name that is no key. */
int config_unset(struct config *c, const char *name, struct err *reterr);

/* Append the file's text: what was set, nested, indented. */
void config_write(const struct config *c, struct buf *out);

/* How many keys in the file nobody knows; *ret_first gets the first one's name, borrowed. */
size_t config_unknown(const struct config *c, const char **ret_first);

#endif
