/* The model servers there are. */
#include "session/model_servers.h"

#include <stdlib.h>
#include <string.h>

#include "base/config.h"
#include "base/map.h"
#include "base/mem.h"
#include "model/dialect.h"
#include "model/server.h"

enum {
	SERVERS_MAX_DEVICES = 64,		       /* more than anybody has */
	SERVERS_MAX_KEY = CONFIG_MAX_SERVER_NAME + 32, /* bytes of a setting's name */
};

struct device {
	char *name;		     /* owned */
	struct model_server *server; /* owned */
};

/* One of the settings. Its place is kept as long as the daemon runs: a turn may point at it. */
struct named {
	char name[CONFIG_MAX_SERVER_NAME + 1];
	struct model_server *server; /* owned */
	bool there;		     /* the settings name it now */
};

struct model_servers {
	struct uv_loop_s *loop;
	const struct config *config;
	struct model_server *standard; /* owned: of connection.host */
	struct named **named;	       /* owned, and each */
	size_t count;
	struct map devices; /* struct device, owned */
};

/* --- settings --- */

static void put_default(const struct config *config, struct server_opts *o)
{
	*o = (struct server_opts){.port = (int)config_int(config, "connection.port"),
	    .api_key = config_text(config, "connection.apiKey"),
	    .key_host = config_text(config, "connection.apiKeyHost"),
	    .key_port = (int)config_int(config, "connection.apiKeyPort"),
	    .key_to_fallbacks = config_bool(config, "connection.apiKeyToFallbacks"),
	    .key_over_http = config_bool(config, "connection.apiKeyOverHttp"),
	    .dialect = dialect_find(config_text(config, "connection.dialect"))};
	o->hosts[o->host_count++] = config_text(config, "connection.host");
	for (size_t i = 0; o->host_count < SERVER_MAX_HOSTS; i++) {
		const char *host = config_list(config, "connection.fallbackHosts", i);

		if (!host)
			break;
		o->hosts[o->host_count++] = host;
	}
}

static const char *field(const struct config *config, const char *name, const char *which)
{
	char key[SERVERS_MAX_KEY];

	config_server_key(name, which, key, sizeof key);
	return config_text(config, key);
}

void model_servers_opts(const struct config *config, const char *name, struct server_opts *o)
{
	char key[SERVERS_MAX_KEY];
	const char *url;

	if (!name) {
		put_default(config, o);
		return;
	}
	url = field(config, name, "url");
	config_server_key(name, "keyOverHttp", key, sizeof key);
	*o = (struct server_opts){.name = name,
	    /* Where a bare name has no port it is Opta LMX's, as with connection.host. */
	    .port =
		strncmp(url, "http://", 7) == 0 ? 80 : (int)config_int(config, "connection.port"),
	    .api_key = field(config, name, "apiKey"),
	    .key_command = field(config, name, "keyCommand"),
	    .key_over_http = config_bool(config, key),
	    .dialect = dialect_find(field(config, name, "dialect"))};
	if (url[0])
		o->hosts[o->host_count++] = url;
}

static struct named *servers_find(const struct model_servers *m, const char *name)
{
	for (size_t i = 0; i < m->count; i++)
		if (strcmp(m->named[i]->name, name) == 0)
			return m->named[i];
	return NULL;
}

static struct named *servers_name(struct model_servers *m, const char *name)
{
	struct named *n = mem_zalloc(1, sizeof *n);

	snprintf(n->name, sizeof n->name, "%s", name);
	m->named = mem_realloc(m->named, (m->count + 1) * sizeof *m->named);
	m->named[m->count++] = n;
	return n;
}

/* The server of that name is as the settings say, or has no host when they do not know it. */
static void configure(struct model_servers *m, struct named *n)
{
	struct server_opts o;

	model_servers_opts(m->config, n->name, &o);
	if (n->server)
		model_server_configure(n->server, &o);
	else
		n->server = model_server_new(m->loop, &o);
}

void model_servers_configure(struct model_servers *m, const struct config *config)
{
	char name[CONFIG_MAX_SERVER_NAME + 1];
	struct server_opts o;

	m->config = config;
	model_servers_opts(config, NULL, &o);
	model_server_configure(m->standard, &o);
	for (size_t i = 0; i < m->count; i++)
		m->named[i]->there = false;
	for (size_t i = 0; i < CONFIG_MAX_SERVERS && config_server(config, i, name); i++) {
		struct named *n = servers_find(m, name);

		if (!n)
			n = servers_name(m, name);
		n->there = true;
	}
	for (size_t i = 0; i < m->count; i++)
		configure(m, m->named[i]);
}

struct model_servers *model_servers_new(struct uv_loop_s *loop, const struct config *config)
{
	struct model_servers *m = mem_zalloc(1, sizeof *m);
	struct server_opts o;

	m->loop = loop;
	model_servers_opts(config, NULL, &o);
	m->standard = model_server_new(loop, &o);
	model_servers_configure(m, config);
	return m;
}

void model_servers_free(struct model_servers *m)
{
	struct device *d;
	size_t at = 0;

	if (!m)
		return;
	while ((d = map_next(&m->devices, &at))) {
		model_server_free(d->server);
		free(d->name);
		free(d);
	}
	map_finish(&m->devices);
	for (size_t i = 0; i < m->count; i++) {
		model_server_free(m->named[i]->server);
		free(m->named[i]);
	}
	free(m->named);
	model_server_free(m->standard);
	free(m);
}

/* --- finding --- */

struct model_server *model_servers_default(const struct model_servers *m)
{
	return m->standard;
}

struct model_server *model_servers_find(const struct model_servers *m, const char *name)
{
	struct named *n = servers_find(m, name);

	if (strcmp(name, "default") == 0)
		return m->standard;
	return n && n->there ? n->server : NULL;
}

struct model_server *model_servers_of(
    const struct model_servers *m, const char *model, const char **ret_model)
{
	const char *slash = strchr(model, '/');
	char name[CONFIG_MAX_SERVER_NAME + 1];
	struct model_server *server;

	*ret_model = model;
	if (!slash || slash - model > CONFIG_MAX_SERVER_NAME)
		return m->standard;
	snprintf(name, sizeof name, "%.*s", (int)(slash - model), model);
	server = model_servers_find(m, name);
	if (!server)
		return m->standard;
	*ret_model = slash + 1;
	return server;
}

struct model_server *model_servers_named(const struct model_servers *m, size_t i)
{
	for (size_t at = 0; at < m->count; at++)
		if (m->named[at]->there && i-- == 0)
			return m->named[at]->server;
	return NULL;
}

bool model_servers_has_default(const struct model_servers *m)
{
	return config_is_set(m->config, "connection.host") ||
	       config_is_set(m->config, "connection.port") || !model_servers_named(m, 0);
}

struct model_server *model_servers_device(struct model_servers *m, const char *device)
{
	struct device *d = map_get(&m->devices, device);

	if (d)
		return d->server;
	if (m->devices.len >= SERVERS_MAX_DEVICES)
		return NULL;
	d = mem_zalloc(1, sizeof *d);
	d->name = mem_strdup(device);
	d->server =
	    model_server_new(m->loop, &(struct server_opts){.hosts = {device},
					  .host_count = 1,
					  .port = (int)config_int(m->config, "connection.port"),
					  .api_key = ""});
	map_put(&m->devices, d->name, d);
	return d->server;
}
