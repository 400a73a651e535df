#ifndef CLI_SETTINGS_H
#define CLI_SETTINGS_H

/* config.json as the command line changes it. These block, and say themselves what is wrong. */

struct config;
struct paths;

/* Where the settings are and what they say (config_free). EXIT_DONE, or it was said why not. */
int settings_load(struct paths *ret_paths, struct config **ret);

/* Write config.json; a running daemon reads it again. EXIT_DONE, or it was said why not. */
int settings_save(const struct paths *paths, const struct config *c);

/* Load, set one key (value NULL: back to the default), save. */
int settings_change(const char *key, const char *value);

#endif
