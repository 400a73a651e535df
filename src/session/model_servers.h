#ifndef SESSION_MODEL_SERVERS_H
#define SESSION_MODEL_SERVERS_H

/*
 * The model servers there are: that of connection.host, those the settings name (servers.NAME), and
 * those that sessions name themselves (metadata.device). Which of them a model's name means. Loop
 * thread only.
 */

#include <stdbool.h>
#include <stddef.h>

struct config;
struct model_server;
struct model_servers;
struct server_opts;
struct uv_loop_s;

/* config: borrowed until model_servers_configure gives another. */
struct model_servers *model_servers_new(struct uv_loop_s *loop, const struct config *config);
void model_servers_free(struct model_servers *m);

/* New settings. A server they do not name any more is kept, with no host. */
void model_servers_configure(struct model_servers *m, const struct config *config);

/* That of connection.host. */
struct model_server *model_servers_default(const struct model_servers *m);

/*
 * Which one a model's name means: "NAME/model" is a model of servers.NAME, "default/model" and all
 * others are models of connection.host. *ret_model is what that server calls it, within model.
 */
struct model_server *model_servers_of(
    const struct model_servers *m, const char *model, const char **ret_model);

/* That at host:port, which gets no key of the settings. NULL: too many are named. */
struct model_server *model_servers_device(struct model_servers *m, const char *device);

/* The i-th that the settings name, by name; NULL past the last. */
struct model_server *model_servers_named(const struct model_servers *m, size_t i);

/* The one of that name; "default": that of connection.host; NULL: there is none. */
struct model_server *model_servers_find(const struct model_servers *m, const char *name);

/* Does a setting name connection.host's, or is it all there is? */
bool model_servers_has_default(const struct model_servers *m);

/* What the settings say of the server of that name, or with NULL of connection.host: all strings
 * are borrowed from config. */
void model_servers_opts(const struct config *config, const char *name, struct server_opts *ret);

#endif
