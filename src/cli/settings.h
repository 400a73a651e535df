#ifndef CLI_SETTINGS_H
#define CLI_SETTINGS_H

/* config.json as the command line changes it. These block, and say themselves what is wrong. */

struct config;
struct err;
struct paths;

/* Where the settings are and what they say (config_free). EXIT_DONE, or it was said why not. */
int settings_load(struct paths *ret_paths, struct config **ret);

/* Write config.json; a running daemon reads it again. EXIT_DONE, or it was said why not. */
int settings_save(const struct paths *paths, const struct config *c);

/*
 * Set one key (value NULL: back to the default). The API key is for the model server it was set
 * for: which one that is is noted beside it, and said when another server is chosen. (One that was
 * set before any server was named is for the first that is.) 0, or -EINVAL with a sentence.
 */
int settings_set(struct config *c, const char *key, const char *value, struct err *reterr);

/* The API key, if there is one, stays with the server of the settings as they are, whatever server
 * is set next. */
void settings_keep_key(struct config *c);

/* Load, set one key (value NULL: back to the default), save. */
int settings_change(const char *key, const char *value);

#endif
