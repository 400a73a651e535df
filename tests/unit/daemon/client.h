#ifndef UNIT_DAEMON_CLIENT_H
#define UNIT_DAEMON_CLIENT_H

/* The daemon's connections on the world of the session floor, and one client of them. */

#include <sys/socket.h>
#include <unistd.h>

#include "daemon/conn.h"
#include "daemon/server.h"
#include "session/world.h"

static struct server server;
static int client; /* our end of the connection, -1: none */
static struct buf got;
static bool closed; /* the daemon closed its end */

/* A setup function. */
static int client_setup(void **state)
{
	world_setup(state);
	server = (struct server){
	    .loop = &w->loop, .core = w->core, .config = w->config, .daemon_id = "daemon_a"};
	server_init(&server);
	auth_init(&server.auth, w->config, "127.0.0.1");
	client = -1;
	closed = false;
	return 0;
}

/* Its teardown: everybody is gone, and nobody is counted. */
static int client_teardown(void **state)
{
	if (client >= 0)
		close(client);
	server_stop(&server);
	run_until(server.conn_count == 0);
	assert_int_equal(server.subscribers, 0);
	assert_true(list_empty(&w->core->followers));
	buf_finish(&got);
	return world_teardown(state);
}

/* Connect, and ask for path (its query begun), with the token. */
static void client_ask(const char *method, const char *path)
{
	struct buf out = {0};
	int ends[2];

	assert_int_equal(
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
	client = ends[0];
	server_on_accept(&server, ends[1], false);
	buf_addf(&out, "%s %s HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer %s\r\n\r\n",
	    method, path, server.auth.token);
	assert_int_equal(write(client, out.p, out.len), out.len);
	buf_finish(&out);
}

/* Read what is there, at most n bytes. */
static void take(size_t n)
{
	while (n && !closed) {
		ssize_t r = read(client, buf_reserve(&got, 65536), n < 65536 ? n : 65536);

		if (r < 0)
			break;
		closed = r == 0;
		got.len += (size_t)r;
		n -= (size_t)r;
	}
}

__attribute__((unused)) static const char *all(void)
{
	take(SIZE_MAX);
	return buf_cstr(&got);
}

#define with_server(test) cmocka_unit_test_setup_teardown(test, client_setup, client_teardown)

#endif
