/* daemon/auth and daemon/route: the gates and the table. */
#include "daemon/auth.h"

#include "base/buf.h"
#include "base/config.h"
#include "base/json.h"
#include "daemon/route.h"
#include "unit.h"

static struct config *config;
static struct auth auth;

static int setup(void **state)
{
	config = config_new();
	assert_int_equal(
	    config_set(config, "daemon.allowedOrigins", "https://app.example", NULL), 0);
	auth_init(&auth, config, "127.0.0.1");
	return 0;
}

static int teardown(void **state)
{
	config_free(config);
	return 0;
}

static void only_loopback_and_the_configured_host_pass(void **state)
{
	static const char *const good[] = {"127.0.0.1", "127.0.0.1:9999", "localhost",
	    "LOCALHOST:1", "[::1]", "[::1]:80", "127.255.0.1"};
	static const char *const bad[] = {"", "evil.com", "localhost.evil.com", "127.0.0.1.nip.io",
	    "127.0.0.1.evil.com:9999", "0.0.0.0", "127.0.0", "127.0.0.1.", "127.0.0.256",
	    "127.0.0.1:99999", "127.0.0.1:x", "[::1", "[::1]x", "::1", "127.0.0.0x1", "2130706433",
	    "evil.com:80@localhost"};

	for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
		assert_true(auth_host_ok(&auth, str_of(good[i])));
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		assert_false(auth_host_ok(&auth, str_of(bad[i])));
	auth.host = "box.lan";
	assert_true(auth_host_ok(&auth, str_of("box.lan:9999")));
	auth.host = "fe80::1";
	assert_true(auth_host_ok(&auth, str_of("[fe80::1]:9999")));
	auth.host = "0.0.0.0";
	assert_false(auth_host_ok(&auth, str_of("0.0.0.0")));
}

static void only_loopback_and_listed_origins_pass(void **state)
{
	static const char *const good[] = {"http://localhost:3000", "http://127.0.0.1",
	    "https://[::1]:8443", "https://app.example"};
	static const char *const bad[] = {"null", "", "http://localhost.evil.com",
	    "http://evil.com", "https://app.example.evil.com", "https://app.example:444",
	    "http://app.example", "file://", "http://127.0.0.1.nip.io", "http://localhost@evil.com",
	    "http://localhost:3000/path", "localhost", "chrome-extension://x"};

	for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
		assert_true(auth_origin_ok(&auth, str_of(good[i])));
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		assert_false(auth_origin_ok(&auth, str_of(bad[i])));
}

static void a_token_is_fresh_and_long(void **state)
{
	struct auth other;

	auth_init(&other, config, "127.0.0.1");
	assert_int_equal(strlen(auth.token), 8 + 64);
	assert_int_equal(strncmp(auth.token, "opta_dk_", 8), 0);
	assert_string_not_equal(auth.token, other.token);
	assert_true(auth_token_ok(&auth, str_of(auth.token)));
	assert_false(auth_token_ok(&auth, str_of(other.token)));
	assert_false(auth_token_ok(&auth, (struct str){auth.token, 8}));
	assert_false(auth_token_ok(&auth, (struct str){NULL, 0}));
}

static void guesses_run_out(void **state)
{
	int free_guesses = 0;

	while (free_guesses < 1000 && auth_guess(&auth))
		free_guesses++;
	assert_int_equal(free_guesses, AUTH_FREE_GUESSES);
}

static void routes_are_found_with_their_ids(void **state)
{
	char id[ROUTE_ID_SIZE], rid[ROUTE_ID_SIZE];
	struct buf methods = {0};
	const struct route *r = route_find(
	    str_of("POST"), str_of("/v3/sessions/s_1/permission-requests/p-2/resolve"), id, rid);

	assert_non_null(r);
	assert_string_equal(id, "s_1");
	assert_string_equal(rid, "p-2");
	assert_null(route_find(str_of("PUT"), str_of("/v3/sessions/s_1"), id, rid));
	assert_true(route_methods(str_of("/v3/sessions/s_1"), &methods));
	assert_string_equal(buf_cstr(&methods), "GET, PATCH, DELETE");
	assert_null(route_find(str_of("GET"), str_of("/v3/sessions/"), id, rid));
	assert_false(route_methods(str_of("/v3/sessions/"), &methods));
	assert_null(route_find(str_of("GET"), str_of("/v3/sessions/a%20b"), id, rid));
	assert_null(route_find(str_of("GET"), str_of("/v3/sessions/../health"), id, rid));
	assert_null(route_find(str_of("GET"), str_of("/"), id, rid));
	assert_non_null(route_find(str_of("GET"), str_of("/v3/health"), id, rid));
	assert_null(route_find(str_of("GET"), str_of("/v3/healt"), id, rid));
	assert_null(route_find(str_of("GET"), str_of("/v3/healthy"), id, rid));
	assert_null(route_find(str_of("GET"), str_of("/v3/health/"), id, rid));
	assert_null(route_find(str_of("GET"), str_of("/v3/sessions/s_1/"), id, rid));
	assert_null(route_find(str_of("GET"), str_of("/v3/sessions//events"), id, rid));
	buf_finish(&methods);
}

static void the_description_is_json_and_names_every_route(void **state)
{
	struct buf out = {0};
	json_t *root;
	size_t operations = 0, rows = 0;
	const char *path, *method;
	json_t *item, *operation;

	route_put_openapi(&out);
	assert_int_equal(json_parse(out.p, out.len, &root, NULL), 0);
	json_object_foreach (json_object_get(root, "paths"), path, item)
		json_object_foreach (item, method, operation)
			operations++;
	for (const struct route *r = routes; r->method; r++)
		rows++;
	assert_int_equal(operations, rows);
	json_decref(root);
	buf_finish(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(
		only_loopback_and_the_configured_host_pass, setup, teardown),
	    cmocka_unit_test_setup_teardown(only_loopback_and_listed_origins_pass, setup, teardown),
	    cmocka_unit_test_setup_teardown(a_token_is_fresh_and_long, setup, teardown),
	    cmocka_unit_test_setup_teardown(guesses_run_out, setup, teardown),
	    cmocka_unit_test(routes_are_found_with_their_ids),
	    cmocka_unit_test(the_description_is_json_and_names_every_route),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
